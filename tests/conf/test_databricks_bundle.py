"""conf/databricks/databricks.yml: fields that Databricks knows, commands that are ours."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from databricks.bundles.jobs import Job

from spark_cxr import cli
from spark_cxr.config import resolve
from spark_cxr.job import run

ROOT = Path(__file__).parents[2]
FILE = ROOT / "conf" / "databricks" / "databricks.yml"
BUNDLE = yaml.safe_load(FILE.read_text(encoding="utf-8"))
TARGETS = tuple(BUNDLE["targets"])

TOP = {
    "bundle": {"name": str},
    "artifacts": {"*": {"type": str, "path": str, "build": str, "files": [{"source": str}]}},
    "variables": {"*": {"type": str, "description": str, "default": object}},
    "resources": {"jobs": {"*": object}},
    "targets": {
        "*": {
            "mode": str,
            "default": bool,
            "workspace": {"root_path": str},
            "variables": {"*": object},
        }
    },
}
"""What we use of a bundle's top level, by Databricks' reference. Jobs databricks-bundles knows."""

OF_THE_NODES = (
    *("spark.master", "spark.driver.memory", "spark.executor.memory", "spark.executor.cores"),
    *("spark.executor.memoryOverhead", "spark.executor.resource.", "spark.sql.warehouse.dir"),
    "spark.ui.showConsoleProgress",
)
"""Properties of conf/*.conf that Databricks sets itself, or that only a terminal wants."""


def misfits(value, wanted, where=""):
    """List what of a nested value is not as the schema has it."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [where]
        inner = [(key, item, wanted.get(key, wanted.get("*"))) for key, item in value.items()]
        unknown = [f"{where}.{key}" for key, _, want in inner if want is None]
        known = [(f"{where}.{key}", item, want) for key, item, want in inner if want is not None]
        return unknown + [bad for at, item, want in known for bad in misfits(item, want, at)]
    if isinstance(wanted, list):
        return [bad for item in value for bad in misfits(item, wanted[0], f"{where}[]")]
    return [] if isinstance(value, wanted) else [where]


def filled(value, known):
    """Put variables in their places, as the CLI does."""
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{([\w.]+)\}", value):
        return filled(known[whole[1]], known)
    return re.sub(r"\$\{([\w.]+)\}", lambda found: str(filled(known[found[1]], known)), value)


def jobs(target, **told):
    """Give the jobs of a target as they are sent; `told` is what --var says."""
    given = BUNDLE["targets"][target].get("variables", {}) | told
    assert given.keys() <= BUNDLE["variables"].keys()
    known = {f"var.{name}": row["default"] for name, row in BUNDLE["variables"].items()}
    known |= {f"var.{name}": value for name, value in given.items()}
    return filled(BUNDLE["resources"]["jobs"], known)


def properties(name):
    lines = (ROOT / "conf" / name).read_text(encoding="utf-8").splitlines()
    given = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {key: value for key, value in given.items() if not key.startswith(OF_THE_NODES)}


def needed(*extras):
    """Read what setup.py lists for extras."""
    given = {}
    fake = SimpleNamespace(setup=given.update, find_packages=lambda include: [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "setuptools", fake)
        runpy.run_path(str(ROOT / "setup.py"))
    return {package for extra in extras for package in given["extras_require"][extra]}


TASKS = [
    pytest.param(target, task, id=f"{target}-{task['task_key']}")
    for target in TARGETS
    for job in jobs(target).values()
    for task in job["tasks"]
]


def test_top_level_has_only_fields_of_a_bundle():
    assert misfits(BUNDLE, TOP) == []


def test_the_schema_of_the_top_level_finds_what_does_not_fit():
    wrong = {"bundel": {}, "bundle": {"name": 1}, "targets": {"dev": {"mod": "x"}}}
    assert misfits(wrong, TOP) == [".bundel", ".bundle.name", ".targets.dev.mod"]


@pytest.mark.parametrize("target", TARGETS)
def test_jobs_have_only_fields_and_values_that_databricks_knows(target):
    for name, job in jobs(target).items():
        sent = Job.from_dict(job).as_dict()
        assert sent.keys() == job.keys(), name
        assert "${" not in str(sent)


def test_the_types_of_databricks_refuse_a_field_they_do_not_know():
    job = jobs("dev")["score"]
    with pytest.raises(ValueError, match="Unexpected field 'parameter'"):
        Job.from_dict({**job, "tasks": [{"task_key": "x", "python_wheel_task": {"parameter": []}}]})


def test_tasks_wait_for_each_other_as_the_data_flows():
    waits = {
        task["task_key"]: {before["task_key"] for before in task.get("depends_on", [])}
        for task in BUNDLE["resources"]["jobs"]["train"]["tasks"]
    }
    heads = {"train_lr", "train_rf", "train_dt"}
    assert waits == {
        "ingest": set(),
        "featurize": {"ingest"},
        **{head: {"featurize"} for head in heads},
        "compare": heads,
    }


@pytest.mark.parametrize(("target", "task"), TASKS)
def test_task_starts_a_command_of_the_wheel_with_flags_that_it_has(target, task):
    wheel = task["python_wheel_task"]
    job = cli.get(wheel["entry_point"].removeprefix("spark-cxr-"))
    assert wheel["package_name"] == "spark_cxr"
    assert wheel["entry_point"] == f"spark-cxr-{job.name.replace('_', '-')}"
    assert job.name == task["task_key"]
    resolve(job.name, job.summary, job.sections, wheel["parameters"])  # refuses what is wrong


def test_what_a_task_reads_another_that_it_waits_for_has_written():
    written, read = {}, {}
    tasks = jobs("prod")["train"]["tasks"]
    for task in tasks:
        words = task["python_wheel_task"]["parameters"]
        after = dict(pairwise(words))
        written[after["--out"]] = task["task_key"]
        read[task["task_key"]] = [after[f] for f in ("--table", "--features") if f in after]
    assert {key: [written[path] for path in paths] for key, paths in read.items()} == {
        "ingest": [],
        "featurize": ["ingest"],
        **{key: ["featurize"] for key in ("train_lr", "train_rf", "train_dt")},
        "compare": ["ingest"],
    }
    assert all("/{{job.run_id}}/" in path for path in written)


@pytest.mark.parametrize("cluster", ["cpu", "gpu"])
def test_cluster_has_the_properties_of_its_file(cluster):
    assert BUNDLE["variables"][f"{cluster}_cluster"]["default"]["spark_conf"] == properties(
        f"{cluster}.conf"
    )


@pytest.mark.parametrize(("target", "task"), TASKS)
def test_task_runs_on_a_cluster_of_its_job_and_installs_the_extras_of_setup(target, task):
    keys = [cluster["job_cluster_key"] for cluster in jobs(target)["score"]["job_clusters"]]
    assert keys == ["cpu", "gpu"]
    assert task["job_cluster_key"] == ("gpu" if target == "prod_gpu" else "cpu")
    wheel, *packages = task["libraries"]
    assert wheel["whl"] == BUNDLE["artifacts"]["spark_cxr"]["files"][0]["source"]
    listed = {library["pypi"]["package"] for library in packages}
    assert len(listed) == len(packages)
    on_gpus = needed("gpu") | {line for line in needed("cpu") if line.startswith("openvino")}
    engines = on_gpus if target == "prod_gpu" else needed("cpu")
    assert listed == engines | needed("dicom", "report")


def test_no_task_installs_a_spark_over_that_of_the_runtime():
    assert "pyspark" not in FILE.read_text(encoding="utf-8")
    assert any(line.startswith("pyspark") for line in needed("local"))  # and no other extra


def test_scoring_runs_by_the_clock_and_one_at_a_time():
    score = jobs("prod")["score"]
    assert score["max_concurrent_runs"] == 1
    assert re.fullmatch(r"\d+ \d+ \d+ \S+ \S+ \?", score["schedule"]["quartz_cron_expression"])


@pytest.mark.parametrize("name", ["images", "runs", "arrivals", "model", "scores"])
def test_paths_are_variables_and_lie_on_volumes(name):
    assert BUNDLE["variables"][name]["default"].startswith("/Volumes/")
    assert f"${{var.{name}}}" in FILE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tasks_of_the_training_run_one_after_the_other(spark, films, tmp_path):
    """Run what Databricks would, but for its cluster, on drawn films and without a network."""
    mine = {"images": str(films), "labels": str(films / "manifest.csv"), "runs": str(tmp_path)}
    said = {}
    for task in jobs("dev", **mine, backbone="fake", weights="")["train"]["tasks"]:
        words = [
            word.replace("{{job.run_id}}", "7") for word in task["python_wheel_task"]["parameters"]
        ]
        job = cli.get(task["task_key"])
        said[job.name] = run(job, spark, resolve(job.name, job.summary, job.sections, words))
    assert [told["status"] for told in said.values()] == ["ok"] * 6
    assert {told["files"] for told in said.values()} == {69}
    compared = json.loads((tmp_path / "7" / "comparison" / "run.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7", "cache"]
    assert compared["status"] == "ok"
    assert all((tmp_path / "7" / head / "model").is_dir() for head in ("lr", "rf", "dt"))


@pytest.mark.slow
def test_the_wheel_is_built_where_the_bundle_looks_for_it(tmp_path):
    """Run the artifact's own command in a copy of what it needs."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("spark_cxr", "jobs", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name)
    artifact = BUNDLE["artifacts"]["spark_cxr"]
    where = (tmp_path / "conf" / "databricks" / artifact["path"]).resolve()
    assert where == tmp_path.resolve()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run(["sh", "-c", artifact["build"]], cwd=where, env={"PATH": path}, check=True)
    assert len(list((tmp_path / "conf" / "databricks").glob("dist/*.whl"))) == 1
