"""What shortcuts of several findings are judged by: numbers in, the worst finding first."""

import json

import numpy as np
import pytest
from film_tables import SETTINGS

from spark_cxr.heads.portable import FindingHeads
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.findings import measure_findings
from spark_cxr.metrics.records import Interval
from spark_cxr.metrics.results import RunSummary
from spark_cxr.report.audit import AuditReport, audit_page
from spark_cxr.verbs.audit.finding_checks import (
    FindingReach,
    check_finding_calibration,
    check_finding_centre,
    check_finding_change,
    check_finding_shortcut,
)
from spark_cxr.verbs.audit.finding_probes import FindingSteadiness, side_by_side


def estimate(value, half=0.05):
    return Estimate(value, Interval(value - half, value + half))


def reach(finding, reached, real=0.9, positives=40):
    return FindingReach(finding, 200, positives, estimate(reached), estimate(real))


# The way from 0.5 to 0.9 is 0.4: half of it ends at 0.70, nine tenths at 0.86.
@pytest.mark.parametrize(
    ("area", "status"), [(0.5, "pass"), (0.69, "pass"), (0.72, "warn"), (0.87, "fail")]
)
def test_a_shortcut_is_judged_by_its_way_from_chance_to_the_real_area(area, status):
    check = check_finding_shortcut("border", [reach("Edema", area)], SETTINGS)
    assert (check.name, check.status) == ("border_only", status)


def test_the_worst_finding_is_named_first_and_the_others_after_it():
    found = [reach("Edema", 0.72), reach("Mass", 0.5), reach("Effusion", 0.88)]
    check = check_finding_shortcut("border", found, SETTINGS)
    assert check.status == "fail"
    assert check.sentence.startswith(
        "For Effusion, the worst of 3 findings, a classifier that sees"
    )
    assert "an AUC of 0.880 (0.830 to 0.930), yours 0.900 (0.850 to 0.950)" in check.sentence
    assert "Also affected: Edema." in check.sentence
    assert [part.name for part in check.parts] == ["Effusion", "Edema", "Mass"]
    assert [row[0] for row in check.grid.rows] == ["Effusion", "Edema", "Mass"]
    assert check.brief == "Effusion, AUC 0.880, yours 0.900"


def test_json_has_count_area_and_interval_of_each_finding():
    check = check_finding_shortcut("border", [reach("Edema", 0.72), reach("Mass", 0.5)], SETTINGS)
    told = json.loads(json.dumps(check.to_json()))
    first = told["findings"][0]
    assert (first["finding"], first["status"]) == ("Edema", "warn")
    assert (first["films"], first["positives"]) == (200, 40)
    assert [first[name] for name in ("auc", "auc_low", "auc_high")] == pytest.approx(
        [0.72, 0.67, 0.77]
    )
    assert told["numbers"]["findings_warn"] == 1


def test_a_finding_without_a_clear_result_is_shown_and_not_judged():
    weak = FindingReach("Hernia", 200, 3, estimate(0.6, 0.3), estimate(0.6, 0.3))
    check = check_finding_shortcut("border", [weak, reach("Mass", 0.5)], SETTINGS)
    assert check.status == "pass"
    assert [(part.name, part.status) for part in check.parts] == [
        ("Mass", "pass"),
        ("Hernia", "not_applicable"),
    ]
    assert check.grid.rows[1][-1] == "not judged"
    alone = check_finding_shortcut("border", [weak], SETTINGS)
    assert alone.status == "not_applicable"
    assert "On none of 1 finding" in alone.sentence


def test_a_finding_that_no_test_film_has_is_not_judged():
    nobody = FindingReach("Hernia", 200, 0, Estimate(None), Estimate(None))
    check = check_finding_shortcut("border", [nobody, reach("Mass", 0.88)], SETTINGS)
    assert check.status == "fail"
    assert check.grid.rows[1][:3] == ("Hernia", "0 of 200", "–")
    json.dumps(check.to_json(), allow_nan=False)


def test_a_thumbnail_is_a_warning_at_worst():
    assert check_finding_shortcut("small", [reach("Mass", 0.9)], SETTINGS).status == "warn"


@pytest.mark.parametrize(("area", "status"), [(0.89, "pass"), (0.8, "warn"), (0.6, "fail")])
def test_the_centre_alone_should_do_as_well_as_the_film(area, status):
    found = [reach("Edema", 0.89), reach("Mass", area)]
    check = check_finding_centre(found, SETTINGS)
    assert check.status == status
    assert status == "pass" or check.parts[0].name == "Mass"


@pytest.mark.parametrize(("share", "status"), [(0.04, "pass"), (0.15, "warn"), (0.4, "fail")])
def test_answers_that_change_are_judged_by_their_share(share, status):
    found = [
        FindingSteadiness("Edema", 200, estimate(0.04, 0.01), estimate(0.8), 0.82),
        FindingSteadiness("Mass", 200, estimate(share, 0.01), estimate(0.7), 0.82),
    ]
    check = check_finding_change("corners", found, SETTINGS)
    assert (check.name, check.status) == ("stable_corners", status)
    assert status == "pass" or "For Mass, the worst of 2 findings" in check.sentence


def test_probabilities_are_judged_finding_by_finding():
    draw = np.random.default_rng(3)
    shares = np.full((400, 2), 0.9)
    truth = (draw.random((400, 2)) < [0.9, 0.5]).astype(float)
    real = measure_findings(
        *(truth, shares, ["Edema", "Mass"], [f"p{n}" for n in range(400)], [0.5, 0.5]),
        resamples=100,
    )
    check = check_finding_calibration(real, SETTINGS)
    assert [(part.name, part.status) for part in check.parts] == [
        ("Mass", "fail"),
        ("Edema", "pass"),
    ]
    assert "For Mass, the worst of 2 findings, stated and found" in check.sentence


def test_the_page_shows_the_table_of_findings():
    check = check_finding_shortcut("border", [reach("Edema", 0.88), reach("M<b>", 0.5)], SETTINGS)
    page = audit_page(AuditReport("drawn", (check,), (), (), RunSummary((), (), (), 1.0)))
    assert page.index("For Edema, the worst of 2 findings") < page.index("All checks")
    assert "AUC of each finding against its absence" in page
    assert "M&lt;b&gt;" in page and "M<b>" not in page


def test_heads_of_findings_are_laid_side_by_side():
    draw = np.random.default_rng(5)
    heads = tuple(
        Linear(draw.standard_normal((2, 4)), draw.standard_normal(2), "softmax") for _ in range(3)
    )
    vectors = draw.standard_normal((6, 4))
    found = side_by_side(FindingHeads(heads))
    np.testing.assert_allclose(found.margins(vectors), FindingHeads(heads).margins(vectors))
