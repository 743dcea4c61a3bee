import pytest
from film_tables import SETTINGS, film, films

from spark_cxr.pipeline.checks.sources import check_sources, judge_sources


def table(**rows):
    """Write counts as label=(films of source one, of source two)."""
    return {
        (label, source): count
        for label, counts in rows.items()
        for source, count in zip(("one", "two"), counts, strict=True)
        if count
    }


def test_labels_that_are_spread_alike_over_sources_pass():
    check = judge_sources(table(ill=(30, 60), well=(50, 100)), SETTINGS)
    assert check.status == "pass"
    assert dict(check.numbers)["cramers_v"] == pytest.approx(0)


def test_a_label_of_one_source_fails_and_is_named_with_it():
    check = judge_sources(table(ill=(30, 0), well=(50, 100)), SETTINGS)
    assert check.status == "fail"
    assert "ill only from one" in check.sentence
    assert dict(check.numbers)["labels_of_one_source"] == 1


def test_a_source_for_each_label_fails_with_association_1():
    check = judge_sources(table(ill=(30, 0), well=(0, 70)), SETTINGS)
    assert check.status == "fail"
    assert dict(check.numbers)["cramers_v"] == pytest.approx(1)


# V of a table [[a, b], [b, a]] is (a - b) / (a + b).
@pytest.mark.parametrize(
    ("a", "b", "status"), [(58, 42, "pass"), (65, 35, "warn"), (80, 20, "fail")]
)
def test_the_more_a_source_says_of_the_label_the_worse(a, b, status):
    check = judge_sources(table(ill=(a, b), well=(b, a)), SETTINGS)
    assert dict(check.numbers)["cramers_v"] == pytest.approx((a - b) / (a + b))
    assert check.status == status


def test_one_source_cannot_be_judged():
    check = judge_sources({("ill", "one"): 3, ("well", "one"): 4}, SETTINGS)
    assert check.status == "not_applicable"
    assert "another hospital cannot be seen" in check.sentence


def test_one_label_cannot_be_judged():
    assert judge_sources({("ill", "one"): 3, ("ill", "two"): 4}, SETTINGS).status == (
        "not_applicable"
    )


def test_films_without_a_source_are_no_source_of_their_own():
    check = judge_sources(
        {(label, source): 50 for label in ("ill", "well") for source in ("folder", "unknown")},
        SETTINGS,
    )
    assert check.status == "not_applicable"
    assert "folder is the only source that is known" in check.sentence
    assert "The source of 100 of 200 films is not known" in check.sentence


def test_no_source_at_all_cannot_be_judged():
    check = judge_sources({("ill", "unknown"): 3, ("well", "unknown"): 4}, SETTINGS)
    assert check.status == "not_applicable"
    assert "No film names its source" in check.sentence


@pytest.mark.parametrize(("unknown", "status"), [(5, "pass"), (40, "not_applicable")])
def test_a_pass_needs_the_source_of_most_films(unknown, status):
    counts = table(ill=(30, 60), well=(50, 100)) | {("ill", "unknown"): unknown}
    check = judge_sources(counts, SETTINGS)
    assert check.status == status
    assert f"The source of {unknown} of {240 + unknown} films is not known" in check.sentence


def test_a_label_of_one_source_fails_also_beside_films_without_one():
    counts = table(ill=(30, 0), well=(50, 100)) | {("well", "unknown"): 90}
    assert judge_sources(counts, SETTINGS).status == "fail"


def test_films_are_counted_by_label_and_source_and_unlabelled_ones_left_aside(spark):
    rows = [
        film("a"),
        film("b"),
        film("c", "well", "two"),
        film("d", "well", None),
        film("e", None),
    ]
    check = check_sources(films(spark, *rows), SETTINGS)
    assert check.grid.headings == ("Label", "one", "two", "unknown")
    assert check.grid.rows == (("ill", "2", "0", "0"), ("well", "0", "1", "1"))
