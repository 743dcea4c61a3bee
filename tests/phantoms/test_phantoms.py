import ast
import csv
import hashlib
import io
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

import spark_cxr.phantoms as package
from spark_cxr.errors import ConfigError
from spark_cxr.images.demographics import AGE_BANDS, age_band
from spark_cxr.phantoms import (
    CLASSES,
    FORMATS,
    MANIFEST_COLUMNS,
    Series,
    draw,
    make,
    manifest_csv,
    manifest_row,
    phantoms,
    plan,
)
from spark_cxr.phantoms.anatomy import DEVICES

GOLDEN = {
    "png": "c7255e9a49e473db5c60826af3c7b9298f1bf058d7d7978bfebf20d02596c60d",
    "jpeg": "fe25e629e43dd50e824d479fbe8713d914568a0cee9c852a7442a1c75614da9d",
    "dicom": "ebdf834f1861820c86ea6fcc65fdf155825735cfd30aab2f39e7d1416630689d",
}
"""Of numpy 1.26 and 2.4, Pillow 10.4 and 13.0, with and without AVX2: all the same."""
GOLDEN_GREY = "7c07d826b5933cef1c9bea9f368871f04de57bccf0b9a665490e2dd68a99a364"


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


# Same seed, same bytes


@pytest.mark.parametrize("form", FORMATS)
def test_seed_7_gives_the_bytes_it_always_gave(form: str) -> None:
    files = list(phantoms(24, 7, 96, (form,), bad=10, masks=True))
    digest = sha256(*(part for f in files for part in (f.name.encode(), f.data, f.mask or b"")))
    assert digest == GOLDEN[form]


def test_grey_levels_of_seed_3_are_what_they_always_were() -> None:
    drawings = [draw(label, 3, size=512) for label in CLASSES]
    assert sha256(*(d.grey12.astype("<u2").tobytes() for d in drawings)) == GOLDEN_GREY


