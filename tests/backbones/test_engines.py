"""Engines: chosen, loaded once, honest about what they run on."""

import gc
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.backbones import engines
from spark_cxr.backbones.engines import choose, load, load_mapper
from spark_cxr.backbones.engines.openvino import _precision
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.network import prepare
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import ConfigError, SetupError
from tests.quick import fake_plan

ENGINES = ["openvino", "keras"]
"""Those of the catalog; ONNX Runtime has graphs of users, in test_graph_file.py."""
FILMS = np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), dtype=np.uint8)


def plan(file: Path, engine: str, **wishes: str | int) -> Plan:
    row = find(str(file), "tf")
    network = prepare(row, resolve("", row), engine, say=lambda _: None)
    return Plan(network, **wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ENGINES)
def test_films_get_the_same_vectors_however_they_are_batched(
    tiny_network: Path, engine: str
) -> None:
    loaded = load(plan(tiny_network, engine, precision="f32", device="cpu"))
    expected = loaded.features(FILMS)
    for size in (1, 2, 4, 7):
        parts = [loaded.features(FILMS[i : i + size]) for i in range(0, len(FILMS), size)]
        np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)


@pytest.mark.parametrize("count", range(1, 10))
def test_a_film_has_the_same_bits_alone_and_in_a_step(tiny_network: Path, count: int) -> None:
    asked = {"precision": "f32", "device": "cpu", "batch_size": 8}
    expected = load(plan(tiny_network, "openvino", **asked)).features(FILMS)
    single = load(plan(tiny_network, "openvino", **asked, single=True))
    np.testing.assert_array_equal(single.features(FILMS[:count]), expected[:count])


def test_the_garbage_of_a_users_process_is_still_collected() -> None:
    load.cache_clear()
    load(fake_plan())
    load_mapper(fake_plan())
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("count", [1, 3, 8])
def test_who_serves_has_vectors_and_maps_of_one_network(tiny_network: Path, count: int) -> None:
    asked = {"precision": "f32", "device": "cpu", "batch_size": 8}
    plain, serving = (plan(tiny_network, "openvino", **asked, single=s) for s in (False, True))
    apart, shared = load_mapper(plain), load_mapper(serving)
    assert apart is not None and shared is load(serving)
    expected, found = apart.maps(FILMS[:count]), shared.maps(FILMS[:count])
    np.testing.assert_array_equal(found.maps, expected.maps)
    np.testing.assert_array_equal(found.vectors, load(plain).features(FILMS[:count]))


def test_keras_loads_the_weights_of_vectors_and_maps_once(tiny_network: Path) -> None:
    asked = plan(tiny_network, "keras", precision="f32", device="cpu", single=True)
    mapper, engine = load_mapper(asked), load(asked)
    weights = {id(each) for each in engine.model.weights}  # type: ignore[attr-defined]
    assert {id(each) for each in mapper.engine.model.weights} == weights  # type: ignore


@pytest.mark.parametrize("engine", ENGINES)
def test_no_films_give_no_vectors(tiny_network: Path, engine: str) -> None:
    made = load(plan(tiny_network, engine, device="cpu")).features(FILMS[:0])
    assert (made.shape, made.dtype) == ((0, 6), np.float32)


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_says_what_it_used(tiny_network: Path, engine: str) -> None:
    used = load(plan(tiny_network, engine, precision="f32", device="cpu")).used
    assert (used.engine, used.precision, used.threads) == (engine, "f32", 1)
    assert used.device.startswith("cpu")


def test_equal_plans_share_one_network(tiny_network: Path) -> None:
    assert load(plan(tiny_network, "openvino")) is load(plan(tiny_network, "openvino"))


def test_keras_computes_in_bf16_on_request(tiny_network: Path) -> None:
    exact = load(plan(tiny_network, "keras", precision="f32", device="cpu")).features(FILMS)
    rough = load(plan(tiny_network, "keras", precision="bf16", device="cpu")).features(FILMS)
    assert 0 < np.abs(rough - exact).max() < 0.02 * np.abs(exact).max()


