"""Model directories by hand, on the fake network: linear, or one tree."""

import numpy as np

from spark_cxr.backbones import catalog
from spark_cxr.backbones.network import PREPROCESSING
from spark_cxr.heads.portable import pack
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.trees import Trees
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import Manifest, Origin, digests, write_manifest
from spark_cxr.model.reference import Reference, describe
from spark_cxr.output import Output

LABELS = ("COVID-19", "No_findings", "Pneumonia")
DIM = catalog.get("fake").dim


def linear(rng):
    return Linear(rng.standard_normal((3, DIM)), rng.standard_normal(3), "softmax")


def stump():
    return Trees(
        feature=np.array([7, 0, 0]),
        threshold=np.array([0.0, np.inf, np.inf]),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        value=np.array([[1, 1, 1], [0.8, 0.1, 0.1], [0.1, 0.2, 0.7]]),
        roots=np.array([0]),
        depth=np.array([1]),
        link="share",
    )


def write_model(folder, trees=False):
    rng, output = np.random.default_rng(2), Output(str(folder))
    output.write_bytes("head.npz", pack(stump() if trees else linear(rng)))
    cloud = describe(rng.standard_normal((50, DIM)) * 3)
    known = dict.fromkeys(("distance", "distance_spread", "confidence_spread"), 0.1)
    gate = {"limit": 100.0, "false_alarms": 0.01, "far": 1.3, "confidence": 0.8}
    shares = dict.fromkeys(LABELS, 1 / 3)
    output.write_bytes("reference.npz", Reference(cloud, shares=shares, **gate, **known).pack())
    manifest = Manifest(
        *("dt-01" if trees else "lr-01", LABELS, "dt" if trees else "lr", {}, "fake"),
        *(Origin("none", "00", "made up", "", ""), PREPROCESSING, "fake", "f32", "cpu", "", DIM),
        *(Limits(), {}, "0123", {}, {}),
        files=digests(output),
    )
    write_manifest(output, manifest)
    return output.address
