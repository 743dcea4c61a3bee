"""A model directory of findings as a training would write it: the fake network, no Spark."""

from itertools import pairwise

import numpy as np

from spark_cxr.backbones import catalog
from spark_cxr.heads.portable import FindingHeads, pack
from spark_cxr.heads.portable.layers import Dense
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.trees import Trees
from spark_cxr.model.manifest import digests, write_manifest
from spark_cxr.output import Output
from tests.model.model_by_hand import manifest, reference

THRESHOLDS = {"Effusion": 0.3, "Hernia": 0.02, "Infiltration": 0.5, "Mass": 0.2}
FINDINGS = tuple(THRESHOLDS)
DIM = catalog.get("fake").dim


def linear(draw):
    weights = draw.standard_normal((2, DIM))
    return Linear(np.vstack([0 * weights[0], weights[1]]), np.array([0, -0.5]), "softmax")


def stump(draw):
    """Draw a tree whose one question is of a feature that varies."""
    feature = np.array([int(draw.integers(DIM)), 0, 0])
    limits, left, right = np.array([0.0, np.inf, np.inf]), np.array([1, 1, 2]), np.array([2, 1, 2])
    values = np.array([[0.5, 0.5], [0.9, 0.1], [0.4, 0.6]])
    return Trees(feature, limits, left, right, values, np.array([0]), np.array([1]), "share")


def dense(draw):
    pairs = list(pairwise((DIM, 4, 2)))
    weights = tuple(draw.standard_normal(pair) / 4 for pair in pairs)
    return Dense(weights, tuple(draw.standard_normal(out) for _, out in pairs))


def linear_heads(count=4):
    draw = np.random.default_rng(22)
    return FindingHeads(tuple(linear(draw) for _ in range(count)))


def mixed_heads():
    draw = np.random.default_rng(23)
    return FindingHeads((linear(draw), stump(draw), dense(draw), linear(draw)))


def findings_reference(findings=FINDINGS, **changes):
    return reference(shares=dict.fromkeys(findings, 0.25), confidence=0.5, **changes)


def findings_model(folder, head=None, **changes):
    """Write a model directory; give its address."""
    output, head = Output(str(folder)), head or linear_heads()
    thresholds = changes.setdefault("thresholds", THRESHOLDS)
    labels = changes.setdefault("labels", tuple(thresholds))
    output.write_bytes("head.npz", pack(head))
    output.write_bytes("reference.npz", findings_reference(labels).pack())
    write_manifest(output, manifest(digests(output), **changes))
    return output.address
