"""Films of another drawn hospital: other patients, another look, another source."""

import numpy as np

from spark_cxr.phantoms import phantoms
from spark_cxr.phantoms.drawing import draw
from spark_cxr.phantoms.hospital import as_taken_at


def drawn(hospital):
    return list(phantoms(6, size=64, formats=["png"], hospital=hospital))


def test_the_first_hospital_is_as_ever():
    first, plain = drawn(1), list(phantoms(6, size=64, formats=["png"]))
    assert [each.data for each in first] == [each.data for each in plain]
    assert {each.source for each in first} == {"phantom"}


def test_the_second_has_other_patients_and_another_source():
    here, there = drawn(1), drawn(2)
    assert not {each.patient_id for each in here} & {each.patient_id for each in there}
    assert {each.source for each in there} == {"phantom 2"}
    assert [each.label for each in here] == [each.label for each in there]


def test_its_films_are_flatter_softer_and_have_a_dark_rim():
    plain = draw("Pneumonia", 1, size=128)
    other = as_taken_at(2, plain)
    middle = (slice(20, -20), slice(20, -20))
    before, after = (each.grey12[middle].astype(float) for each in (plain, other))
    assert after.std() < 0.8 * before.std()
    assert np.abs(np.diff(after, axis=1)).mean() < 0.6 * np.abs(np.diff(before, axis=1)).mean()
    assert set(np.unique(other.grey12[:3])) == {60}
    assert (other.lungs == plain.lungs).all()
