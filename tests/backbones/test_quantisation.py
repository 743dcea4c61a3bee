"""Networks in int8: made by NNCF once, held against f32, never mixed with anything else."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.backbones import quantisation
from spark_cxr.backbones.engines import choose, devices, load
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.network import (
    Network,
    Quantisation,
    copy_without_places,
    key,
    prepare,
    read,
)
from spark_cxr.backbones.quantisation import CalibrationFilms, by_key, quantise
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import ConfigError, InputError, SetupError
from spark_cxr.images.decode import decode
from spark_cxr.images.fit import Fit
from spark_cxr.images.prepare import to_network
from spark_cxr.phantoms import phantoms

pytest.importorskip("nncf")
needs_vnni = pytest.mark.skipif(not devices.adds_int8(), reason="a processor without VNNI")
SIZE = (32, 48)


def silent(_: str) -> None:
    """Say nothing."""


def calibration(count: int, seed: int = 0) -> CalibrationFilms:
    drawn = [p.data for p in phantoms(count, seed, 64, ("png",))]
    names = tuple(hashlib.sha256(data).hexdigest() for data in drawn)
    return CalibrationFilms(
        names, np.stack([to_network(decode(data).pixels, SIZE) for data in drawn])
    )


def plain(file: Path) -> Network:
    row = find(str(file), "tf")
    return prepare(row, resolve("", row), "openvino", say=silent)


@pytest.fixture(scope="module")
def films() -> CalibrationFilms:
    return calibration(48)


@pytest.fixture(scope="module")
def made(
    tiny_network: Path, films: CalibrationFilms, tmp_path_factory: pytest.TempPathFactory
) -> Network:
    """Make int8 of the tiny network once: NNCF takes some seconds to begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CXR_CACHE", str(tmp_path_factory.mktemp("int8")))
        return quantise(plain(tiny_network), films, silent)


@needs_vnni
def test_int8_runs_like_any_network_and_says_that_it_is_int8(
    made: Network, films: CalibrationFilms, tiny_network: Path
) -> None:
    rough, exact = load(Plan(made, precision="int8")), load(Plan(plain(tiny_network)))
    assert rough.used.precision == "int8"
    cosines, _ = quantisation.compare(exact.features(films.pixels), rough.features(films.pixels))
    known = made.quantisation
    assert known is not None
    assert cosines.min() > 0.99
    assert (known.films, known.held_out) == (36, 12)
    assert 0.99 < known.cosine_least <= known.cosine <= 1


@needs_vnni
def test_maps_beside_the_vectors_leave_them_as_they_are(
    made: Network, films: CalibrationFilms
) -> None:
    alone = load(Plan(made, precision="int8")).features(films.pixels)
    served = load(Plan(made, precision="int8", single=True))
    assert served.mapper is not None
    found = served.mapper.maps(films.pixels)
    np.testing.assert_array_equal(found.vectors, alone)
    np.testing.assert_allclose(found.maps.mean(axis=(2, 3)), alone, atol=1e-5)


def test_its_features_have_a_key_of_their_own(made: Network, tiny_network: Path) -> None:
    network = plain(tiny_network)
    assert key(made) != key(network)
    assert key(replace(made, quantisation=None)) == key(network)
    known = made.quantisation
    assert known is not None
    other = replace(known, calibration="0" * 64)
    assert key(replace(made, quantisation=other)) != key(made)


def test_a_file_for_f32_is_written_as_ever(tiny_network: Path) -> None:
    with zipfile.ZipFile(plain(tiny_network).path) as archive:
        assert "quantisation" not in json.loads(archive.read("meta.json"))


