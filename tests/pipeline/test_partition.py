"""How a test was set apart is said as it was done, and with what is true of patients."""

import pytest

from spark_cxr.pipeline.partition import People, people_of, split_words, unit_of

NOBODY, SOME, ALL = People(0, 90), People(40, 30), People(60, 0)


@pytest.mark.parametrize(
    ("by", "people", "shared", "said"),
    [
        ("patient", ALL, 0, "split by patient"),
        ("patient", SOME, 0, "split by patient: 30 films without a patient count as their own"),
        ("patient", NOBODY, 0, "split by film: no patient is known"),
        ("image", NOBODY, 0, "split by image: no patient is known"),
        ("image", ALL, 7, "split by image: 7 test films with their patient or a twin in training"),
        ("a/b/folds.csv", ALL, 0, "split as folds.csv says: no patient is on both sides"),
        (
            *("folds.csv", SOME, 0),
            "split as folds.csv says: no known patient is on both sides, and 30 films without one",
        ),
        (
            *("column:a", NOBODY, 1),
            "split by the column a: no patient is known, and 1 test film with a twin in training",
        ),
    ],
)
def test_a_split_is_said_as_it_was_made(by, people, shared, said):
    assert str(split_words(by, people, shared)) == said


@pytest.mark.parametrize(
    ("people", "said"),
    [(ALL, "no patient is on both sides"), (NOBODY, "no patient is known")],
)
def test_test_images_are_no_split_by_patient(people, said):
    how = str(split_words("patient", people, 0, by_folder=True))
    assert how == f"test films given by --test-images: {said}"


def test_folds_by_patient_are_folds_by_film_where_no_patient_is_known():
    kinds = ("patient", "image", "column:side")
    assert [unit_of(by, NOBODY) for by in kinds] == ["film", "image", "column:side"]
    assert [unit_of(by, ALL) for by in kinds] == list(kinds)


def test_patients_and_films_without_one_are_counted(spark):
    rows = [("a", "p"), ("b", "p"), ("c", "q"), ("d", None)]
    assert people_of(spark.createDataFrame(rows, "path string, patient_id string")) == People(2, 1)
