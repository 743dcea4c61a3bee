"""The files of conf/schedules as a test wants them: with the paths of a folder of its own."""

import shlex
from pathlib import Path

from spark_cxr import cli
from spark_cxr.config import resolve

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "conf" / "schedules"
PATHS = ("/opt/cxr", "/data/cxr", "hdfs:///data/cxr")
"""Where the examples have the package and the data: what a user makes theirs."""


def text(name, package="/opt/cxr", data="/data/cxr"):
    """Read an example with these paths."""
    told = (FOLDER / name).read_text(encoding="utf-8")
    told = told.replace("hdfs:///data/cxr", "/data/cxr")
    return told.replace("/opt/cxr", str(package)).replace("/data/cxr", str(data))


def settings_of(words):
    """Parse `score --flag …` as the job itself does; what is wrong is refused."""
    verb, *flags = words
    job = cli.get(verb)
    return resolve(job.name, job.summary, job.sections, flags)


def crontab(told):
    """Give the variables and the one command of a crontab, as cron reads it."""
    lines = [line for line in told.splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines if line.split("=", 1)[0].isidentifier())
    (job,) = (line for line in lines if not line.split("=", 1)[0].isidentifier())
    return variables, job.split(maxsplit=5)


def unit(told):
    """Give the settings of a unit of systemd."""
    lines = [line for line in told.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def exec_start(told):
    """Give the words of ExecStart."""
    return shlex.split(unit(told)["ExecStart"])
