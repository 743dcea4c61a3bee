"""What is promised by name is there: __all__, the verbs, the commands."""

import ast
import runpy
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spark_cxr import __version__, cli
from spark_cxr.job import Job

ROOT = Path(__file__).resolve().parents[1]
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py") if path.stem != "__init__")


def promising() -> list[str]:
    """Name the modules of the library that have an __all__."""
    found = []
    for path in sorted((ROOT / "spark_cxr").rglob("*.py")):
        targets = [
            ast.unparse(target)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign)
            for target in node.targets
        ]
        if "__all__" in targets:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.append(name.removesuffix(".__init__"))
    return found


@pytest.fixture(scope="module")
def package() -> dict[str, Any]:
    """Read what setup.py hands to setuptools, without a build."""
    given: dict[str, Any] = {}
    fake = SimpleNamespace(setup=given.update, find_packages=lambda include: ["spark_cxr"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "setuptools", fake)
        runpy.run_path(str(ROOT / "setup.py"))
    return given


@pytest.mark.parametrize("name", promising())
def test_every_name_of_all_exists_once(name: str) -> None:
    module = import_module(name)
    assert [word for word in module.__all__ if not hasattr(module, word)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def test_files_of_jobs_are_the_verbs_of_the_command_line() -> None:
    assert sorted(cli.JOBS) == JOBS


@pytest.mark.parametrize("name", JOBS)
def test_job_is_called_like_its_file(name: str) -> None:
    assert cli.get(name).name == name


@pytest.mark.parametrize("name", JOBS)
def test_job_says_in_one_line_what_it_does(name: str) -> None:
    job = cli.get(name)
    assert isinstance(job, Job)
    assert "\n" not in job.summary
    assert 10 < len(job.summary) < 80


def test_every_job_has_a_command_and_no_command_is_without_a_job(package: dict[str, Any]) -> None:
    commands = {line.split(" = ")[0] for line in package["entry_points"]["console_scripts"]}
    assert commands == {"spark-cxr", *(f"spark-cxr-{name.replace('_', '-')}" for name in JOBS)}


def test_every_command_leads_to_something_that_can_be_called(package: dict[str, Any]) -> None:
    for line in package["entry_points"]["console_scripts"]:
        module, name = line.split(" = ")[1].split(":")
        assert callable(getattr(import_module(module), name)), line


def test_command_runs_the_job_that_it_is_named_after(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("spark_cxr.job.exit_code", lambda job, argv: ran.append(job.name))
    for name in JOBS:
        getattr(cli, name)()
    assert ran == JOBS


def test_command_ends_with_the_exit_code_of_a_job_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spark_cxr.job.exit_code", lambda job, argv: 2)
    with pytest.raises(SystemExit) as caught:
        cli.ingest()
    assert caught.value.code == 2


def test_setup_has_the_version_of_the_package(package: dict[str, Any]) -> None:
    assert package["version"] == __version__


def test_setup_has_the_extras_of_the_issue(package: dict[str, Any]) -> None:
    wanted = {"local", "cpu", "gpu", "dicom", "report", "tracking", "serve", "docs", "dev"}
    assert wanted <= set(package["extras_require"])


def test_jobs_and_conf_travel_with_the_package(package: dict[str, Any]) -> None:
    assert {"spark_cxr", "spark_cxr.jobs", "spark_cxr.conf"} <= set(package["packages"])


def test_packages_that_are_pinned_are_those_that_setup_names(package: dict[str, Any]) -> None:
    text = (ROOT / "conf/constraints.txt").read_text(encoding="utf-8")
    pinned = {line.split("==")[0].split("[")[0].lower() for line in text.splitlines() if line}
    needed = [*package["install_requires"]]
    installed = ("local", "dicom", "report", "tracking", "docs", "dev")
    needed += [line for extra in installed for line in extras(package, extra)]
    names = {line.split(">")[0].split("[")[0].lower() for line in needed}
    assert names - pinned == set()


def extras(package: dict[str, Any], name: str) -> list[str]:
    lines: list[str] = package["extras_require"][name]
    return lines
