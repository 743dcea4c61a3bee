"""A run that has ended well → MLflow, from the files in --out.

Whoever trained for hours has the result there already. So whatever goes wrong here becomes one
line of warning and a word in run.json, and the job stays ok.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from spark_cxr import __version__
from spark_cxr.model.manifest import NAME, Manifest, check_files, read_manifest
from spark_cxr.output import RECORD, Output, locate
from spark_cxr.settings import Config, Registry
from spark_cxr.verbs.track.results import TrackedRun, comparison_run, evaluation_run, training_run
from spark_cxr.verbs.track.store import experiment_of, gist, named, opened

LOG = logging.getLogger(__name__)

METRICS = "metrics.json"
COMPARISON = "comparison.json"
EVALUATION = "evaluation.json"
FILES = (METRICS, COMPARISON, EVALUATION, "report.html", "card.md", RECORD)
NETWORK = ("weights.keras", "films.png")
"""What a fine-tuning leaves beside them: the network that learned, and the films as it saw them."""
MODEL = "model"
LOADER = "spark_cxr.model.pyfunc"


def track(job: str, cfg: Config, output: Output) -> dict[str, Any]:
    """Log a run that has ended well in the store; give its ids, or what went wrong."""
    if not cfg.track.mlflow:
        return {}
    try:
        with opened(cfg.track) as mlflow:
            ids = _logged(mlflow, job, cfg, output)
            words = ", ".join(f"{name} {value}" for name, value in ids.items())
            LOG.info(f"{job}: MLflow at {named(mlflow)}: {words}")
            return {"mlflow": ids}
    except Exception as error:  # noqa: BLE001 - nothing may lose a training that is finished
        line = f"{job}: MLflow was not told, or not of all: {gist(error)}"
        LOG.warning(f"{line}. The result in {output.address} is complete.")
        return {"mlflow": {"error": gist(error)}}


def _logged(mlflow: ModuleType, job: str, cfg: Config, output: Output) -> dict[str, Any]:
    directory = Output(output.table(MODEL))
    manifest = read_manifest(directory) if directory.read_bytes(NAME) else None
    if compared := output.read_bytes(COMPARISON):
        tracked = comparison_run(job, json.loads(compared), cfg)
    elif evaluated := output.read_bytes(EVALUATION):
        tracked = evaluation_run(job, json.loads(evaluated), cfg)
    else:
        body = json.loads(output.read_bytes(METRICS) or b"{}")
        tracked = training_run(job, body, manifest, cfg)
    experiment = experiment_of(mlflow, cfg.track)
    with _run(mlflow, tracked, experiment) as run:
        _log(mlflow, tracked)
        for name in FILES:
            if content := output.read_bytes(name):
                mlflow.log_text(content.decode("utf-8"), name)
        _log_network(mlflow, output)
        for part in tracked.parts:
            with _run(mlflow, part, experiment):
                _log(mlflow, part)
        ids = {"run_id": run.info.run_id, "experiment_id": run.info.experiment_id}
        if manifest is None or not manifest.takes_films:  # MLflow would give the model films
            return ids
        return ids | _log_model(mlflow, manifest, cfg.registry, output)


@contextmanager
def _run(mlflow: ModuleType, tracked: TrackedRun, experiment: str | None) -> Iterator[Any]:
    """Open a run; below the one that is open, if there is one, as in a Databricks notebook."""
    with mlflow.start_run(
        experiment_id=experiment,
        run_name=tracked.name,
        nested=mlflow.active_run() is not None,
        description=tracked.note or None,
        tags={"spark_cxr.version": __version__},
    ) as run:
        yield run


def _log(mlflow: ModuleType, tracked: TrackedRun) -> None:
    mlflow.log_params(dict(tracked.params))
    mlflow.log_metrics(dict(tracked.metrics))
    for name, values in tracked.curves.items():
        for step, value in enumerate(values):
            mlflow.log_metric(name, value, step=step)


def _log_network(mlflow: ModuleType, output: Output) -> None:
    with TemporaryDirectory() as folder:
        for name in NETWORK:
            if content := output.read_bytes(name):
                file = Path(folder, name)
                file.write_bytes(content)
                mlflow.log_artifact(str(file))


def _log_model(
    mlflow: ModuleType, manifest: Manifest, registry: Registry, output: Output
) -> dict[str, Any]:
    from spark_cxr.model.pyfunc import example

    place = Output(output.table(MODEL))
    check_files(place, manifest)  # MLflow would only warn, and register it all the same
    with _local(place) as folder:
        log_model = mlflow.pyfunc.log_model
        # MLflow 2 calls `artifact_path` what MLflow 3 calls `name`.
        name = "name" if "name" in signature(log_model).parameters else "artifact_path"
        logged = log_model(
            **{name: MODEL},
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(manifest),
            input_example=example(manifest.limits.min_side),
            pip_requirements=[requirement(manifest)],  # MLflow adds itself
            registered_model_name=registry.register or None,
        )
    ids = {"model": logged.model_uri}
    if registry.register:
        version = logged.registered_model_version
        ids |= {"registered": f"models:/{registry.register}/{version}"}
        if registry.alias:
            client = mlflow.MlflowClient()
            client.set_registered_model_alias(registry.register, registry.alias, version)
            ids |= {"alias": f"models:/{registry.register}@{registry.alias}"}
    return ids


@contextmanager
def _local(directory: Output) -> Iterator[Path]:
    """Give a model directory as a folder of this machine: MLflow copies from nowhere else."""
    from pyarrow import fs

    store, root = locate(directory.address)
    if isinstance(store, fs.LocalFileSystem):
        yield Path(root)
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder, MODEL)
        copy.mkdir()
        fs.copy_files(
            root,
            str(copy),
            source_filesystem=store,
            destination_filesystem=fs.LocalFileSystem(),
        )
        yield copy


def _signature(manifest: Manifest) -> Any:
    """Say what goes into the model and what comes out, in MLflow's words."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from spark_cxr.model.exchange import IMAGE, kinds

    named = kinds(manifest.labels, manifest.has_verdicts)
    out = [ColSpec(kind, name, required=False) for name, kind in named.items()]
    return ModelSignature(Schema([ColSpec("string", IMAGE)]), Schema(out))


def requirement(manifest: Manifest) -> str:
    """Name what a server needs to run the model: this package, with the engine that it used."""
    engines = {"fake": "dicom", "keras": "gpu,dicom" if manifest.device == "gpu" else "cpu,dicom"}
    return f"spark-cxr[{engines.get(manifest.engine, 'cpu,dicom')}]=={__version__}"