@pytest.mark.parametrize("device", ["gpu", "gpu:3"])
def test_gpu_that_is_not_there_is_refused_at_once(tiny_network: Path, device: str) -> None:
    if engines.gpu_present():
        pytest.skip("this host has a GPU")
    with pytest.raises(SetupError) as caught:
        load(plan(tiny_network, "keras", device=device))
    told = str(caught.value)
    assert told.startswith(f"Expected GPU {device[4:] or 0}. Received: 0 that tensorflow sees (")
    assert "or run on the CPU: --device cpu" in told


@pytest.mark.parametrize("engine", ENGINES)
def test_f16_on_a_cpu_is_refused(tiny_network: Path, engine: str) -> None:
    with pytest.raises(ConfigError, match=r"Received: f16\. f16 is for GPUs"):
        load(plan(tiny_network, engine, precision="f16", device="cpu"))


@pytest.mark.parametrize(
    ("capabilities", "expected"), [(["FP32", "BF16"], "bf16"), (["FP32", "INT8"], "f32")]
)
def test_precision_follows_the_processor(capabilities: list[str], expected: str) -> None:
    assert _precision("auto", capabilities) == expected


def test_bf16_on_a_processor_without_it_is_refused() -> None:
    with pytest.raises(SetupError) as caught:
        _precision("bf16", ["FP32", "INT8"])
    assert str(caught.value) == (
        "Expected a processor that computes in bf16. Received: one with FP32, INT8. "
        "Say --precision auto."
    )


def test_auto_is_openvino_on_a_cpu() -> None:
    assert choose("auto", "ResNet50", "cpu") == "openvino"


def test_auto_is_keras_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "gpu_present", lambda: True)
    assert choose("auto", "ResNet50") == "keras"
    assert choose("auto", "ResNet50", "cpu") == "openvino"
    assert choose("auto", "fake") == "fake"


def test_auto_runs_a_users_own_network() -> None:
    assert choose("auto", "mine.keras", "cpu") == "openvino"


def test_auto_without_any_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def spec(name: str) -> ModuleSpec | None:
        return None if name in ("openvino", "keras") else find_spec(name)

    monkeypatch.setattr(engines, "find_spec", spec)
    with pytest.raises(SetupError, match=r"none installed. pip install 'spark-cxr\[cpu\]'"):
        choose("auto", "ResNet50", "cpu")


@pytest.mark.parametrize(
    ("engine", "backbone", "device", "message"),
    [
        ("fake", "ResNet50", "auto", "Expected an engine that runs ResNet50. Received: fake."),
        ("openvino", "fake", "auto", "Expected an engine that runs fake. Received: openvino."),
        ("openvino", "ResNet50", "gpu", "Expected an engine that runs on a GPU. Received: openv"),
        ("auto", "ResNet50", "cuda", "Expected features.device as auto, cpu, gpu or gpu:N. Rec"),
    ],
)
def test_engine_that_does_not_fit_is_refused(
    engine: str, backbone: str, device: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(engine, backbone, device)
    assert str(caught.value).startswith(message)


def test_openvino_worker_imports_no_tensorflow_and_no_telemetry(tiny_network: Path) -> None:
    network = plan(tiny_network, "openvino").network.path
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from spark_cxr.backbones.engines.plan import Plan\n"
        "from spark_cxr.backbones.featurize import featurize\n"
        "from spark_cxr.backbones.network import read\n"
        "from spark_cxr.phantoms import phantoms\n"
        "drawn = [p.data for p in phantoms(3, 0, 64, ('png',), 0)]\n"
        f"plan = Plan(read(Path({network!r})), batch_size=2)\n"
        "assert [len(each) for each in featurize(drawn, plan)] == [6, 6, 6]\n"
        "heavy = {'tensorflow', 'keras', 'jax', 'torch', 'openvino_telemetry'}\n"
        "print(sorted(name for name in heavy if sys.modules.get(name)))"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.stdout.strip(), told.stderr) == ("[]", "")
