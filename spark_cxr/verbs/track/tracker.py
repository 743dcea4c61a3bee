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
from spark_cxr.settings import Config
from spark_cxr.verbs.track.check import gist
from spark_cxr.verbs.track.facts import Facts, comparison_facts, training_facts
from spark_cxr.verbs.track.store import experiment_of, named, opened

LOG = logging.getLogger(__name__)

METRICS = "metrics.json"
COMPARISON = "comparison.json"
FILES = (METRICS, COMPARISON, "report.html", RECORD)
NETWORK = ("weights.keras", "films.png")
"""What a fine-tuning leaves beside them: the network that learned, and the films as it saw them."""
MODEL = "model"
LOADER = "spark_cxr.model.pyfunc"


def track(job: str, cfg: Config, output: Output) -> dict[str, Any]:
    """Tell the store of a run that has ended well; give its ids, or what went wrong."""
    if not cfg.track.mlflow:
        return {}
    try:
        with opened(cfg.track) as mlflow:
            told = _told(mlflow, job, cfg, output)
            ids = ", ".join(f"{name} {value}" for name, value in told.items())
            LOG.info(f"{job}: MLflow at {named(mlflow)}: {ids}")
            return {"mlflow": told}
    except Exception as error:  # noqa: BLE001 - nothing may lose a training that is finished
        line = f"{job}: MLflow was not told, or not of all: {gist(error)}"
        LOG.warning(f"{line}. The result in {output.address} is complete.")
        return {"mlflow": {"error": gist(error)}}


def _told(mlflow: ModuleType, job: str, cfg: Config, output: Output) -> dict[str, Any]:
    made = _manifest(output)
    facts = _facts(job, cfg, output, made)
    experiment = experiment_of(mlflow, cfg.track)
    with _run(mlflow, facts, experiment) as run:
        _log(mlflow, facts)
        for name in FILES:
            if content := output.read_bytes(name):
                mlflow.log_text(content.decode("utf-8"), name)
        _log_network(mlflow, output)
        for part in facts.parts:
            with _run(mlflow, part, experiment):
                _log(mlflow, part)
        told = {"run_id": run.info.run_id, "experiment_id": run.info.experiment_id}
        return told | (_log_model(mlflow, made, cfg, output) if made else {})


def _manifest(output: Output) -> Manifest | None:
    directory = Output(output.table(MODEL))
    return read_manifest(directory) if directory.read_bytes(NAME) else None


def _facts(job: str, cfg: Config, output: Output, made: Manifest | None) -> Facts:
    if compared := output.read_bytes(COMPARISON):
        return comparison_facts(job, json.loads(compared), cfg)
    return training_facts(job, json.loads(output.read_bytes(METRICS) or b"{}"), made, cfg)


@contextmanager
def _run(mlflow: ModuleType, facts: Facts, experiment: str | None) -> Iterator[Any]:
    """Open a run; below the one that is open, if there is one, as in a Databricks notebook."""
    with mlflow.start_run(
        experiment_id=experiment,
        run_name=facts.name,
        nested=mlflow.active_run() is not None,
        description=facts.note or None,
        tags={"spark_cxr.version": __version__},
    ) as run:
        yield run


def _log(mlflow: ModuleType, facts: Facts) -> None:
    mlflow.log_params(dict(facts.params))
    mlflow.log_metrics(dict(facts.metrics))
    for name, values in facts.curves.items():
        for step, value in enumerate(values):
            mlflow.log_metric(name, value, step=step)


def _log_network(mlflow: ModuleType, output: Output) -> None:
    with TemporaryDirectory() as folder:
        for name in NETWORK:
            if content := output.read_bytes(name):
                file = Path(folder, name)
                file.write_bytes(content)
                mlflow.log_artifact(str(file))


def _log_model(mlflow: ModuleType, made: Manifest, cfg: Config, output: Output) -> dict[str, Any]:
    from spark_cxr.model.pyfunc import example

    asked, place = cfg.registry, Output(output.table(MODEL))
    check_files(place, made)  # MLflow would only warn, and register it all the same
    with _local(place) as folder:
        log_model = mlflow.pyfunc.log_model
        # MLflow 2 calls `artifact_path` what MLflow 3 calls `name`.
        name = "name" if "name" in signature(log_model).parameters else "artifact_path"
        logged = log_model(
            **{name: MODEL},
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(made),
            input_example=example(made.limits.min_side),
            pip_requirements=[requirement(made)],  # MLflow adds itself
            registered_model_name=asked.register or None,
        )
    told = {"model": logged.model_uri}
    if asked.register:
        version = logged.registered_model_version
        told |= {"registered": f"models:/{asked.register}/{version}"}
        if asked.alias:
            client = mlflow.MlflowClient()
            client.set_registered_model_alias(asked.register, asked.alias, version)
            told |= {"alias": f"models:/{asked.register}@{asked.alias}"}
    return told


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


def _signature(made: Manifest) -> Any:
    """Say what goes into the model and what comes out, in MLflow's words."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from spark_cxr.model.exchange import IMAGE, kinds

    out = [ColSpec(kind, name, required=False) for name, kind in kinds(made.labels).items()]
    return ModelSignature(Schema([ColSpec("string", IMAGE)]), Schema(out))


def requirement(made: Manifest) -> str:
    """Name what a server needs to run the model: this package, with the engine that it used."""
    engines = {"fake": "dicom", "keras": "gpu,dicom" if made.device == "gpu" else "cpu,dicom"}
    return f"spark-cxr[{engines.get(made.engine, 'cpu,dicom')}]=={__version__}"
