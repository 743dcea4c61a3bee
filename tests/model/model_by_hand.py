"""A manifest as a training would write it, for directories that tests make by hand."""

from spark_cxr.backbones import catalog
from spark_cxr.backbones.network import PREPROCESSING
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import Manifest, Origin

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
        "metrics": {"accuracy": 0.5, "auc_macro": None},
        "data": "0123",
        "split": {"by": "patient", "test": 0.25, "seed": 0},
        "versions": {"spark_cxr": "0.1.0"},
        "files": files,
    }
    return Manifest(**told | changes)
