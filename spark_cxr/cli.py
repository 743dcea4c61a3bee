"""`spark-cxr VERB …`: the jobs of jobs/ for those who installed the package, and others.

`serve`, `load` and `runs` are no jobs: spark-submit would start a Java that nothing uses. Nothing
of Spark is imported here before a job starts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from spark_cxr import __version__
from spark_cxr.completion import completion, flags_of
from spark_cxr.config import find_benchmarks
from spark_cxr.console import Verb, refuse
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.settings import Config

JOBS = (
    *("phantoms", "ingest", "look", "pack", "featurize"),
    *("train_lr", "train_rf", "train_dt", "train", "finetune"),
    *("compare", "evaluate", "score", "watch", "explain", "similar", "audit", "bench"),
)
"""The files of jobs/, in the order in which a user meets them."""
OTHERS = {
    "serve": "spark_cxr.serve.command:SERVER",
    "load": "spark_cxr.cli:LOAD",
    "runs": "spark_cxr.cli:RUNS",
    "doctor": "spark_cxr.cli:DOCTOR",
}
"""Verbs that are no jobs, and where they are."""
COMPLETION = "completion"
"""A word that is no verb: what it prints is a script and nothing else."""
MORE = (
    "spark-cxr VERB --help            what most people need of a verb",
    "spark-cxr doctor                 what this machine has, and what is missing",
    "spark-cxr completion bash        tab completion: bash, zsh, fish",
)


class Command(Protocol):
    """What stands behind a word of the command line: a job, or the server."""

    @property
    def name(self) -> str:
        """Give the word."""
        ...

    @property
    def summary(self) -> str:
        """Say in a line what it does."""
        ...

    @property
    def sections(self) -> tuple[str, ...]:
        """Name the sections of conf/base.toml that are its flags."""
        ...

    def exit_code(self, argv: Sequence[str]) -> int:
        """Run it: 0, or 2 with one line on stderr."""
        ...


def names() -> tuple[str, ...]:
    """Give the verbs as they are typed."""
    return (*(name.replace("_", "-") for name in JOBS), *OTHERS)


def get(verb: str) -> Command:
    """Find what is behind a verb, written with dashes or underscores."""
    name = verb.replace("-", "_")
    if name not in (*JOBS, *OTHERS):
        raise ConfigError("a verb of spark-cxr", verb, nearest(verb, names()))
    module, _, variable = OTHERS.get(name, f"spark_cxr.jobs.{name}:JOB").partition(":")
    found: Command = getattr(import_module(module), variable)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Run `spark-cxr VERB …` and end the process with the job's exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        print(__version__)
        return
    if not words or words[0] in ("-h", "--help", "help"):
        lines = [f"  {name:<12} {get(name).summary}" for name in names()]
        print("\n".join(["usage: spark-cxr VERB [flags]", "", *lines, "", *MORE]))
        return
    if words[0] == COMPLETION:
        sys.exit(_complete(words[1:]))
    try:
        verb = get(words[0])
    except ConfigError as error:
        sys.exit(refuse("spark-cxr", error))
    sys.exit(verb.exit_code(_with_folder(words)))


def _complete(words: list[str]) -> int:
    """Print the script of tab completion for a shell."""
    verbs = {verb: flags_of(get(verb).sections) for verb in names()}
    try:
        print(completion("".join(words[:1]), verbs, {verb: get(verb).summary for verb in verbs}))
    except ConfigError as error:
        return refuse("spark-cxr", error)
    return 0


def _with_folder(words: list[str]) -> list[str]:
    """Let `runs DIR` say what `runs --folder DIR` says."""
    has_folder = words[0] == RUNS.name and words[1:] and not words[1].startswith("-")
    return ["--folder", *words[1:]] if has_folder else words[1:]


def _load(cfg: Config) -> dict[str, Any]:
    find_benchmarks()
    from benchmarks.load import measure

    return measure(cfg)


def _runs(cfg: Config) -> dict[str, Any]:
    from spark_cxr.verbs.runs.run import list_runs

    return list_runs(cfg)


def _doctor(cfg: Config) -> dict[str, Any]:
    from spark_cxr.verbs.doctor.run import examine

    return examine(cfg)


DOCTOR = Verb("doctor", "Say what of this machine can be used, and what is missing", (), _doctor)
RUNS = Verb("runs", "List the runs below a folder on one page", ("runs",), _runs)
LOAD = Verb("load", "Measure how fast a server answers", ("load",), _load)


def _run(name: str) -> None:
    code = get(name).exit_code(sys.argv[1:])
    if code:  # a wheel task of Databricks may take any SystemExit for a failure, also 0
        sys.exit(code)


# One entry point a job, so that a Databricks wheel task can start each by its name.
phantoms = partial(_run, "phantoms")
ingest = partial(_run, "ingest")
look = partial(_run, "look")
pack = partial(_run, "pack")
featurize = partial(_run, "featurize")
train_lr = partial(_run, "train_lr")
train_rf = partial(_run, "train_rf")
train_dt = partial(_run, "train_dt")
train = partial(_run, "train")
finetune = partial(_run, "finetune")
compare = partial(_run, "compare")
score = partial(_run, "score")
watch = partial(_run, "watch")
explain = partial(_run, "explain")
evaluate = partial(_run, "evaluate")
similar = partial(_run, "similar")
audit = partial(_run, "audit")
bench = partial(_run, "bench")
