"""`--split column:NAME`: groups or sides that a column of the films or their label file names."""

import pytest

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.pipeline.splits import check_folds, check_split, folds, split, with_values

SITES = ("north", "south", "east", "west", "port", "hill", "lake", "wood")


@pytest.fixture(scope="module")
def films(spark):
    """Twelve films of each of eight sites; each patient has two of them."""
    rows = [
        (f"file:/d/{site}-{n}.png", f"{site}{n}", "ab"[n % 2], f"{site}-p{n // 2}", site)
        for site in SITES
        for n in range(12)
    ]
    kinds = "path string, sha256 string, label string, group_id string, source string"
    return spark.createDataFrame(rows, kinds).persist()


def ingest_of(tmp_path=None, lines=()):
    if tmp_path is None:
        return defaults().ingest
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return defaults(ingest={"labels": str(tmp_path / "labels.csv")}).ingest


def parted(films, by, settings, seed=0, crossing="error"):
    valued = with_values(films.drop("source"), films, by, settings)
    return split(valued, by, 0.25, seed, crossing)


def test_films_of_one_value_are_on_one_side_and_a_share_of_the_values_tests(films):
    rows = parted(films, "column:source", ingest_of()).collect()
    sides = {(row["split_value"], row["is_test"]) for row in rows}
    assert len(rows) == 96
    assert len(sides) == len(SITES)
    assert sum(is_test for _, is_test in sides) == 2


@pytest.mark.parametrize("parts", [1, 5])
def test_sides_depend_neither_on_order_nor_on_partitioning(films, parts):
    turned = films.orderBy("path", ascending=False).repartition(parts)
    one, other = (
        {(r["path"], r["is_test"]) for r in parted(some, "column:source", ingest_of()).collect()}
        for some in (films, turned)
    )
    assert one == other


def test_a_column_of_the_label_file_can_say_the_sides(films, tmp_path):
    said = {
        "north-0": "train",
        "north-1": "Train",
        "south-2": "test",
        "south-3": "val",
        "east-1": "",
    }
    lines = ["file,label,publisher", *(f"{name},a,{side}" for name, side in said.items())]
    rows = parted(films, "column:publisher", ingest_of(tmp_path, lines)).collect()
    assert {(row["sha256"], row["is_test"]) for row in rows} == {
        ("north0", False),
        ("north1", False),
        ("south2", True),
    }


def test_a_column_of_the_label_file_can_say_who_stays_together(films, tmp_path):
    lines = ["file,label,ward", *(f"{s}-{n},a,{s[0]}" for s in SITES for n in range(12))]
    rows = parted(films, "column:ward", ingest_of(tmp_path, lines)).collect()
    assert len({(row["split_value"], row["is_test"]) for row in rows}) == len({s[0] for s in SITES})


def test_a_column_that_nobody_has_is_refused_with_the_nearest(films, tmp_path):
    with pytest.raises(InputError, match=r"Received: sorce. Did you mean source\?"):
        with_values(films, films, "column:sorce", ingest_of())
    with pytest.raises(InputError, match=r"a column wards. .* Did you mean ward\?"):
        settings = ingest_of(tmp_path, ["file,label,ward", "north-0,a,n"])
        with_values(films, films, "column:wards", settings)


def test_a_value_that_divides_patients_is_refused_unless_they_are_dropped(films, tmp_path):
    lines = ["file,label,half", *(f"{s}-{n},a,{s}{n % 4 < 3}" for s in SITES for n in range(12))]
    settings = ingest_of(tmp_path, lines)
    crossing = [parted(films, "column:half", settings, crossing=c) for c in ("error", "drop")]
    with pytest.raises(InputError, match=r"patients and twins on one side of the split"):
        check_split(crossing[0], may_cross=False)
    counts = check_split(crossing[1], may_cross=False)
    assert sum(map(sum, counts.values())) < 96


def test_folds_by_a_column_hold_whole_values_and_may_not_divide_patients(films, tmp_path):
    by_site = folds(with_values(films, films, "column:source", ingest_of()), "column:source", 4, 0)
    assert by_site.select("source", "fold").distinct().count() == len(SITES)
    assert {row["count"] for row in by_site.groupBy("fold").count().collect()} == {24}
    check_folds(by_site)
    lines = ["file,label,odd", *(f"{s}-{n},a,{s}{n % 2}" for s in SITES for n in range(12))]
    valued = with_values(films, films, "column:odd", ingest_of(tmp_path, lines))
    with pytest.raises(InputError, match=r"48 groups in several folds .* --crossing drop"):
        check_folds(folds(valued, "column:odd", 4, 0))
