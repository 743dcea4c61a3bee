"""Precision and devices of a training."""

import pytest

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.training import devices

keras = import_keras()
LAYERS = [
    keras.layers.Conv2D(3, 3),
    keras.layers.DepthwiseConv2D(3),
    keras.layers.SeparableConv2D(3, 3),
]


@pytest.fixture
def processor(tmp_path, monkeypatch):
    def has(flags):
        (tmp_path / "cpuinfo").write_text(f"flags : fpu sse {flags}\n")
        monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")

    return has


@pytest.mark.parametrize(
    ("flags", "policy"),
    [("amx_bf16", "mixed_bfloat16"), ("avx512_bf16", "mixed_bfloat16"), ("avx2", "float32")],
)
def test_auto_takes_bf16_where_the_processor_has_it(processor, flags, policy):
    processor(flags)
    assert devices.policy_for("auto", LAYERS[:1]) == policy


@pytest.mark.parametrize("slow", LAYERS[1:], ids=lambda layer: type(layer).__name__)
def test_auto_takes_f32_for_layers_that_bf16_makes_slow(processor, slow):
    processor("amx_bf16")
    assert devices.policy_for("auto", [LAYERS[0], slow]) == "float32"
    assert devices.policy_for("bf16", [LAYERS[0], slow]) == "mixed_bfloat16"


def test_where_nobody_tells_of_the_processor_it_is_f32(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "nothing")
    assert not devices.has_bf16()


def test_what_is_asked_for_is_taken(processor):
    processor("avx2")
    assert devices.policy_for("bf16", LAYERS) == "mixed_bfloat16"


def test_f16_without_a_gpu_is_refused():
    with pytest.raises(SetupError, match="Expected a GPU for training in f16"):
        devices.policy_for("f16", [])


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match=r"Received: fp16. Did you mean f16\?"):
        devices.policy_for("fp16", [])
