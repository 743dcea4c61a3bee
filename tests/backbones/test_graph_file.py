"""Networks that come as ONNX: closed with their card, refused in a line, equal on both engines."""

import json
import shutil
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from spark_cxr.backbones import engines, network, weights
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.user_network import find
from spark_cxr.errors import ConfigError, SparkCxrError, WeightsError
from tests import tiny_onnx

CARD = """
[input]
scale = 0.0039215686274509803
mean = [0.5, 0.4, 0.3]
std = [0.2, 0.25, 0.3]
"""
ARITHMETIC = (1 / 255, [0.5, 0.4, 0.3], [0.2, 0.25, 0.3])
ENGINES = ["openvino", "onnxruntime"]


@pytest.fixture
def films():
    return np.random.default_rng(1).integers(0, 256, (11, 16, 16, 3), np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(data, card=CARD, name="tiny.onnx"):
        path = tmp_path / name
        path.write_bytes(data)
        if card:
            path.with_suffix(".toml").write_text(card)
        return str(path)

    return write


def plan_of(name, engine="openvino", **words):
    pytest.importorskip(engine)
    row = find(name, **words)
    prepared = network.prepare(row, weights.resolve("", row), engine)
    return Plan(prepared, precision="f32")  # also on a processor that would take bf16


def vectors(name, films, engine="openvino", **words):
    return engines.load(plan_of(name, engine, **words)).features(films)


@pytest.mark.parametrize("engine", ENGINES)
def test_vectors_are_those_of_the_arithmetic(write, films, engine):
    found = vectors(write(tiny_onnx.pooled()), films, engine)
    np.testing.assert_allclose(found, tiny_onnx.by_hand(films, *ARITHMETIC)[0], atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_maps_are_those_that_the_vector_is_the_mean_of(write, films, engine):
    card = f'{CARD}[output]\nvector = "vector"\nmaps = "maps"\n'
    mapper = engines.load_mapper(plan_of(write(tiny_onnx.pooled(), card), engine))
    mapped, (mean, maps) = mapper.maps(films), tiny_onnx.by_hand(films, *ARITHMETIC)
    np.testing.assert_allclose(mapped.maps, maps, atol=1e-5)
    np.testing.assert_allclose(mapped.vectors, mean, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_output_whose_name_is_a_number_is_found_by_it(write, films, engine):
    """PyTorch names outputs so where nobody has."""
    data = tiny_onnx.pooled().replace(b"vector", b"004124")
    found = vectors(write(data, f'{CARD}[output]\nvector = "004124"\n'), films, engine)
    np.testing.assert_allclose(found, tiny_onnx.by_hand(films, *ARITHMETIC)[0], atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tensor_within_the_graph_can_be_the_vector(write, films, engine):
    card = f'{CARD}[output]\nvector = "vector"\n'
    found = vectors(write(tiny_onnx.pooled(inside=True), card), films, engine)
    np.testing.assert_allclose(found, tiny_onnx.by_hand(films, *ARITHMETIC)[0], atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pooling", ["avg", "max", "none"])
def test_maps_become_a_vector_as_the_card_says(write, films, engine, pooling):
    card = f'{CARD}[output]\nvector = "maps"\npooling = "{pooling}"\n'
    maps = tiny_onnx.by_hand(films, *ARITHMETIC)[1]
    ways = {
        "avg": maps.mean(axis=(2, 3)),
        "max": maps.max(axis=(2, 3)),
        "none": maps.reshape(len(maps), -1),
    }
    found = vectors(write(tiny_onnx.pooled(), card), films, engine)
    np.testing.assert_allclose(found, ways[pooling], atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("registers", [1, 5])
def test_tokens_become_a_vector_and_lie_where_their_patches_lie(write, films, engine, registers):
    name = write(tiny_onnx.tokens(registers=registers), f'{CARD}[output]\npooling = "tokens"\n')
    plan = plan_of(name, engine)
    mapped = engines.load_mapper(plan).maps(films)
    levels = (films.astype(np.float64) / 255 - ARITHMETIC[1]) / ARITHMETIC[2]
    parts = levels.reshape(len(films), 4, 4, 4, 4, 3)
    maps = np.einsum("nhiwjc,dcij->ndhw", parts, tiny_onnx.kernel())
    np.testing.assert_allclose(mapped.maps, maps, atol=1e-5)
    np.testing.assert_allclose(engines.load(plan).features(films), maps.mean((2, 3)), atol=1e-5)
    first = write(tiny_onnx.tokens(registers=registers), f'{CARD}[output]\npooling = "class"\n')
    np.testing.assert_allclose(vectors(first, films, engine), maps.mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_colours_can_be_the_other_way_round_and_grey_one_channel(write, films, engine):
    bgr = write(tiny_onnx.pooled(), CARD.replace("[input]", '[input]\norder = "bgr"'))
    expected = tiny_onnx.by_hand(films[..., ::-1], *ARITHMETIC)[0]
    np.testing.assert_allclose(vectors(bgr, films, engine), expected, atol=1e-5)
    one = write(tiny_onnx.pooled(1), "[input]\nscale = 8.03137\noffset = -1024", "one.onnx")
    grey = np.repeat(films[..., :1], 3, axis=3)
    made, _ = tiny_onnx.by_hand(grey[..., :1], 8.03137, [1024], [1])
    np.testing.assert_allclose(vectors(one, grey, engine), made, rtol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_saved_for_one_film_runs_many(write, films, engine):
    found = vectors(write(tiny_onnx.pooled(batch=1)), films, engine)
    np.testing.assert_allclose(found, tiny_onnx.by_hand(films, *ARITHMETIC)[0], atol=1e-5)


def test_open_sides_get_the_size_of_the_card_or_of_the_flag(write, films):
    name = write(tiny_onnx.pooled(size="s"))
    with pytest.raises(WeightsError, match=r"'any', 'any'\] in the graph, no size in a card"):
        find(name)
    assert find(name, size=16).size_hw == (16, 16)
    found = vectors(name, films, size=16)
    np.testing.assert_allclose(found, tiny_onnx.by_hand(films, *ARITHMETIC)[0], atol=1e-5)
    assert find(name, card="size = [16, 24]").size_hw == (16, 24)


def test_the_same_card_serves_openvinos_own_files(write, films, tmp_path):
    openvino = pytest.importorskip("openvino")
    source = openvino.Core().read_model(write(tiny_onnx.pooled()))
    openvino.save_model(source, tmp_path / "own.xml", compress_to_fp16=False)
    (tmp_path / "own.toml").write_text(CARD)
    found = vectors(str(tmp_path / "own.xml"), films)
    np.testing.assert_allclose(found, tiny_onnx.by_hand(films, *ARITHMETIC)[0], atol=1e-5)
    (tmp_path / "own.bin").unlink()
    with pytest.raises(WeightsError, match=r"own.xml without own.bin"):
        find(str(tmp_path / "own.xml"))


def test_vectors_have_a_key_of_all_that_they_depend_on(write):
    names = (CARD, CARD.replace("0.3]", "0.31]"), CARD.replace("[input]", '[input]\nfit = "crop"'))
    keys = [network.key(plan_of(write(tiny_onnx.pooled(), card)).network) for card in names]
    other = network.key(plan_of(write(tiny_onnx.pooled(weights=tiny_onnx.kernel() * 2))).network)
    assert len({*keys, other}) == 4
    cited = network.key(
        plan_of(write(tiny_onnx.pooled(), f'{CARD}[about]\nlicence = "MIT"')).network
    )
    assert cited == keys[0]


def test_a_networks_file_keeps_its_card(write):
    plan = plan_of(write(tiny_onnx.pooled()))
    again = network.read(Path(plan.network.path))
    assert again.card == plan.network.card
    assert again.card.channels == 3


BROKEN = {
    "a card that says what": (tiny_onnx.pooled(), ""),
    "a graph that OpenVINO reads": (tiny_onnx.pooled()[:200], CARD),
    "Model can't be parsed": (b"garbage" * 50, CARD),
    "a graph of one input": (
        tiny_onnx.model(
            [tiny_onnx.node("Add", ["a", "b"], ["c"])],
            [],
            [("a", [1, 3, 4, 4]), ("b", [1, 3, 4, 4])],
            [("c", [1, 3, 4, 4])],
        ),
        CARD,
    ),
    "4 axes": (
        tiny_onnx.model(
            [tiny_onnx.node("Relu", ["a"], ["b"])], [], [("a", [1, 3])], [("b", [1, 3])]
        ),
        CARD,
    ),
    "1 or 3 channels": (tiny_onnx.pooled(2), CARD),
    "the size of its films": (tiny_onnx.pooled(), CARD.replace("[input]", "[input]\nsize = 24")),
    "mean and std for 1 channels": (tiny_onnx.pooled(1), CARD),
    "the name of the output that is the vector": (
        tiny_onnx.pooled(),
        f'{CARD}[output]\nvector = "elsewhere"',
    ),
    "pooling as class, tokens": (tiny_onnx.tokens(), CARD),
    "scale, offset, mean or std": (tiny_onnx.pooled(), "[input]\nsize = 16"),
    "known entries in a card": (tiny_onnx.pooled(), f"{CARD}sclae = 3"),
    "entries of the right kind": (tiny_onnx.pooled(), '[input]\nscale = "x"'),
    "std other than 0": (tiny_onnx.pooled(), "[input]\nstd = 0"),
    "a card in TOML": (tiny_onnx.pooled(), "[input\n"),
    "weights beside the network": (
        tiny_onnx.model(
            [tiny_onnx.node("Conv", ["image", "w"], ["maps"], kernel_shape=[4, 4])],
            [tiny_onnx.external("w", (5, 3, 4, 4), "../../etc/shadow")],
            [("image", ["n", 3, 16, 16])],
            [("maps", ["n", 5, 13, 13])],
        ),
        CARD,
    ),
    "a network with all its files": (
        tiny_onnx.model(
            [tiny_onnx.node("Conv", ["image", "w"], ["maps"], kernel_shape=[4, 4])],
            [tiny_onnx.external("w", (5, 3, 4, 4), "weights.data")],
            [("image", ["n", 3, 16, 16])],
            [("maps", ["n", 5, 13, 13])],
        ),
        CARD,
    ),
}


@pytest.mark.parametrize("expected", BROKEN)
def test_what_cannot_be_run_is_refused_in_one_line(write, expected):
    name = write(*BROKEN[expected])
    with pytest.raises(SparkCxrError) as caught:
        find(name)
    line = str(caught.value)
    assert expected in line
    assert "\n" not in line
    assert len(line) < 700


def test_an_operator_of_ones_own_is_refused_by_name(write):
    data = tiny_onnx.model(
        [tiny_onnx.node("Magic", ["image"], ["maps"], domain="com.example")],
        [],
        [("image", ["n", 3, 16, 16])],
        [("maps", ["n", 5, 4, 4])],
    )
    with pytest.raises(WeightsError, match="Magic"):
        find(write(data))


def test_weights_in_a_second_file_count(write, tmp_path, films):
    data = tiny_onnx.model(
        [
            tiny_onnx.node("Conv", ["image", "w"], ["maps"], kernel_shape=[4, 4], strides=[4, 4]),
            tiny_onnx.node("GlobalAveragePool", ["maps"], ["vector"]),
        ],
        [tiny_onnx.external("w", (5, 3, 4, 4), "w.data")],
        [("image", ["n", 3, 16, 16])],
        [("vector", ["n", 5, 1, 1])],
    )
    name, found = write(data), []
    for factor in (1, 2):
        (tmp_path / "w.data").write_bytes((factor * tiny_onnx.kernel()).astype("<f4").tobytes())
        found.append(vectors(name, films))
    np.testing.assert_allclose(2 * found[0], found[1], rtol=1e-4, atol=1e-5)


def test_onnx_runtime_wants_all_weights_in_one_file(write, tmp_path):
    data = tiny_onnx.model(
        [tiny_onnx.node("Conv", ["image", "w"], ["maps"], kernel_shape=[4, 4])],
        [tiny_onnx.external("w", (5, 3, 4, 4), "w.data")],
        [("image", ["n", 3, 16, 16])],
        [("maps", ["n", 5, 13, 13])],
    )
    (tmp_path / "w.data").write_bytes(tiny_onnx.kernel().tobytes())
    row = find(write(data))
    with pytest.raises(WeightsError, match=r"one file for ONNX Runtime.*tiny.onnx with w.data"):
        network.prepare(row, weights.resolve("", row), "onnxruntime")


def test_a_corrected_card_counts_for_a_network_that_is_ready(write):
    before = plan_of(write(tiny_onnx.pooled()), "onnxruntime").network
    after = plan_of(write(tiny_onnx.pooled(), f'{CARD}[output]\nmaps = "maps"'), "onnxruntime")
    assert before.path == after.network.path
    assert (before.card.maps, after.network.card.maps) == ("", "maps")


def test_a_network_of_the_catalog_runs_at_another_size():
    assert find("VGG19", size=256).size_hw == (256, 256)
    assert replace(find("VGG19", size=256), size_hw=(224, 224)) == find("VGG19")
    with pytest.raises(ConfigError, match="a network that runs at other sizes"):
        find("CXRNet", size=256)
    with pytest.raises(ConfigError, match="no card for VGG19"):
        find("VGG19", card="std = 3")


def test_the_same_card_serves_keras_files(tiny_network, tmp_path):
    own = tmp_path / "own.keras"
    shutil.copy(tiny_network, own)
    side = find(str(own), "tf").size_hw
    shown = np.random.default_rng(2).integers(0, 256, (5, *side, 3), np.uint8)
    expected = vectors(str(own), shown, normalising="tf")
    own.with_suffix(".toml").write_text("[input]\nscale = 0.00784313725490196\noffset = -1")
    for engine in ("openvino", "keras"):
        np.testing.assert_allclose(vectors(str(own), shown, engine), expected, atol=1e-5)
    with pytest.raises(ConfigError, match="one size in a network and its card"):
        find(str(own), card="size = 8")
    with pytest.raises(ConfigError, match="no vector or tokens in the card of a Keras file"):
        find(str(own), card='vector = "x"')


def test_an_address_brings_the_card_that_lies_beside_it(write, films, tmp_path):
    name = write(tiny_onnx.pooled())
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/tiny.onnx"
        np.testing.assert_array_equal(vectors(address, films), vectors(name, films))
        server.shutdown()


@pytest.mark.parametrize("beside", ["preprocessor_config.json", "config.json"])
def test_what_hugging_face_and_timm_write_is_a_card(write, tmp_path, beside):
    name = write(tiny_onnx.pooled(), card="")
    said = {
        "preprocessor_config.json": {
            "do_center_crop": True,
            "crop_size": {"height": 16, "width": 16},
            "size": {"shortest_edge": 18},
            "image_mean": [0.5, 0.4, 0.3],
            "image_std": [0.2, 0.25, 0.3],
            "rescale_factor": 1 / 255,
            "resample": 3,
        },
        "config.json": {
            "pretrained_cfg": {
                "input_size": [3, 16, 16],
                "crop_pct": 0.875,
                "interpolation": "bicubic",
                "mean": [0.5, 0.4, 0.3],
                "std": [0.2, 0.25, 0.3],
                "license": "mit",
            }
        },
    }[beside]
    (tmp_path / beside).write_text(json.dumps(said))
    card = find(name).card
    assert (card.size, card.edge, card.resample) == ((16, 16), 18, "bicubic")
    assert card.fit.startswith("shortest")
    assert card.mean == (0.5, 0.4, 0.3)
    assert card.scale == pytest.approx(1 / 255)


def test_a_card_may_lie_in_a_folder_whose_name_has_the_sign_of_entries(write, tmp_path):
    name, folder = write(tiny_onnx.pooled(), card=""), tmp_path / "day=1"
    folder.mkdir()
    (folder / "own.toml").write_text(CARD)
    assert find(name, card=str(folder / "own.toml")).card.mean == (0.5, 0.4, 0.3)
