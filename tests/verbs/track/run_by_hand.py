"""What a training or a comparison leaves in --out, made by hand: no Spark, no network."""

import json

import numpy as np

from spark_cxr.backbones import catalog
from spark_cxr.backbones.network import PREPROCESSING
from spark_cxr.heads.portable import pack
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import Manifest, Origin, digests, write_manifest
from spark_cxr.model.reference import Cloud, Reference
from spark_cxr.output import Output

LABELS = ("COVID-19", "No_findings", "TB (active)")


def manifest(files):
    return Manifest(
        name="lr-0123",
        labels=LABELS,
        head="lr",
        setting={"shrinkage": 0.16},
        backbone="fake",
        weights=Origin("none", "b5d5", "made up", "", "FAKE"),
        preprocessing=PREPROCESSING,
        engine="fake",
        precision="f32",
        device="cpu",
        network="",
        features=catalog.get("fake").dim,
        limits=Limits(min_side=40),
        metrics={"accuracy": 0.5},
        data="4fcb",
        split={"by": "patient", "test": 0.25, "seed": 0},
        versions={"spark_cxr": "0.1.0"},
        files=files,
    )


def reference(dim):
    """Describe a training so wide that no film lies outside it."""
    cloud = Cloud(np.zeros(dim), np.eye(dim)[:2], np.ones(2), 1.0)
    shares = dict.fromkeys(LABELS, 1 / 3)
    return Reference(cloud, 1e6, 0.01, 1.5, 0.5, 0.1, shares, 0.8, 0.1)


def write_model(output):
    draw, dim = np.random.default_rng(2), catalog.get("fake").dim
    head = Linear(draw.standard_normal((3, dim)), draw.standard_normal(3), "softmax")
    output.write_bytes("head.npz", pack(head))
    output.write_bytes("reference.npz", reference(dim).pack())
    output.write_text("head/metadata/part-00000", "{}")
    output.write_bytes("head/metadata/.part-00000.crc", b"crc")
    output.write_bytes("head/metadata/_SUCCESS", b"")
    write_manifest(output, manifest(digests(output)))


MEASURED = {
    "labels": list(LABELS),
    "accuracy": 0.75,
    "auc_macro": None,
    "f1": {"COVID-19": 0.5, "No_findings": None, "TB (active)": 0.25},
    "intervals": {
        "level": 0.95,
        "accuracy": [0.5, 0.875],
        "f1": {"COVID-19": [0.25, 0.75], "No_findings": None, "TB (active)": None},
    },
}
TRAINED = {
    **MEASURED,
    "n_train": 30,
    "n_test": 12,
    "mllib": {"accuracy": 0.75},
    "backbone": "fake",
    "head": "lr",
    "split": "patient",
    "data": ["films"],
    "used": {"engine": "fake", "device": "cpu", "precision": "f32"},
    "setting": {"shrinkage": 2.5},
    "tuned": {
        "best": [["shrinkage", 2.5]],
        "points": [
            {"setting": [["shrinkage", 0.5]], "log_loss": 1.5, "spread": 0.25},
            {"setting": [["shrinkage", 2.5]], "log_loss": 1.25, "spread": 0.5},
        ],
        "folds": 3,
    },
    "caveats": ["The films are drawn."],
}
COMPARED = {
    "best": "Random forest on fake",
    "split": {"method": "patient", "folds": 3},
    "image_split": {"method": "image", "folds": 3},
    "mean_gap_by_image": 0.125,
    "ranking": [
        {
            "backbone": "fake",
            "head": "Random forest",
            "setting": {},
            **MEASURED,
            "folds": [0.5, 0.75, 1.0],
            "folds_sd": 0.25,
            "fit_seconds": 2.0,
            "images_per_second": None,
            "by_image": {**MEASURED, "accuracy": 0.875, "folds": [0.875, 0.75, 1.0]},
            "leak": None,
            "behind_the_best": None,
        },
        {
            "backbone": "fake",
            "head": "Decision tree",
            "setting": {"depth": 5},
            **MEASURED,
            "folds": [0.5, 0.5, 0.5],
            "fit_seconds": 1.0,
            "by_image": None,
        },
    ],
    "caveats": [],
    "mllib": {"fake-rf-by-patient": {"accuracy": 0.75}},
}


def trained(folder):
    """Write what a training leaves, as far as tracking reads it."""
    output = Output(str(folder))
    output.write_json("metrics.json", TRAINED)
    output.write_json("run.json", {"status": "ok"})
    output.write_text("report.html", "<p>Röntgen</p>")
    output.write_bytes("weights.keras", b"PK a network")
    write_model(Output(output.table("model")))
    return output


def compared(folder):
    """Write what a comparison leaves."""
    output = Output(str(folder))
    output.write_text("comparison.json", json.dumps(COMPARED))
    output.write_json("run.json", {"status": "ok"})
    return output
