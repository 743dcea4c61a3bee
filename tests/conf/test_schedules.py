"""The cron line, the systemd units and the Airflow DAG, without what they start."""

import re
import runpy
import subprocess
import sys
from types import ModuleType

import pytest
from schedules import FOLDER, ROOT, crontab, exec_start, settings_of, text, unit

SYSTEMD = ("cxr-score.service", "cxr-score.timer")
WANTED = {
    "model": "/data/cxr/model",
    "images": ("/data/cxr/arrivals",),
    "table": "/data/cxr/scores",
}


def scoring(words):
    """Give what a command line wants scored, where and by whom."""
    cfg = settings_of(words)
    return {"model": cfg.score.model, "images": cfg.score.images, "table": cfg.score.table}


def recorder(folder):
    """Lay out a spark-cxr that writes down what it was told."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "spark-cxr"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/told"\necho scored\n')
    program.chmod(0o755)
    return folder / "bin" / "told"


def by_cron(folder):
    """Run the command of the crontab as cron does: sh, a bare environment, its own variables."""
    variables, job = crontab(text("crontab", folder, folder))
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "SHELL": "/bin/sh"}
    assert "%" not in job[5]  # cron makes lines of them
    return subprocess.run(
        ["/bin/sh", "-c", job[5]],
        env=bare | variables,
        cwd=folder,
        capture_output=True,
        check=False,
    )


def test_the_folder_holds_what_is_tested_here():
    assert {path.name for path in FOLDER.iterdir()} - {"__pycache__"} == {
        "crontab",
        "airflow_dag.py",
        *SYSTEMD,
    }


def test_the_cron_line_scores_at_night(tmp_path):
    told = recorder(tmp_path)
    done = by_cron(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "score.log").read_text() == "scored\n"
    words = [word.replace(str(tmp_path), "/data/cxr") for word in told.read_text().splitlines()]
    assert scoring(words) == WANTED
    assert crontab(text("crontab"))[1][:5] == ["0", "2", "*", "*", "*"]


def test_the_cron_line_starts_nothing_while_the_last_night_is_not_over(tmp_path):
    told = recorder(tmp_path)
    with subprocess.Popen(
        ["flock", tmp_path / "score.lock", "sh", "-c", "echo held; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        done = by_cron(tmp_path)
        holder.communicate()
    assert done.returncode == 0
    assert not told.exists()


def test_the_cron_line_gives_on_that_scoring_failed(tmp_path):
    recorder(tmp_path)
    (tmp_path / "bin" / "spark-cxr").write_text("#!/bin/sh\nexit 2\n")
    assert by_cron(tmp_path).returncode == 2


def test_the_service_scores_and_ends():
    program, *words = exec_start(text("cxr-score.service"))
    assert program == "/opt/cxr/bin/spark-cxr"
    assert scoring(words) == WANTED
    assert unit(text("cxr-score.service"))["Type"] == "oneshot"


def test_systemd_finds_nothing_wrong_in_service_and_timer(tmp_path):
    recorder(tmp_path)
    for name in SYSTEMD:
        (tmp_path / name).write_text(text(name, package=tmp_path))
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", *(tmp_path / name for name in SYSTEMD)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no systemd-analyze here (Debian: apt-get install systemd)")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


class Recorded:
    """Stand in for a class of Airflow: keep what it was made with."""

    made: list = []  # noqa: RUF012

    def __init__(self, **given):
        self.given = given
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_the_dag_submits_the_job_with_files_that_are_there(monkeypatch):
    dags = type("DAG", (Recorded,), {"made": []})
    operators = type("SparkSubmitOperator", (Recorded,), {"made": []})
    inside = "airflow.providers.apache.spark.operators.spark_submit"
    for name, module in (("airflow.sdk", {"DAG": dags}), (inside, {operators.__name__: operators})):
        stand_in = ModuleType(name)
        vars(stand_in).update(module)
        monkeypatch.setitem(sys.modules, name, stand_in)
        for end in (found.start() for found in re.finditer(r"\.", name)):
            parent = sys.modules.get(name[:end]) or ModuleType(name[:end])
            monkeypatch.setitem(sys.modules, name[:end], parent)
    runpy.run_path(str(FOLDER / "airflow_dag.py"))
    (dag,), (score,) = dags.made, operators.made
    assert (dag.given["catchup"], dag.given["max_active_runs"]) == (False, 1)
    words = [word.replace("hdfs:///", "/") for word in score.given["application_args"]]
    assert scoring(["score", *words]) == WANTED
    for field in ("application", "properties_file"):
        path = score.given[field].removeprefix("/opt/cxr/")
        assert (ROOT / path).is_file(), field
