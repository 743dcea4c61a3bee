import pytest
from film_tables import by_name, film, known

from spark_cxr.pipeline.checks.near_duplicate_checks import check_twins


@pytest.fixture(scope="module")
def clean(spark):
    rows = [film("a", split="train"), film("b", "well", "two", split="test"), film("c")]
    return by_name(check_twins(known(spark, rows)))


@pytest.fixture(scope="module")
def faulty(spark):
    """Twins a b: other label and source; c d: across the split; e f: no fault but being two."""
    rows = [
        *(film("a", "ill", "one"), film("b", "well", "two")),
        *(film("c", split="train"), film("d", split="test")),
        *(film("e"), film("f"), film("g"), film("h", "well")),
    ]
    return by_name(check_twins(known(spark, rows, ("a", "b"), ("c", "d"), ("e", "f"))))


def test_films_without_twins_pass(clean):
    assert {name: check.status for name, check in clean.items()} == {
        "duplicates": "pass",
        "label_conflicts": "pass",
        "split_twins": "pass",
    }


def test_duplicates_are_counted_and_warned_of(faulty):
    check = faulty["duplicates"]
    numbers = dict(check.numbers)
    assert check.status == "warn"
    assert (numbers["films_with_a_twin"], numbers["clusters"], numbers["surplus_films"]) == (
        6,
        3,
        3,
    )
    assert (numbers["clusters_across_sources"], numbers["pairs_looks"]) == (1, 3)


def test_twins_with_two_labels_fail_and_name_both_films(faulty):
    check = faulty["label_conflicts"]
    assert check.status == "fail"
    assert dict(check.numbers) == {"clusters": 1, "films": 2}
    (pair,) = check.pairs
    assert (pair.a.path, pair.a.label, pair.a.source) == ("a", "ill", "one")
    assert (pair.b.path, pair.b.label, pair.b.source) == ("b", "well", "two")
    assert check.grid.rows == (("ill / well", "1"),)


def test_twins_across_the_split_fail_and_name_both_films(faulty):
    check = faulty["split_twins"]
    assert check.status == "fail"
    assert [(pair.a.path, pair.b.path) for pair in check.pairs] == [("c", "d")]
    assert "too good" in check.sentence


def test_the_sentence_says_how_many_films_are_one(faulty):
    assert faulty["label_conflicts"].sentence.startswith("1 film carries one label here")
    assert faulty["duplicates"].sentence.startswith("6 files show 3 films: 3 too many")


def test_without_a_split_nothing_can_cross_it(spark):
    rows = [film("a"), film("b", "well")]
    assert by_name(check_twins(known(spark, rows, ("a", "b"))))["split_twins"].status == (
        "not_applicable"
    )


def test_films_without_a_label_contradict_nobody(spark):
    rows = [film("a", None), film("b", "well")]
    found = by_name(check_twins(known(spark, rows, ("a", "b"))))
    assert found["label_conflicts"].status == "pass"
    assert found["duplicates"].status == "warn"


def test_no_more_examples_are_shown_than_asked_for(spark):
    names = [f"{i:02d}" for i in range(10)]
    rows = [film(f"{side}{name}", side) for name in names for side in "ab"]
    pairs = [(f"a{name}", f"b{name}") for name in names]
    check = by_name(check_twins(known(spark, rows, *pairs)))["label_conflicts"]
    assert len(check.pairs) == 3
    assert dict(check.numbers)["clusters"] == 10
