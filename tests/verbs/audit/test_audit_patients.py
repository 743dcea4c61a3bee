import pytest
from film_tables import by_name, film, films

from spark_cxr.pipeline.checks.patients import check_patients


@pytest.fixture(scope="module")
def faulty(spark):
    """P has two labels, Q stands on both sides, of one film nobody knows the patient."""
    return by_name(
        check_patients(
            films(
                spark,
                *(film("a", "ill", patient="P"), film("b", "well", patient="P")),
                *(film("c", patient="Q", split="train"), film("d", patient="Q", split="test")),
                *(film("e", patient="R", split="test"), film("f")),
            )
        )
    )


@pytest.fixture(scope="module")
def clean(spark):
    rows = [
        *(film("a", patient="P", split="train"), film("b", patient="P", split="train")),
        *(film("c", "well", patient="Q", split="test"),),
    ]
    return by_name(check_patients(films(spark, *rows)))


def test_patients_of_one_label_and_side_pass(clean):
    assert {check.status for check in clean.values()} == {"pass"}
    assert set(clean) == {"patients_known", "patients_in_classes", "split_patients"}


def test_a_patient_with_two_labels_is_a_warning(faulty):
    check = faulty["patients_in_classes"]
    assert check.status == "warn"
    assert dict(check.numbers) == {"patients": 3, "with_several_labels": 1}
    assert check.grid.rows == (("ill and well", "1"),)


def test_a_patient_on_both_sides_of_the_split_fails(faulty):
    check = faulty["split_patients"]
    assert check.status == "fail"
    assert dict(check.numbers) == {"patients": 2, "on_several_sides": 1, "their_films": 2}


def test_films_without_a_patient_are_a_warning_with_their_share(faulty):
    check = faulty["patients_known"]
    assert check.status == "warn"
    assert dict(check.numbers) == {"films": 6, "without_patient": 1, "share": pytest.approx(1 / 6)}


def test_where_no_patient_is_known_nothing_is_said_of_them(spark):
    found = by_name(check_patients(films(spark, film("a"), film("b", "well", split="test"))))
    assert found["patients_known"].status == "warn"
    assert found["patients_in_classes"].status == "not_applicable"
    assert found["split_patients"].status == "not_applicable"


def test_one_side_alone_is_no_split(spark):
    rows = [film("a", patient="P", split="test"), film("b", "well", patient="Q", split="test")]
    found = by_name(check_patients(films(spark, *rows)))
    assert found["split_patients"].status == "not_applicable"
