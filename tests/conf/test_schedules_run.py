"""What cron and systemd start, started: a real spark-cxr on drawn films."""

import os
import subprocess

import pytest
from schedules import crontab, exec_start, text, unit
from scored import laid_out, scored_once

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def started(command, folder, variables):
    """Run a command in the bare environment of cron and systemd, which know no PATH of ours."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    bare |= {"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}
    return subprocess.run(
        command,
        env=bare | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_cron_line_scores_each_film_once_however_many_nights_it_runs(
    trained_model, films, tmp_path
):
    package, data = laid_out(tmp_path, trained_model, films)
    variables, job = crontab(text("crontab", package, data))
    for _ in range(2):
        done = started(["/bin/sh", "-c", job[5]], tmp_path, variables)
        assert done.returncode == 0, (data / "score.log").read_text()
        assert scored_once(data)


def test_the_service_scores_each_film_once(trained_model, films, tmp_path):
    package, data = laid_out(tmp_path, trained_model, films)
    told = text("cxr-score.service", package, data)
    name, value = unit(told)["Environment"].split("=", 1)
    done = started(exec_start(told), data, {name: value})
    assert done.returncode == 0, done.stderr
    assert scored_once(data)
