from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from spark_cxr.errors import ConfigError
from spark_cxr.phantoms import CLASSES, Series, draw, plan


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="Received: label='Flu'"):
        draw("Flu")


# What a film looks like


def letters_in(corner: np.ndarray) -> int:
    """Count groups of columns with white in them: one a letter."""
    is_white = (corner == 4000).any(axis=0).astype(int)
    return int((np.diff(is_white, prepend=0) == 1).sum())


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("size", [64, 128, 256])
def test_seven_letters_stand_in_the_lower_left_corner(label: str, size: int) -> None:
    film = draw(label, 1, size=size).grey12
    assert letters_in(film[-size // 6 :, : size * 3 // 4]) == 7


@pytest.mark.parametrize("film", range(1, 7))
def test_the_marker_stands_on_the_side_it_names(film: int) -> None:
    lettered = draw("COVID-19", 1, film=film)
    changed = lettered.grey12 != draw("COVID-19", 1, film=film, lettered=False).grey12
    columns = np.nonzero(changed[: changed.shape[0] // 4].any(axis=0))[0]
    is_right_of_film = bool(columns.mean() > changed.shape[1] / 2)
    assert is_right_of_film == (lettered.marker == "L")


def test_lettering_leaves_the_lungs_alone() -> None:
    drawing, bare = (draw("Pneumonia", 1, size=128, lettered=on) for on in (True, False))
    lungs = drawing.lungs[:-22]
    assert np.array_equal(drawing.grey12[:-22][lungs], bare.grey12[:-22][lungs])


def test_the_side_marker_does_not_tell_the_class() -> None:
    seen = {
        (label, draw(label, 1, patient=n, size=64).marker) for label in CLASSES for n in range(8)
    }
    assert seen == {(label, side) for label in CLASSES for side in "LR"}


def test_the_class_marker_gives_the_class_away() -> None:
    assert [draw(label, size=64, marker="class").marker for label in CLASSES] == ["N", "P", "C"]


def test_no_marker_leaves_the_upper_corners_empty() -> None:
    plain, bare = (
        draw("Pneumonia", 1, size=64, marker="none", lettered=on).grey12 for on in (True, False)
    )
    assert np.array_equal(plain[:32], bare[:32])


@pytest.mark.parametrize("patient", range(6))
def test_lungs_cover_a_plausible_part_of_the_film(patient: int) -> None:
    assert 0.12 < draw("No_findings", 1, patient=patient, size=96).lungs.mean() < 0.40


@pytest.mark.parametrize("patient", range(6))
def test_both_lungs_are_in_the_mask(patient: int) -> None:
    lungs = draw("No_findings", 1, patient=patient, size=96).lungs
    middle = lungs.shape[1] // 2
    assert min(lungs[:, :middle].sum(), lungs[:, middle:].sum()) > 0.35 * lungs.sum()


@pytest.mark.parametrize("patient", range(6))
def test_lungs_are_darker_than_the_heart(patient: int) -> None:
    drawing = draw("No_findings", 1, patient=patient, size=96)
    height, width = drawing.grey12.shape
    heart = drawing.grey12[height * 5 // 10 : height * 6 // 10, width * 9 // 20 : width * 11 // 20]
    assert drawing.grey12[drawing.lungs].mean() < 0.7 * heart.mean()


@pytest.mark.parametrize("label", ["Pneumonia", "COVID-19"])
@pytest.mark.parametrize("patient", range(4))
def test_disease_adds_brightness_inside_the_lungs(label: str, patient: int) -> None:
    ill, well = (draw(k, 1, patient=patient, size=96) for k in (label, "No_findings"))
    gain = ill.grey12.astype(int) - well.grey12.astype(int)
    assert gain[ill.lungs].mean() > 5 * abs(gain[~ill.lungs].mean())


def test_pneumonia_is_on_one_side_and_covid_on_both() -> None:
    weaker = {}
    for label in ("Pneumonia", "COVID-19"):
        gain = draw(label, 1, size=96).grey12.astype(int) - draw("No_findings", 1, size=96).grey12
        halves = np.abs(gain).sum(axis=0)
        left, right = halves[: len(halves) // 2].sum(), halves[len(halves) // 2 :].sum()
        weaker[label] = min(left, right) / max(left, right)
    assert weaker["Pneumonia"] < 0.25 < weaker["COVID-19"]


# What can be learned from them


@dataclass(frozen=True)
class Sample:
    thumbnails: np.ndarray
    means: np.ndarray
    labels: np.ndarray
    is_test: np.ndarray


@pytest.fixture(scope="module")
def sample() -> Sample:
    """300 films, patients split: 16 x 16 thumbnails of the lungs and mean brightness."""
    slots = plan(Series(300, 1, 64))
    drawings = [draw(s.label, 1, patient=s.patient, film=s.film, size=64) for s in slots]
    return Sample(
        thumbnails=np.stack([thumbnail(d.grey12, d.lungs) for d in drawings]),
        means=np.array([d.grey12.mean() for d in drawings]),
        labels=np.array([CLASSES.index(s.label) for s in slots]),
        is_test=np.array([s.patient // 3 % 3 == 0 for s in slots]),
    )


def thumbnail(grey: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(lungs)
    box = grey[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)
    small = np.asarray(Image.fromarray(box).resize((16, 16), Image.Resampling.BOX)).ravel()
    return (small - small.mean()) / small.std()


def ridge_accuracy(features: np.ndarray, sample: Sample) -> float:
    train = ~sample.is_test
    centred = features - features[train].mean(axis=0)
    targets = np.eye(3)[sample.labels[train]] - 1 / 3
    gram = centred[train].T @ centred[train] + 10 * np.eye(features.shape[1])
    guesses = (centred @ np.linalg.solve(gram, centred[train].T @ targets)).argmax(axis=1)
    return float((guesses == sample.labels)[sample.is_test].mean())


def test_a_linear_model_of_the_lungs_learns_the_classes_but_not_all(sample: Sample) -> None:
    assert 0.6 < ridge_accuracy(sample.thumbnails, sample) < 1.0


def test_mean_brightness_does_not_tell_the_class(sample: Sample) -> None:
    scaled = (sample.means - sample.means.mean()) / sample.means.std()
    assert ridge_accuracy(np.stack([scaled, scaled**2, scaled**3], axis=1), sample) < 0.5
