"""Leave one source out: each source is tested by heads that have learned from all others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.compare import JOB
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import Output
from spark_cxr.pipeline.classes import Classes
from spark_cxr.verbs.compare.films import check_splits
from spark_cxr.verbs.compare.sources import (
    MOST_SOURCES,
    finding_sources,
    missing_figure,
    source_folds,
    sources_apart,
    with_splits,
)
from tests.quick import defaults

FILMS = "path string, label string, source string, group_id string"


def rows_of(spark, counts):
    rows = [
        (f"{label}-{source}-{n}", label, source, f"{label}-{source}-{n}")
        for (label, source), films in counts.items()
        for n in range(films)
    ]
    return spark.createDataFrame(rows, FILMS)


def by_name(*names):
    return Classes(tuple((name, (name,)) for name in names))


@pytest.fixture
def confounded(spark):
    counts = {("N", "a"): 3, ("N", "b"): 2, ("P", "a"): 1, ("P", "b"): 1, ("C", "x"): 4}
    return rows_of(spark, counts)


def test_each_source_is_a_fold_and_what_comes_from_one_is_named(confounded, tmp_path):
    found = source_folds(confounded, by_name("C", "N", "P"), Output(str(tmp_path)))
    assert (found.sources, found.classes.names) == (("a", "b"), ("N", "P"))
    dealt = {row["path"]: row["fold"] for row in found.rows.collect()}
    assert {path.split("-")[1]: fold for path, fold in dealt.items()} == {"a": 0, "b": 1}
    assert len(dealt) == 7
    assert found.left_out == (
        "C comes from x only (4 films): label and source cannot be told apart, so it is left out "
        "of the figure by source",
    )


def test_labels_that_all_have_a_source_of_their_own_give_no_figure(spark, tmp_path):
    films = rows_of(spark, {("N", "a"): 3, ("P", "b"): 3})
    with pytest.raises(InputError, match="N comes from a only"):
        source_folds(films, by_name("N", "P"), Output(str(tmp_path)))
    assert sources_apart(films) == ()
    assert missing_figure(()) == ""


def test_a_figure_that_could_be_had_is_named(confounded):
    assert missing_figure(sources_apart(confounded)) == (
        "The films come from 2 sources (a, b), and no figure says what the heads are worth on a "
        "source that they have not learned from. Add --folds source to get it"
    )


def test_findings_of_one_source_are_named(spark):
    rows = [
        *(("a", {"Mass": True, "Edema": True}), ("a", {"Mass": False, "Edema": False})),
        *(("b", {"Mass": True, "Edema": False}), ("b", {"Mass": False, "Edema": None})),
    ]
    films = spark.createDataFrame(rows, "source string, findings map<string,boolean>")
    assert finding_sources(films, ["Mass", "Edema"]) == {
        "Edema": "only a has films with it, so no other source can test what is learned there"
    }


def test_folds_by_source_come_before_all_others():
    found = defaults(compare={"folds": "source"}).compare
    assert (found.splits, found.folds) == (("source", "patient", "image"), 5)
    check_splits(found.splits)


@pytest.mark.parametrize(
    ("splits", "sources", "expected"),
    [
        (["auto"], 0, ("patient", "image")),
        (["auto"], 2, ("source", "patient", "image")),
        (["auto"], MOST_SOURCES + 1, ("patient", "image")),
        (["patient", "image"], 2, ("patient", "image")),
    ],
)
def test_sources_that_are_known_are_tested_unasked_where_they_are_few(splits, sources, expected):
    cfg = defaults(compare={"splits": splits})
    names = [f"hospital {number}" for number in range(sources)]
    assert with_splits(cfg, names).compare.splits == expected


def test_auto_stands_for_itself():
    with pytest.raises(ConfigError, match="auto, image"):
        check_splits(("auto", "image"))


def test_by_source_alone_is_refused():
    with pytest.raises(ConfigError, match="--folds source"):
        check_splits(("source",))


@pytest.fixture(scope="module")
def elsewhere(spark, films, tmp_path_factory):
    """Compare phantoms of three sources, of which one has a class of its own."""
    folder = tmp_path_factory.mktemp("by-source")
    rows = list(csv.DictReader((films / "manifest.csv").read_text("utf-8").splitlines()))
    for number, row in enumerate(rows):
        row["source"] = "east" if row["label"] == "COVID-19" else ("north", "south")[number % 2]
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    cfg = defaults(
        run={"out": str(folder / "R")},
        ingest={"images": [str(films)], "labels": str(manifest), "unmatched": "keep"},
        train={"resamples": 200},
        compare={"heads": ["lr"]},
    )
    said = job.run(JOB, spark, cfg)
    return folder / "R", said, json.loads((folder / "R" / "comparison.json").read_text())


@pytest.mark.slow
def test_each_source_has_a_figure_from_heads_of_the_others(elsewhere):
    out, said, kept = elsewhere
    (row,) = kept["by_source"]["ranking"]
    answers = pq.read_table(Path(out) / "predictions" / "fake-lr-by-source").to_pylist()
    assert {each["name"] for each in row["sources"]} == {"north", "south"}
    assert row["labels"] == ["No_findings", "Pneumonia"]
    assert row["n"] == len(answers) == sum(each["n"] for each in row["sources"])
    for part in row["sources"]:
        own = [each for each in answers if each["source"] == part["name"]]
        right = sum(each["prediction"] == each["label"] for each in own) / len(own)
        assert part["n"] == len(own)
        assert part["accuracy"] is None or part["accuracy"] == pytest.approx(right)
    assert said["fits"] == 2 * 5 + 2


@pytest.mark.slow
def test_a_class_of_one_source_has_no_good_number(elsewhere):
    _, _, kept = elsewhere
    (sentence,) = kept["by_source"]["left_out"]
    assert sentence.startswith("COVID-19 comes from east only (")


@pytest.mark.slow
def test_figures_by_patient_and_image_stay_beside_it(elsewhere):
    out, _, kept = elsewhere
    assert kept["split"]["method"] == "patient"
    assert kept["image_split"]["method"] == "image"
    assert {each.name for each in (Path(out) / "folds").iterdir()} == {
        *("by-source", "by-patient", "by-image")
    }


@pytest.mark.slow
def test_it_stands_first_on_the_page(elsewhere):
    out, _, _ = elsewhere
    page = (Path(out) / "report.html").read_text()
    first = page.index("On a source that was not in its training, Logistic regression on fake")
    assert first < page.index(
        "comes first" if "comes first" in page else "was right on", first + 90
    )
    assert page.index("COVID-19 comes from east only") < page.index(">Ranking</h2>")
