"""`make demo` as the Makefile has it: what its page offers gets right and sure answers."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spark_cxr import load_model
from spark_cxr.model.examples import read_examples
from spark_cxr.output import Output
from spark_cxr.serve.examples import NO_FILM, examples_of
from tests.quick import defaults

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 900


def commands(folder):
    """Give the commands of `make demo` that are ours, with another folder for `demo`."""
    shown = subprocess.run(
        ["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.replace("\\\n", " ")
    for line in shown.splitlines():
        _, is_ours, flags = line.partition("/spark-cxr ")
        if is_ours:
            yield [word.replace("demo/", f"{folder}/") for word in shlex.split(flags)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    for words in commands(folder):
        command = [str(Path(sys.executable).with_name("spark-cxr")), *words]
        subprocess.run(command, cwd=ROOT, check=True, timeout=LONGEST, capture_output=True)
    return folder / "train_lr"


@pytest.mark.slow
@pytest.mark.timeout(2 * LONGEST)
def test_the_four_films_of_the_demo_get_right_and_sure_answers(demo):
    place = Output(str(demo / "model"))
    model = load_model(place.address)
    offered = examples_of(*read_examples(place, model.manifest))
    assert offered.pop(NO_FILM).known is None
    assert len(offered) == 4
    for film in offered.values():
        (answer,) = model.predict(film.read())
        assert film.known[answer.label], f"{film.name} is {film.title}, not {answer.label}"
        assert answer.confidence > defaults().serve.uncertain, f"{film.title}: {answer.confidence}"
        assert not answer.flags


@pytest.mark.slow
@pytest.mark.timeout(2 * LONGEST)
def test_the_demo_is_right_on_most_of_its_test(demo):
    figures = json.loads((demo / "metrics.json").read_text())
    assert figures["accuracy"] > 0.9
