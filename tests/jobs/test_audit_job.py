import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pyspark
import pytest
from audit_films import clean, faulty

from jobs.audit import JOB
from spark_cxr import job
from spark_cxr.errors import ConfigError
from spark_cxr.metrics.checks import STATUSES
from spark_cxr.schemas import CONFLICTS, TWINS, columns
from tests.quick import defaults

pytestmark = pytest.mark.slow


def audited(spark, out, films, **more):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)]},
        audit={"manifest": str(films / "manifest.csv"), **more},
        train={"resamples": 100},
    )
    return job.run(JOB, spark, cfg)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    return folder, faulty(folder)


@pytest.fixture(scope="module")
def faulty_run(spark, planted, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit") / "faulty"
    audited(spark, out, planted[0])
    return out


@pytest.fixture(scope="module")
def clean_run(spark, tmp_path_factory):
    folder, out = tmp_path_factory.mktemp("clean"), tmp_path_factory.mktemp("audit") / "clean"
    clean(folder)
    audited(spark, out, folder)
    return out


def checks_of(out):
    return {
        check["name"]: check for check in json.loads((out / "audit.json").read_text())["checks"]
    }


@pytest.fixture(scope="module")
def found(faulty_run):
    return checks_of(faulty_run)


def test_the_run_directory_holds_what_the_contract_says(faulty_run):
    names = {path.name for path in faulty_run.iterdir()}
    assert names >= {"audit.json", "report.html", "run.json", "images", "quarantine", "conflicts"}
    assert [name for name in names if name.startswith("_step")] == []


def test_tables_have_the_columns_of_their_schemas(faulty_run):
    assert pq.read_table(faulty_run / "twins").column_names == columns(TWINS)
    assert pq.read_table(faulty_run / "conflicts").column_names == columns(CONFLICTS)


def test_every_check_of_the_issue_is_there_once(faulty_run, found):
    checks = json.loads((faulty_run / "audit.json").read_text())["checks"]
    assert len(found) == len(checks)
    assert set(found) == {
        *("duplicates", "label_conflicts", "split_twins"),
        *("patients_known", "patients_in_classes", "split_patients"),
        *("source_label", "demographics_label", "source_told"),
        *("border_only", "centre_only", "lungs_hidden"),
        *("histogram_only", "small_only", "metadata_only"),
        *("heat_lungs", "heat_corners", "heat_border", "heat_shuffled"),
        *("stable_corners", "stable_cropped", "stable_mirrored", "stable_inverted"),
        *("network_films", "calibration"),
    }


def test_every_check_has_a_status_and_a_sentence(found):
    assert {check["status"] for check in found.values()} <= set(STATUSES)
    assert [name for name, check in found.items() if not check["sentence"].endswith(".")] == []


def test_a_planted_twin_with_another_label_is_found_with_both_paths(planted, faulty_run, found):
    _, paths = planted
    assert found["label_conflicts"]["status"] == "fail"
    (row,) = pq.read_table(faulty_run / "conflicts").to_pylist()
    assert {row["path_a"].split("faulty0/")[-1], row["path_b"].split("faulty0/")[-1]} == set(paths)
    assert {row["label_a"], row["label_b"]} == {"Pneumonia", "No_findings"}


def test_the_same_twin_leaks_across_the_split(found):
    assert found["split_twins"]["status"] == "fail"
    assert found["split_twins"]["numbers"]["clusters"] == 1


def test_patients_that_were_split_by_film_are_found(found):
    assert found["split_patients"]["status"] == "fail"


def test_a_class_of_one_source_fails_by_name(found):
    assert found["source_label"]["status"] == "fail"
    assert "COVID-19 only from two" in found["source_label"]["sentence"]


def test_the_border_alone_finds_a_planted_letter(found):
    numbers = found["border_only"]["numbers"]
    assert numbers["accuracy"] > 0.8
    assert found["border_only"]["status"] == "fail"


def test_heat_lies_on_a_planted_letter_and_without_one_where_chance_puts_it(found, clean_run):
    clean = checks_of(clean_run)
    assert found["heat_corners"]["status"] == "fail"
    assert {clean[name]["status"] for name in ("heat_lungs", "heat_corners")} == {"pass"}
    lungs, clean_lungs = found["heat_lungs"]["numbers"], clean["heat_lungs"]["numbers"]
    assert lungs["lungs"] < lungs["area"]
    assert clean_lungs["lungs"] > clean_lungs["area"]


def test_heat_follows_the_weights_of_the_head(found):
    assert found["heat_shuffled"]["numbers"]["likeness"] < 0.5


def test_masks_beside_the_films_tell_where_the_lungs_are(found, clean_run):
    assert "Masks outline them on" in found["heat_lungs"]["sentence"]
    assert "A network outlines them" in checks_of(clean_run)["heat_lungs"]["sentence"]


def test_lungs_are_hidden_under_the_masks_beside_the_films(faulty_run):
    network = json.loads((faulty_run / "audit.json").read_text())["network"]
    # The copy that was planted has no mask of its own.
    assert (network["films"], network["masked"]) == (151, 150)


def test_the_page_shows_both_films_of_the_conflict(faulty_run):
    page = (faulty_run / "report.html").read_text()
    assert page.index("Do not trust") < page.index("All checks")
    assert page.count("data:image/jpeg;base64") >= 2
    assert len(page) < 2_000_000


def test_the_record_counts_statuses(faulty_run, found):
    record = json.loads((faulty_run / "run.json").read_text())
    statuses = [check["status"] for check in found.values()]
    assert record["checks"] == {status: statuses.count(status) for status in STATUSES}
    assert record["status"] == "ok"


@pytest.mark.parametrize(
    "name",
    [
        *("duplicates", "label_conflicts", "split_twins", "patients_known"),
        *("patients_in_classes", "split_patients", "source_label", "source_told"),
        *("border_only", "lungs_hidden", "metadata_only"),
    ],
)
def test_films_without_the_fault_pass(clean_run, name):
    check = checks_of(clean_run)[name]
    assert check["status"] == "pass", check


def test_an_earlier_ingest_can_be_audited(spark, clean_run, tmp_path):
    cfg = defaults(
        run={"out": str(tmp_path / "A")},
        features={"table": str(clean_run)},
        audit={"films_per_label": 15},
        train={"resamples": 100},
    )
    said = job.run(JOB, spark, cfg)
    assert said["images"] == 240
    network = json.loads((tmp_path / "A" / "audit.json").read_text())["network"]
    assert network["films"] == 45


def test_one_class_of_films_is_audited_without_a_network(spark, planted, tmp_path):
    cfg = defaults(
        run={"out": str(tmp_path / "A")}, ingest={"images": [str(planted[0] / "Pneumonia")]}
    )
    job.run(JOB, spark, cfg)
    found = checks_of(tmp_path / "A")
    assert found["network"]["status"] == "not_applicable"
    assert "Fewer than two labels" in found["network"]["sentence"]


def test_a_cache_that_would_not_be_used_is_refused(spark, planted, tmp_path):
    cfg = defaults(
        run={"out": str(tmp_path / "A")},
        ingest={"images": [str(planted[0])]},
        features={"cache": str(tmp_path / "C")},
    )
    with pytest.raises(ConfigError, match="Leave --cache out"):
        job.run(JOB, spark, cfg)


def settled(numbers):
    """Leave out ends of intervals: patients are drawn by pseudonym, and each run has its key."""
    return {name: value for name, value in numbers.items() if name not in ("real_low", "real_high")}


# A whole audit on each kind of session: more than the usual 300 s where the machine is busy.
@pytest.mark.timeout(900)
@pytest.mark.skipif(pyspark.__version__ < "4", reason="MLlib on Spark Connect needs PySpark 4")
def test_an_audit_over_spark_connect_says_what_a_classic_session_says(planted, tmp_path):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    words = ["--images", planted[0], "--manifest", planted[0] / "manifest.csv"]
    found = {}
    for session, more in (("connect", {"SPARK_REMOTE": "local[2]"}), ("classic", {})):
        out = tmp_path / session
        command = ["spark-cxr", "audit", *words, "--out", out, "--set=train.resamples=100"]
        done = subprocess.run(
            [Path(sys.executable).parent / command[0], *command[1:]],
            env={**known, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[session] = checks_of(out)
    record = json.loads((tmp_path / "connect" / "run.json").read_text())
    assert record["session"]["session"] == "connect"
    assert found["connect"].keys() == found["classic"].keys()
    for name, check in found["connect"].items():
        other = found["classic"][name]
        assert check["status"] == other["status"], name
        assert settled(check["numbers"]) == pytest.approx(settled(other["numbers"]), abs=1e-6)
