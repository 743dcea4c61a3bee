"""Figures of heat against boxes: means by hand, intervals by patient."""

import numpy as np
import pytest

from spark_cxr.metrics.boxes import BoxedFinding, measure_boxes


def boxed(finding="Mass", group="a", hit=True, inside=0.5, area=0.1, **changes) -> BoxedFinding:
    known = {"boxes": 1, "named": True, "overlap": 0.2, **changes}
    return BoxedFinding(finding, group, hit=hit, inside=inside, area=area, **known)


def measured(*found: BoxedFinding):
    return measure_boxes(found, "cam", 0.5, seed=3)


def test_each_finding_is_measured_by_itself_and_all_together() -> None:
    report = measured(
        boxed(hit=True, inside=0.6, boxes=2),
        boxed(hit=False, inside=0.2, named=False),
        boxed("Effusion", hit=False, inside=0.1, named=False),
    )
    effusion, mass = report.findings
    assert (mass.finding, mass.films, mass.boxes, mass.named) == ("Mass", 2, 3, 1)
    assert mass.hit_rate.value == 0.5
    assert mass.hit_rate_named == 1.0
    assert mass.inside.value == pytest.approx(0.4)
    assert mass.concentration is not None
    assert mass.concentration.value == pytest.approx(4.0)
    assert effusion.hit_rate_named is None
    assert report.pooled.films == 3
    assert report.pooled.inside.value == pytest.approx(0.3)
    assert [row.finding for row in report.rows] == ["Effusion", "Mass", "All findings"]


def test_a_single_finding_needs_no_sum() -> None:
    assert [row.finding for row in measured(boxed()).rows] == ["Mass"]


def test_intervals_draw_patients_with_all_their_films() -> None:
    rng = np.random.default_rng(1)
    hits = rng.random(30) < 0.6
    by_patient = measured(
        *(boxed(group=str(n), hit=bool(hit)) for n, hit in enumerate(hits) for _ in range(4))
    ).pooled
    by_film = measured(
        *(boxed(group=f"{n}{k}", hit=bool(hit)) for n, hit in enumerate(hits) for k in range(4))
    ).pooled
    assert (by_patient.groups, by_film.groups) == (30, 120)
    wide, narrow = (
        found.hit_rate.interval.high - found.hit_rate.interval.low
        for found in (by_patient, by_film)
    )
    assert wide > 1.6 * narrow
    share = hits.mean()
    assert wide == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 30), rel=0.15)


def test_ten_patients_without_a_miss_do_not_prove_that_there_is_none() -> None:
    interval = measured(*(boxed(group=str(n)) for n in range(10))).pooled.hit_rate.interval
    assert (interval.low, interval.high) == (pytest.approx(0.7225, abs=1e-3), 1.0)


def test_the_same_seed_gives_the_same_intervals() -> None:
    rng = np.random.default_rng(2)
    found = [boxed(group=str(n), inside=float(rng.random())) for n in range(12)]
    assert measured(*found) == measured(*found)


def test_json_has_every_figure_and_no_group() -> None:
    said = measured(boxed(group="patient 7")).to_json()
    assert said["findings"][0]["hit_rate"]["value"] == 1.0
    assert "patient 7" not in str(said)
