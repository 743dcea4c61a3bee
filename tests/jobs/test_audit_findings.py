"""The audit of films with several findings: every finding at once, the films looked at once."""

import json

import numpy as np
import pyarrow.csv as pc
import pytest
from PIL import Image

from jobs.audit import JOB
from spark_cxr import job
from spark_cxr.output import Output
from spark_cxr.pipeline.phantom_films import phantoms_step
from spark_cxr.verbs.audit import films as audit_films
from tests.quick import defaults

pytestmark = pytest.mark.slow
NAMES = ["Consolidation", "Effusion", "Pneumothorax"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Draw films, and put a bright mark into the corner of those with an effusion."""
    folder = tmp_path_factory.mktemp("planted") / "P"
    cfg = defaults(
        phantoms={
            "count": 160,
            "size": 96,
            "formats": ["png"],
            "bad": 0,
            "several_findings": [f"{name}=0.4" for name in NAMES],
            "unknown": 0.1,
        }
    )
    phantoms_step(cfg.phantoms, 0, Output(str(folder)))
    rows = pc.read_csv(folder / "manifest.csv").to_pylist()
    for row in rows:
        if str(row["Effusion"]) in ("1", "1.0"):
            path = folder / row["path"]
            film = np.asarray(Image.open(path)).copy()
            film[:12, :12] = film.max()
            Image.fromarray(film).save(path)
    return folder


@pytest.fixture(scope="module")
def network(request):
    return "fake"


@pytest.fixture(scope="module")
def run_dir(spark, planted, tmp_path_factory):
    out, looks = tmp_path_factory.mktemp("audit") / "A", []
    with pytest.MonkeyPatch.context() as patched:
        views = audit_films.featurize_views
        patched.setattr(
            *(audit_films, "featurize_views"),
            lambda *given: (looks.append(1), views(*given))[1],
        )
        job.run(JOB, spark, settings(planted, out))
    assert len(looks) == 1, "films are shown to the network once for all findings"
    return out


def settings(planted, out, **more):
    return defaults(
        run={"out": str(out)},
        ingest={
            "images": [str(planted)],
            "labels": str(planted / "manifest.csv"),
            "findings": ["all"],
            "likeness": 1.0,
        },
        train={"resamples": 100},
        **more,
    )


@pytest.fixture(scope="module")
def checks(run_dir):
    return {c["name"]: c for c in json.loads((run_dir / "audit.json").read_text())["checks"]}


def test_every_check_of_the_network_speaks_of_every_finding(checks):
    for name in (
        *("border_only", "centre_only", "lungs_hidden", "histogram_only", "small_only"),
        *("metadata_only", "stable_corners", "stable_cropped", "stable_mirrored"),
        *("stable_inverted", "calibration"),
    ):
        found = checks[name]
        told = found.get("findings", [])
        assert sorted(each["finding"] for each in told) == NAMES or (
            found["status"] == "not_applicable"
        ), name


def test_the_border_gives_the_planted_finding_away_and_no_other(checks, run_dir):
    border = checks["border_only"]
    assert border["status"] == "fail"
    assert border["sentence"].startswith("For Effusion, the worst of 3 findings,")
    by_name = {each["finding"]: each for each in border["findings"]}
    assert by_name["Effusion"]["auc"] > 0.9
    assert by_name["Effusion"]["auc_low"] < by_name["Effusion"]["auc"]
    assert {by_name[name]["status"] for name in NAMES if name != "Effusion"} <= {
        "pass",
        "not_applicable",
    }
    page = (run_dir / "report.html").read_text()
    assert page.index("For Effusion, the worst of 3 findings") < page.index("All checks")


def test_counts_are_those_of_the_test_films_where_a_finding_is_known(checks, run_dir):
    tested = json.loads((run_dir / "audit.json").read_text())["network"]["tested"]
    for each in checks["border_only"]["findings"]:
        assert 0 < each["positives"] < each["films"] < tested


def test_nothing_is_left_of_tables_on_the_way(run_dir):
    assert [path.name for path in run_dir.iterdir() if path.name.startswith("_step")] == []
