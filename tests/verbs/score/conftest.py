"""A model on the fake network, films that arrive, and the job score run on them."""

import numpy as np
import pytest

from jobs.score import JOB
from spark_cxr import job
from spark_cxr.backbones import catalog
from spark_cxr.backbones.network import PREPROCESSING
from spark_cxr.heads.portable import pack
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import Manifest, Origin, digests, write_manifest
from spark_cxr.model.reference import Reference, describe
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from tests.quick import defaults

LABELS = ("COVID-19", "No_findings", "Pneumonia")


def write_model(folder, seed=2, name="lr-0123", **changes):
    """Write a model directory by hand: a linear head on the fake network."""
    draw, dim = np.random.default_rng(seed), catalog.get("fake").dim
    output = Output(str(folder))
    output.write_bytes(
        "head.npz", pack(Linear(draw.standard_normal((3, dim)), draw.standard_normal(3), "softmax"))
    )
    told = {
        "cloud": describe(draw.standard_normal((50, dim)) * 3),
        "limit": 100.0,
        "false_alarms": 0.01,
        "far": 1.3,
        "distance": 0.5,
        "distance_spread": 0.1,
        "shares": dict.fromkeys(LABELS, 1 / 3),
        "confidence": 0.8,
        "confidence_spread": 0.1,
    }
    output.write_bytes("reference.npz", Reference(**told | changes).pack())
    manifest = Manifest(
        name=name,
        labels=LABELS,
        head="lr",
        setting={},
        backbone="fake",
        weights=Origin("none", "00", "made up", "", ""),
        preprocessing=PREPROCESSING,
        engine="fake",
        precision="f32",
        device="cpu",
        network="",
        features=dim,
        limits=Limits(),
        metrics={},
        data="0123",
        split={},
        versions={},
        files=digests(output),
    )
    write_manifest(output, manifest)
    return output.address


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("scoring") / "model")


@pytest.fixture(scope="session")
def drawn():
    return [drawn.data for drawn in phantoms(12, 3, 64, ("png",))]


@pytest.fixture
def folder(tmp_path, drawn):
    """Give a folder with six films, whose names no glob and no address takes as they are."""
    names = ("a.png", "b b.png", "c[1].png", "d{x,y}.png", "e%20.png", "f-ü.png")
    (tmp_path / "in" / "deep er").mkdir(parents=True)
    for name, data in zip(names, drawn, strict=False):
        (tmp_path / "in" / "deep er" / name).write_bytes(data)
    return tmp_path / "in"


@pytest.fixture
def score(spark, tmp_path, folder, model):
    """Give a function that runs the job as its command line would, and says what it said."""

    def run(**changes):
        settings = {"model": model, "images": [str(folder)], "table": str(tmp_path / "T")}
        allowed = {"experimental": changes.get("format") == "delta"}
        cfg = defaults(score={**settings, **changes}, stores=allowed)
        return job.run(JOB, spark, cfg)

    return run


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """Give a model of the same name, as two trainings on the same films have."""
    return write_model(tmp_path_factory.mktemp("scoring") / "other", seed=3)