def test_the_same_films_take_the_file_that_is_there(
    made: Network, tiny_network: Path, films: CalibrationFilms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_CXR_CACHE", str(Path(made.path).parents[1]))
    monkeypatch.setattr(quantisation, "_made", None)
    said: list[str] = []
    assert quantise(plain(tiny_network), films, said.append) == made
    assert [line.split(",")[0][:19] for line in said] == ["int8: cosine to f32"]
    assert by_key(f"tiny-{key(made)[:16]}-int8") == Path(made.path)
    assert by_key("tiny-0123456789abcdef-int8") is None


def test_a_copy_for_others_still_says_how_it_was_calibrated(made: Network, tmp_path: Path) -> None:
    copy_without_places(Path(made.path), tmp_path / "copy")
    assert read(tmp_path / "copy").quantisation == made.quantisation


def test_too_few_films_are_refused(tiny_network: Path) -> None:
    with pytest.raises(InputError, match=r"at least 40 different films .* Received: 12\."):
        quantise(plain(tiny_network), calibration(12), silent)


def test_what_is_too_far_from_f32_is_refused_with_the_numbers(
    made: Network,
    tiny_network: Path,
    films: CalibrationFilms,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def far(_: Network, __: CalibrationFilms, method: str, ___: Path) -> Quantisation:
        assert made.quantisation is not None
        return replace(made.quantisation, contrast=0.5, method=f"NNCF 0, {method}")

    monkeypatch.setattr(quantisation, "_ask_child", far)
    with pytest.raises(InputError, match=r"mean 0\.5000, .* NNCF 0, fast; int8: .* 0, thorough"):
        quantise(plain(tiny_network), films, silent)
    assert len(list(cache.glob("networks/*.network"))) == 1


def test_what_nncf_cannot_do_is_one_line(
    tiny_network: Path, films: CalibrationFilms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "_CODE", "raise SystemExit('no such layer')")
    with pytest.raises(OSError, match=r"Received: tiny: no such layer"):
        quantise(plain(tiny_network), films, silent)


def test_without_nncf_the_way_out_is_named(
    tiny_network: Path, films: CalibrationFilms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"pip install 'spark-cxr\[int8\]', on the driver alone"):
        quantise(plain(tiny_network), films, silent)


@pytest.mark.parametrize(
    ("engine", "backbone", "device"),
    [("keras", "CXRNet", "auto"), ("auto", "CXRNet", "gpu"), ("auto", "fake", "auto")],
)
def test_only_openvino_on_a_cpu_runs_int8(engine: str, backbone: str, device: str) -> None:
    with pytest.raises(ConfigError, match="Expected OpenVINO on a CPU for int8"):
        choose(engine, backbone, device, "int8")


def test_a_gpu_beside_the_processor_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spark_cxr.backbones.engines.gpu_present", lambda: True)
    assert choose("auto", "CXRNet", "auto", "int8") == "openvino"


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_file_for_int8_runs_in_nothing_else(made: Network, precision: str) -> None:
    with pytest.raises(ConfigError, match="a network's file of int8 for int8, and no other"):
        load(Plan(made, precision=precision))


def test_a_file_for_f32_does_not_run_in_int8(tiny_network: Path) -> None:
    with pytest.raises(ConfigError, match="a network's file of int8 for int8, and no other"):
        load(Plan(plain(tiny_network), precision="int8"))


@pytest.mark.parametrize(
    ("listed", "adds"),
    [
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu avx512_vnni amx_int8\n", True),
        ("Features\t: fp asimd asimddp\n", True),
    ],
)
def test_processors_whose_sums_overflow_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, adds: bool
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(listed)
    monkeypatch.setattr(devices, "CPUS", file)
    assert devices.adds_int8() is adds


def test_such_a_processor_is_refused(made: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spark_cxr.backbones.engines.openvino.adds_int8", lambda: False)
    load.cache_clear()
    with pytest.raises(SetupError, match="a processor with VNNI for int8"):
        load(Plan(made, precision="int8"))


def test_films_are_put_into_an_order_of_their_own_each_once() -> None:
    rows = [(name, bytes([level]) * 12) for name, level in (("b", 2), ("a", 1), ("b", 2))]
    found = quantisation.in_order(rows, Fit((2, 2)))
    assert found.sha256 == ("a", "b")
    assert found.pixels[:, 0, 0, 0].tolist() == [1, 2]
