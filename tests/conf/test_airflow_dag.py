"""The DAG in a real Airflow: imported, and its task executed with a real spark-submit."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from schedules import FOLDER, ROOT, settings_of, text
from scored import laid_out, scored_once

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = Path(__file__).with_name("airflow_program.py")
MASTER = {"conn_type": "spark", "host": "spark://127.0.0.1", "port": 7077}


@pytest.fixture(scope="module")
def airflow():
    """Find the environment that has Airflow, or skip and say how to make it."""
    python = Path(os.environ.get("SPARK_CXR_AIRFLOW", ROOT / ".venv-airflow")) / "bin" / "python"
    if not python.is_file():
        pytest.skip("no Airflow here: make test-airflow installs it (or set SPARK_CXR_AIRFLOW)")
    return python


def told_by(airflow, folder, connection, *words):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
    done = subprocess.run(
        [airflow, PROGRAM, *words],
        env=kept
        | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(connection),
            "PATH": f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_airflow_reads_the_dag_and_starts_our_job_with_flags_that_it_has(airflow, tmp_path):
    told = told_by(airflow, tmp_path, MASTER, FOLDER / "airflow_dag.py")
    said = json.loads(told.splitlines()[-1])
    command = said.pop("command")
    assert said == {
        "dag": "cxr_score",
        "cron": "0 2 * * *",
        "catchup": False,
        "at_once": 1,
        "retries": 2,
    }
    at = command.index("/opt/cxr/jobs/score.py")
    options = dict(zip(command[1:at:2], command[2:at:2], strict=True))
    assert command[0] == "spark-submit"
    assert options["--master"] == "spark://127.0.0.1:7077"
    assert options["--properties-file"] == "/opt/cxr/conf/cluster.conf"
    assert options["--py-files"] == "/opt/cxr/spark_cxr.zip"
    assert settings_of(["score", *command[at + 1 :]]).score.table == "hdfs:///data/cxr/scores"


def test_the_task_of_the_dag_scores_each_film_once(airflow, trained_model, films, tmp_path):
    package, data = laid_out(tmp_path, trained_model, films)
    dag = tmp_path / "airflow_dag.py"
    dag.write_text(text("airflow_dag.py", package, data))
    local = {"conn_type": "spark", "host": "local[2]"}
    for _ in range(2):
        told_by(airflow, tmp_path, local, dag, "run")
        assert scored_once(data)