def test_only_operations_with_one_right_result_touch_pixels() -> None:
    inexact = {"exp", "log", "sin", "cos", "tan", "power", "hypot", "dot", "matmul", "einsum"}
    inexact |= {"mean", "std", "var", "interp", "linspace", "default_rng", "Generator", "cbrt"}
    used = set()
    for file in Path(package.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        used |= {"matmul" for node in nodes if isinstance(node, ast.MatMult)}
    assert not used & inexact


def test_another_seed_gives_another_film() -> None:
    assert not np.array_equal(
        draw("Pneumonia", 1, size=64).lungs, draw("Pneumonia", 2, size=64).lungs
    )


def test_a_file_made_alone_is_the_file_made_in_its_set() -> None:
    series = Series(12, 5, 64, bad=3, masks=True)
    alone = [make(series, slot) for slot in reversed(plan(series))]
    assert alone[::-1] == list(phantoms(12, 5, 64, bad=3, masks=True))


def test_a_longer_set_starts_with_the_shorter_one() -> None:
    assert plan(Series(40, 5))[:25] == plan(Series(25, 5))


# Who has what


def test_count_is_all_files_and_bad_of_them_are_broken() -> None:
    files = list(phantoms(60, 1, 64, bad=9))
    assert (len(files), sum(1 for f in files if f.expected_reason)) == (60, 9)


def test_names_are_unique() -> None:
    assert len({f.name for f in phantoms(60, 1, 64, bad=20)}) == 60


def test_sets_of_two_seeds_share_no_patient() -> None:
    first, second = ({f.patient_id for f in phantoms(12, seed, 64)} for seed in (1, 2))
    assert not first & second


def test_a_patient_has_one_class() -> None:
    labels = defaultdict(set)
    for slot in plan(Series(300)):
        labels[slot.patient].add(slot.label)
    assert {len(of_patient) for of_patient in labels.values()} == {1}


def test_patients_have_one_to_four_films() -> None:
    films = Counter(slot.patient for slot in plan(Series(300)))
    # The set may end in the middle of the last three patients.
    assert {films[patient] for patient in sorted(films)[:-3]} == {1, 2, 3, 4}


def test_classes_are_balanced() -> None:
    assert Counter(slot.label for slot in plan(Series(90))) == dict.fromkeys(CLASSES, 30)


def test_the_format_does_not_tell_the_class() -> None:
    shares = Counter((slot.label, slot.format) for slot in plan(Series(90)))
    assert shares == {(label, form): 10 for label in CLASSES for form in FORMATS}


def test_films_of_a_patient_are_alike_but_not_the_same() -> None:
    areas = np.array(
        [
            [
                draw("No_findings", 1, patient=patient, film=film, size=64).lungs.sum()
                for film in (1, 2)
            ]
            for patient in range(30)
        ]
    )
    assert 0.3 < np.corrcoef(areas.T)[0, 1] < 1


@pytest.mark.parametrize("size", [64, 100, 128, 255])
def test_the_shorter_side_is_the_size(size: int) -> None:
    assert {min(f.size_hw) for f in phantoms(6, 1, size)} == {size}


def test_manifest_lists_every_file_with_its_columns() -> None:
    files = list(phantoms(12, 1, 64, bad=2, masks=True))
    rows = list(csv.DictReader(io.StringIO(manifest_csv([manifest_row(f) for f in files]))))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert {row["path"]: row["expected_reason"] for row in rows} == {
        f.name: f.expected_reason for f in files
    }


def test_manifest_says_who_is_on_a_film_and_what_took_it() -> None:
    files = list(phantoms(90, 1, 64, ("jpeg",)))
    rows = list(csv.DictReader(io.StringIO(manifest_csv([manifest_row(f) for f in files]))))
    assert {age_band(int(row["age"])) for row in rows} == {name for name, _ in AGE_BANDS}
    assert {row["sex"] for row in rows} == {"F", "M"}
    assert {(row["maker"], row["device"]) for row in rows} == set(DEVICES)
    people = {(row["patient_id"], row["age"], row["sex"]) for row in rows}
    assert len(people) == len({row["patient_id"] for row in rows})


def test_broken_files_say_nothing_of_a_person() -> None:
    assert [f for f in phantoms(10, 1, 64, ("dicom",), bad=10) if b"Alder" in f.data] == []


def test_masks_lie_where_spark_does_not_look() -> None:
    assert {f.mask_name.split("/")[0] for f in phantoms(6, 1, 64, masks=True)} == {"_masks"}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"count": 0}, "Expected a count of at least 1. Received: count=0. Choose another count."),
        ({"count": 3, "size": 32}, "Expected a size of at least 64 pixels. Received: size=32."),
        ({"count": 3, "bad": 4}, "Expected bad from 0 to count. Received: bad=4."),
        ({"count": 3, "formats": ("gif",)}, "Expected formats among png, jpeg, dicom."),
        ({"count": 3, "marker": "both"}, "Expected marker among side, none, class."),
        ({"count": 3, "seed": -1}, "Expected a seed of at least 0. Received: seed=-1."),
    ],
)
def test_a_wrong_setting_is_refused_before_drawing(wrong: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        phantoms(**wrong)
    assert str(refused.value).startswith(text)


def opacity_of(label: str, patient: int, least: float) -> float:
    """Add up what a film's lungs let through."""
    drawn = draw(label, 3, patient=patient, size=96, least_severity=least)
    return float(drawn.grey12[drawn.lungs].mean())


@pytest.mark.parametrize("label", ["Pneumonia", "COVID-19"])
def test_disease_is_as_severe_as_wanted_at_least(label: str) -> None:
    for patient in range(4):
        barely, plainly = (opacity_of(label, patient, least) for least in (0.12, 0.8))
        assert plainly > barely


def test_healthy_films_do_not_depend_on_the_severity_of_disease() -> None:
    mild, severe = (draw("No_findings", 3, size=96, least_severity=s).grey12 for s in (0.12, 0.8))
    assert np.array_equal(mild, severe)


def test_findings_are_as_severe_as_wanted_at_least() -> None:
    mild, severe = (draw(("Effusion",), 3, size=96, least_severity=s).grey12 for s in (0.12, 0.9))
    assert not np.array_equal(mild, severe)
