"""What a label file says of each finding of each film: has it, has it not, or unknown.

A row of the file becomes the names that it says of a film, or a cell for each finding; both become
the map `findings`, in which a name that is missing is unknown, and the label of the film: the
findings that it has. All of it is Spark's own expressions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.model.findings import NO_FINDING
from spark_cxr.pipeline.finding_names import LONGEST_NAME, MOST, FindingNames, chosen, vocabulary
from spark_cxr.pipeline.finding_policy import NEGATIVE, POSITIVE, UNKNOWN, FindingPolicy
from spark_cxr.pipeline.label_columns import column_or_null
from spark_cxr.pipeline.label_match import BAR
from spark_cxr.schemas import FINDINGS, LABEL

NAMES = "_names"
"""Column on the way: what a row of the label file names; null where it says nothing."""
HAS = "_has"
"""Column on the way: the findings that a film has; null where nothing says it."""
READER = "_reader"
"""Column on the way: who has read the film."""
YES, NO = ("1", "yes", "true", "positive"), ("0", "no", "false", "negative")
UNCERTAIN = ("-1", "uncertain")
BLANK = ("", "nan", "null", "<na>")
"""What a cell says that says nothing; the last three are those of pandas and of databases."""
"""What a cell may say, whatever its case; numbers may end with .0."""
WITHOUT_POINT = r"^(-?[01])\.0*$"
RUN_LENGTHS = r"^\d+\s+\d+(\s+\d+\s+\d+)*$"
ITEM = r"'([^']*)'|\"([^\"]*)\""
"""One item of a list as Python writes it."""
UNNAMED = r"_c\d+"
"""What Spark calls a column without a name, such as the index that pandas writes."""
FINDINGS_TYPE = "map<string,boolean>"
COUNTS_AS = {POSITIVE: True, NEGATIVE: False, UNKNOWN: None}


def names_said(label: Column, between: str = BAR) -> Column:
    """Take `A|B|C` apart, or a list as Python writes it; null if nothing is said."""
    items = F.regexp_extract_all(label, F.lit(ITEM), F.lit(0))
    listed = F.transform(items, lambda item: item.substr(F.lit(2), F.length(item) - 2))
    parts = F.when(label.rlike(r"^\s*\[.*\]\s*$"), listed).otherwise(
        F.split(label, re.escape(between))
    )
    parts = F.filter(F.transform(parts, lambda part: F.trim(part)), lambda part: ~is_blank(part))
    return F.when(F.size(parts) > 0, parts)


def is_blank(label: Column) -> Column:
    """Say whether a cell, or a part of one, says nothing."""
    return F.coalesce(F.lower(F.trim(label)), F.lit("")).isin(*BLANK)


def yes_or_no(label: Column, finding: str) -> Column:
    """Name the one finding of a file where a row says 1 or has run lengths, none where 0 or -1."""
    written = F.regexp_replace(F.lower(F.trim(label)), WITHOUT_POINT, "$1")
    outline = written.rlike(RUN_LENGTHS)
    return F.when(written.isin(*YES) | outline, F.array(F.lit(finding))).when(
        written.isin(*NO, *UNCERTAIN), F.array(F.lit(NO_FINDING))
    )


def gathered(rows: DataFrame, by: Sequence[str]) -> DataFrame:
    """Make one row a film and reader of one row a box, with all that it names."""
    return rows.groupBy(*by).agg(F.flatten(F.collect_list(NAMES)).alias(NAMES))


def of_names(rows: DataFrame, policy: FindingPolicy, one: str = "") -> DataFrame:
    """Make `findings` and `label` of `NAMES`: what a film is not said to have, it has not.

    Args:
        rows: Rows of films.
        policy: Which findings are wanted.
        one: The finding that the file is about, where it is about one.
    """
    names = policy.names
    named = rows.select(F.explode(NAMES).alias("name"))
    short = F.substring("name", 1, LONGEST_NAME + 1).alias("name")
    written = named.select(short).distinct().limit(MOST + 2).collect()
    spellings: dict[str, list[str]] = {}
    for row in sorted(written):
        name = row["name"]
        spellings.setdefault(name if len(name) > LONGEST_NAME else names.of(name), []).append(name)
    ignored = [spellings.pop(names.of(word), []) for word in policy.ignored]
    there = [*spellings, *filter(None, [one])]
    findings = chosen(policy.wanted, there, names, policy.may_lack)
    ignorable = _texts(itertools.chain(*ignored))
    return _answered(
        rows, findings, spellings, F.size(F.array_except(NAMES, ignorable)) > 0, policy
    )


def _answered(
    rows: DataFrame,
    findings: Sequence[str],
    spellings: Mapping[str, Sequence[str]],
    said: Column,
    policy: FindingPolicy,
) -> DataFrame:
    """Add `findings` and `label`.

    190 findings of 160,000 films are 30 million cells; 190 expressions would be code that is too
    long for Java to compile.
    """
    if not findings:
        nothing = {FINDINGS: F.lit(None).cast(FINDINGS_TYPE), LABEL: F.lit(None).cast("string")}
        return rows.withColumns(nothing)
    meant = {word: name for name in findings for word in spellings.get(name, ())}
    finding_of = F.map_from_arrays(_texts(meant), _texts(meant.values()))
    named = F.transform(NAMES, lambda word: F.try_element_at(finding_of, word))
    blank = _texts([]) if policy.blank == NEGATIVE else F.lit(None)
    has = F.array_intersect(_texts(findings), named)  # in the order of the findings
    rows = rows.withColumn(HAS, F.when(said, has).otherwise(blank))
    # One map for all films, whose values alone are made anew: Spark looks for doubles in any other.
    all_of_them = F.map_from_arrays(_texts(findings), F.array_repeat(F.lit(False), len(findings)))
    answers = F.transform_values(all_of_them, lambda name, _: F.array_contains(HAS, name))
    label = F.coalesce(F.nullif(F.array_join(HAS, BAR), F.lit("")), F.lit(NO_FINDING))
    is_known = F.col(HAS).isNotNull()
    found = {FINDINGS: F.when(is_known, answers), LABEL: F.when(is_known, label)}
    return rows.withColumns(found).drop(HAS)


def _texts(words: Iterable[str]) -> Column:
    return F.lit([*words]).cast("array<string>")


def of_cells(rows: DataFrame, columns: Mapping[str, str], policy: FindingPolicy) -> DataFrame:
    """Make `findings` of a column for each finding.

    Args:
        rows: Of the file, with these columns as text.
        columns: The finding of each column; `NO_FINDING` may be one.
        policy: Which findings are wanted, and what -1 and blanks count as.
    """
    wanted = chosen(policy.wanted, columns.values(), policy.names, policy.may_lack)
    none = F.coalesce(
        *(_cell(name, None) for name in _columns_of(columns, NO_FINDING)), F.lit(False)
    )
    cells = [_finding(columns, name, policy, none) for name in wanted]
    found = F.map_from_arrays(_texts(wanted), F.array(*cells).cast("array<boolean>"))
    found = F.map_filter(found, lambda _, value: value.isNotNull())
    return rows.withColumn(FINDINGS, F.when(F.size(found) > 0, found))


def _columns_of(columns: Mapping[str, str], finding: str) -> list[str]:
    return [column for column, name in columns.items() if name == finding]


def _finding(
    columns: Mapping[str, str], finding: str, policy: FindingPolicy, none: Column
) -> Column:
    """Say of one finding what its columns say; "No Finding" counts where they say nothing."""
    uncertain = COUNTS_AS[policy.of_uncertain(finding)]
    cells = [_cell(name, uncertain) for name in _columns_of(columns, finding)]
    said = F.greatest(*cells, *cells[:1])  # of two columns the one that says yes; wants two
    blank = F.lit(False) if policy.blank == NEGATIVE else F.lit(None)
    if finding not in vocabulary().beside_none:
        blank = F.when(none, False).otherwise(blank)
    is_blank = F.lit(True)
    for name in _columns_of(columns, finding):
        is_blank &= _written(name) == ""
    return F.when(is_blank, blank).otherwise(said).cast("boolean")


def _written(column: str) -> Column:
    cell = column_or_null(column)
    text = F.regexp_replace(F.lower(F.trim(cell)), WITHOUT_POINT, "$1")
    return F.when(is_blank(cell), "").otherwise(text)


def _cell(column: str, uncertain: bool | None) -> Column:
    written = _written(column)
    return (
        F.when(written.isin(*YES), True)
        .when(written.isin(*NO), False)
        .when(written.isin(*UNCERTAIN), F.lit(uncertain))
        .cast("boolean")
    )


def agreed(rows: DataFrame, film: Sequence[str], agreement: str) -> DataFrame:
    """Make one row a film of one row a reader: of those who say anything of a finding, how many.

    Args:
        rows: With `findings`, as one reader says it.
        film: The columns that a film's rows have in common.
        agreement: `majority`, `any` or `all`.
    """
    maps = rows.groupBy(*film).agg(F.collect_list(FINDINGS).alias("_maps"))
    said = F.array_distinct(F.flatten(F.transform("_maps", F.map_keys)))

    def vote(finding: Column) -> Column:
        answers = F.transform("_maps", lambda one: F.try_element_at(one, finding))
        yes = F.size(F.filter(answers, lambda answer: answer))
        asked = F.size(F.filter(answers, lambda answer: answer.isNotNull()))
        return {"any": yes > 0, "all": yes == asked}.get(agreement, yes * 2 > asked)

    found = F.map_from_arrays(said, F.transform(said, vote))
    return maps.withColumn(FINDINGS, F.when(F.size(said) > 0, found)).drop("_maps")


def with_label(rows: DataFrame) -> DataFrame:
    """Give each film the label of its findings: those that it has, or that it has none."""
    has = F.map_keys(F.map_filter(FINDINGS, lambda _, value: value))
    label = F.when(F.size(has) > 0, F.array_join(F.array_sort(has), BAR)).otherwise(NO_FINDING)
    return rows.withColumn(LABEL, F.when(F.col(FINDINGS).isNotNull(), label))


def finding_columns(
    rows: DataFrame, others: Collection[str], names: FindingNames, path: str
) -> dict[str, str]:
    """Find the columns that say yes, no or -1 of a finding, and which it is.

    Args:
        rows: Of the file.
        others: Columns that say something else, like patient and view.
        names: What findings are called.
        path: The file, for the message.

    Raises:
        InputError: A column that is called like a finding says something else.
    """
    columns = [
        name
        for name in rows.columns
        if name.strip() and name not in others and not re.fullmatch(UNNAMED, name)
    ]
    known = (*YES, *NO, *UNCERTAIN, "")
    counts = [
        count
        for name in columns
        for count in (F.count_if(_written(name) != ""), F.count_if(~_written(name).isin(*known)))
    ]
    counted = rows.agg(*counts).collect()[0]
    found = {}
    for number, name in enumerate(columns):
        filled, strange = counted[2 * number], counted[2 * number + 1]
        if strange and names.is_finding(name):
            received = f"{path} with {strange:,} others in column {name}"
            way_out = "Correct them, or name the column of labels with --label-column"
            raise InputError("1, 0, -1, yes, no or nothing for a finding", received, way_out)
        if not strange and (filled or names.is_finding(name)):
            found[name] = names.of(name)
    return found
