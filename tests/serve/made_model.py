"""A model directory for the server: a linear head on the fake network."""

import numpy as np

from spark_cxr.backbones import catalog
from spark_cxr.heads.portable import pack
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.model.manifest import digests, write_manifest
from spark_cxr.output import Output
from tests.model.model_by_hand import manifest, reference


def made_model(folder, **changes):
    output = Output(str(folder))
    draw, dim = np.random.default_rng(2), catalog.get("fake").dim
    head = Linear(draw.standard_normal((3, dim)), draw.standard_normal(3), "softmax")
    output.write_bytes("head.npz", pack(head))
    output.write_bytes("reference.npz", reference().pack())
    write_manifest(output, manifest(digests(output), **changes))
    return output.address
