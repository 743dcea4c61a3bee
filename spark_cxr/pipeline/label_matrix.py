"""What a label file says of each finding of each film: has it, has it not, or unknown.

A row of the file becomes the names that it says of a film, or a cell for each finding; both become
the map `findings`, in which a name that is missing is unknown, and the label of the film: the
findings that it has. All of it is Spark's own expressions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.pipeline.finding_names import MOST, NO_FINDING, FindingNames, chosen, vocabulary
from spark_cxr.pipeline.finding_policy import NEGATIVE, POSITIVE, UNKNOWN, FindingPolicy
from spark_cxr.pipeline.label_match import BAR
from spark_cxr.schemas import FINDINGS, LABEL

NAMES = "_names"
"""Column on the way: what a row of the label file names; null where it says nothing."""
READER = "_reader"
"""Column on the way: who has read the film."""
YES, NO = ("1", "yes", "true", "positive"), ("0", "no", "false", "negative")
UNCERTAIN = ("-1", "uncertain")
"""What a cell may say, whatever its case; numbers may end with .0."""
ITEM = r"'([^']*)'|\"([^\"]*)\""
"""One item of a list as Python writes it."""
COUNTS_AS = {POSITIVE: True, NEGATIVE: False, UNKNOWN: None}


def names_said(label: Column, between: str = BAR) -> Column:
    """Take `A|B|C` apart, or a list as Python writes it; null if nothing is said."""
    items = F.regexp_extract_all(label, F.lit(ITEM), F.lit(0))
    listed = F.transform(items, lambda item: item.substr(F.lit(2), F.length(item) - 2))
    parts = F.when(label.rlike(r"^\s*\[.*\]\s*$"), listed).otherwise(
        F.split(label, re.escape(between))
    )
    parts = F.filter(F.transform(parts, lambda part: F.trim(part)), lambda part: part != "")
    return F.when(F.size(parts) > 0, parts)


def yes_or_no(label: Column, finding: str) -> Column:
    """Name the one finding of a file where a row says 1 or has run lengths, none where 0 or -1."""
    written = F.lower(F.trim(label))
    outline = written.rlike(r"^\d+ \d+")
    return F.when(written.isin(*YES) | outline, F.array(F.lit(finding))).when(
        written.isin(*NO, *UNCERTAIN), F.array(F.lit(NO_FINDING))
    )


def gathered(rows: DataFrame, by: Sequence[str]) -> DataFrame:
    """Make one row a film and reader of one row a box, with all that it names."""
    return rows.groupBy(*by).agg(F.flatten(F.collect_list(NAMES)).alias(NAMES))


def of_names(rows: DataFrame, policy: FindingPolicy, one: str = "") -> DataFrame:
    """Make `findings` of the names in `NAMES`: what a film is not said to have, it has not.

    Args:
        rows: Rows of films.
        policy: Which findings are wanted.
        one: The finding that the file is about, where it is about one.
    """
    names = policy.names
    written = rows.select(F.explode(NAMES).alias("name")).distinct().limit(MOST + 2).collect()
    ignored = {names.of(word) for word in policy.ignored}
    spelling = {row["name"]: names.of(row["name"]) for row in sorted(written)}
    spelling = {name: own for name, own in spelling.items() if own not in ignored}
    there = [*spelling.values(), *filter(None, [one])]
    findings = _texts(chosen(policy.wanted, there, names, policy.may_lack))
    spellings = F.map_from_arrays(_texts(spelling), _texts(spelling.values()))
    found = F.transform(NAMES, lambda name: F.try_element_at(spellings, name))
    found = F.coalesce(F.filter(found, lambda name: name.isNotNull()), _texts(()))
    has = F.transform(findings, lambda finding: F.array_contains(found, finding))
    is_known = (F.size(findings) > 0) & ((F.size(found) > 0) | F.lit(policy.blank == NEGATIVE))
    return rows.withColumn(FINDINGS, F.when(is_known, F.map_from_arrays(findings, has)))


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
    text = F.lower(F.trim(F.col(f"`{column}`")))
    return F.coalesce(F.regexp_replace(text, r"^(-?[01])\.0*$", "$1"), F.lit(""))


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
    columns = [name for name in rows.columns if name.strip() and name not in others]
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
