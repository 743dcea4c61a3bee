"""Manifest and reference as a training would write them, for directories made by hand."""

import numpy as np

from spark_cxr.backbones import catalog
from spark_cxr.backbones.network import PREPROCESSING
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import Manifest, Origin
from spark_cxr.model.reference import Cloud, Reference

LABELS = ("COVID-19", "No_findings", "Pneumonia")


def manifest(files, **changes):
    told = {
        "name": "lr-0123",
        "labels": LABELS,
        "head": "lr",
        "setting": {"shrinkage": 0.16},
        "backbone": "fake",
        "weights": Origin("none", "00", "made up", "", ""),
        "preprocessing": PREPROCESSING,
        "engine": "fake",
        "precision": "f32",
        "device": "cpu",
        "network": "",
        "features": catalog.get("fake").dim,
        "limits": Limits(min_side=40),
        "metrics": {
            "n": 40,
            **{"accuracy": 0.5, "accuracy_low": 0.35, "accuracy_high": 0.65},
            "auc_macro": None,
        },
        "data": "0123",
        "split": {"how": "split by patient", "test": 0.25, "seed": 0},
        "versions": {"spark_cxr": "0.1.0"},
        "files": files,
    }
    return Manifest(**told | changes)


def reference(**changes):
    dim = catalog.get("fake").dim
    told = {
        "cloud": Cloud(np.zeros(dim), np.eye(dim)[:2], np.array([4.0, 2.0]), 1.0),
        "limit": 1e6,
        "false_alarms": 0.01,
        "far": 1.5,
        "distance": 0.5,
        "distance_spread": 0.1,
        "shares": dict.fromkeys(LABELS, 1 / 3),
        "confidence": 0.8,
        "confidence_spread": 0.1,
    }
    return Reference(**told | changes)
