"""A standalone cluster for tests: conf/local/cluster.sh, held open, and jobs submitted to it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable)


def bare():
    """Give the environment of this process without Spark's and Python's own settings."""
    ours = ("SPARK_", "PYSPARK_", "PYTHON")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


@dataclass(frozen=True)
class Cluster:
    """A master, two workers, and what their nodes have."""

    folder: Path
    master: str

    @property
    def environment(self):
        """Give what conf/local/cluster.sh tells the command that it runs."""
        return {
            "SPARK_CXR_MASTER": self.master,
            "SPARK_CXR_PYTHON": str(self.folder / "env" / "bin" / "python"),
            "SPARK_CXR_WHEEL": str(self.folder / "spark_cxr.zip"),
        }

    def command(self, program, *words, **conf):
        """Write the command of a user of this cluster; of conf dots are underscores."""
        told = self.environment
        given = {"spark.pyspark.python": told["SPARK_CXR_PYTHON"]}
        given |= {key.replace("_", "."): value for key, value in conf.items()}
        return [
            *(PYTHON.with_name("spark-submit"), "--master", self.master),
            *("--properties-file", ROOT / "conf" / "cluster.conf"),
            *("--py-files", told["SPARK_CXR_WHEEL"], "--driver-memory", "1g"),
            *("--executor-memory", "512m", "--executor-cores", "1"),
            *(word for key, value in given.items() for word in ("--conf", f"{key}={value}")),
            *(program, *words),
        ]

    def start(self, program, *words, environment=None, **conf):
        """Submit a program and do not wait for it."""
        return subprocess.Popen(
            [str(word) for word in self.command(program, *words, **conf)],
            cwd=self.folder,
            env=bare() | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def submit(self, program, *words, environment=None, **conf):
        """Submit a program and give the JSON of its last line; None where it says none."""
        with self.start(program, *words, environment=environment, **conf) as job:
            try:
                told, _ = job.communicate(timeout=280)
            finally:
                job.kill()
        assert job.returncode == 0, told
        last = told.strip().splitlines()[-1]
        return json.loads(last) if last.startswith("{") else None

    def pid(self, name):
        """Give the process of master, worker-1 or worker-2."""
        return int((self.folder / f"{name}.pid").read_text())

    def executor(self, name):
        """Give the process of a worker's executor; None where it has none."""
        started = (pid for pid in children(self.pid(name)) if EXECUTOR in command_of(pid))
        return next(started, None)

    def kill_executor(self, name):
        """End the executor of a worker as a crash does, and give its process."""
        if pid := self.executor(name):
            os.kill(pid, signal.SIGKILL)
        return pid

    def workers_of(self, name):
        """List the Python processes of a worker's executor: it has some once a task has run."""
        pid = self.executor(name)
        return children(pid) if pid else []


def children(parent):
    """List the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text()
        except OSError:  # it ended meanwhile
            continue
        if int(told.rpartition(")")[2].split()[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def command_of(pid):
    """Give the command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@contextmanager
def standalone(folder):
    """Run a cluster until the block ends; its standard input closes with this process, too."""
    with subprocess.Popen(
        [ROOT / "conf" / "local" / "cluster.sh", folder, "sh", "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=bare(),
        text=True,
    ) as held:
        master = held.stdout.readline().strip()
        assert master.startswith("spark://127.0.0.1:"), "see the lines above"
        yield Cluster(folder, master)
        held.communicate("\n", timeout=60)


EXECUTOR = "CoarseGrainedExecutorBackend"
HOLD = 'echo "$SPARK_CXR_MASTER"; read _'
