"""A model directory made by hand: a linear head on the fake network, no Spark."""

import numpy as np
import pytest
from model_by_hand import manifest, reference

from spark_cxr.backbones import catalog
from spark_cxr.heads.portable import pack
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.model.manifest import digests, write_manifest
from spark_cxr.output import Output


@pytest.fixture(scope="session")
def head():
    draw = np.random.default_rng(2)
    dim = catalog.get("fake").dim
    return Linear(draw.standard_normal((3, dim)), draw.standard_normal(3), "softmax")


@pytest.fixture
def directory(tmp_path, head):
    output = Output(str(tmp_path / "model"))
    output.write_bytes("head.npz", pack(head))
    output.write_bytes("reference.npz", reference().pack())
    output.write_text("head/metadata/part-00000", '{"class": "PipelineModel"}')
    output.write_bytes("head/stages/0_a/data/part-00000.parquet", b"PAR1")
    output.write_bytes("network", b"")
    write_manifest(output, manifest(digests(output)))
    return output
