"""What features.weights may say."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import Site

from spark_cxr.backbones import catalog
from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.backbones.weights import RANDOM_CAVEAT, UNVERIFIED_CAVEAT, Weights, resolve
from spark_cxr.errors import ConfigError, WeightsError

ROW = catalog.get("ResNet50")
OURS = catalog.get("CXRNet")


def test_random_weights_say_loudly_what_they_are() -> None:
    found = resolve("random:7", ROW)
    assert (found.kind, found.seed, found.path, found.caveat) == ("random", 7, "", RANDOM_CAVEAT)


def test_random_weights_of_different_seeds_are_told_apart() -> None:
    assert resolve("random:7", ROW).sha256 != resolve("random:8", ROW).sha256


@pytest.mark.parametrize("text", ["random", "random:", "random:x", "random:-1"])
def test_random_without_a_seed_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(text, ROW)
    told = f"Expected random:SEED with a whole number. Received: {text}. Say random:0."
    assert str(caught.value) == told


@pytest.mark.parametrize("text", ["", "embedded"])
def test_embedded_weights_are_a_file_of_this_package(text: str) -> None:
    found = resolve(text, OURS)
    assert (found.kind, found.origin) == ("embedded", "ships with spark_cxr")
    assert hashlib.sha256(Path(found.path).read_bytes()).hexdigest() == found.sha256
    assert found.licence.startswith("Apache-2.0")


def test_embedded_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError) as caught:
        resolve("embedded", ROW)
    assert str(caught.value) == (
        "Expected a network whose weights ship with spark_cxr. Received: ResNet50. "
        "Say --backbone CXRNet, whose weights do; ResNet50 takes imagenet."
    )


def test_embedded_file_that_is_not_the_one_is_refused() -> None:
    assert OURS.embedded is not None
    other = replace(OURS, embedded=replace(OURS.embedded, sha256="0" * 64))
    told = rf"cxrnet.keras of spark_cxr with SHA-256 0+\. Received: {OURS.embedded.sha256}\. Inst"
    with pytest.raises(WeightsError, match=told):
        resolve("embedded", other)


def test_imagenet_weights_for_our_own_network_are_refused() -> None:
    with pytest.raises(WeightsError) as caught:
        resolve("imagenet", OURS)
    assert str(caught.value) == (
        "Expected a network with published weights. Received: CXRNet. "
        "Leave features.weights empty: it brings its own. Or name a file."
    )


def test_local_file_is_known_by_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "mine.weights.h5"
    file.write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    licence = "as its owner says"
    assert resolve(str(file), ROW) == Weights("file", str(file), expected, str(file), licence)


def test_local_copy_of_the_official_file_is_known_as_such(tmp_path: Path) -> None:
    file = tmp_path / "copy.h5"
    file.write_bytes(b"weights")
    row = replace(
        ROW, weights=PublishedWeights("http://x/net.h5", hashlib.md5(b"weights").hexdigest())
    )
    found = resolve(str(file), row)
    assert (found.kind, found.licence, found.origin) == ("imagenet", "MIT", str(file))


@pytest.mark.parametrize("prefix", ["file:", "file://"])
def test_file_uri_is_a_local_file(tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "mine.h5"
    file.write_bytes(b"weights")
    assert resolve(f"{prefix}{file}", ROW).path == str(file)


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"mine.h5 \(not there\). Check features.weights"):
        resolve(str(tmp_path / "mine.h5"), ROW)


def test_word_that_is_no_kind_of_weights_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("imagnet", ROW)
    assert str(caught.value) == (
        "Expected features.weights as embedded, imagenet, random:SEED, a file or a URI. "
        "Received: imagnet. Files end in .weights.h5, .h5 (Keras' official layout) or .keras."
    )


def test_web_address_is_fetched(site: Site) -> None:
    site.files["mine.h5"] = b"weights"
    found = resolve(f"{site.address}/mine.h5", ROW, say=lambda _: None)
    assert Path(found.path).read_bytes() == b"weights"


def test_web_address_without_the_file_is_refused(site: Site) -> None:
    with pytest.raises(WeightsError, match="Check the address, or copy the file"):
        resolve(f"{site.address}/mine.h5", ROW, say=lambda _: None)


def test_imagenet_is_what_a_row_without_other_words_gets(site: Site) -> None:
    site.files["net.h5"] = b"weights"
    url = f"{site.address}/net.h5"
    row = replace(ROW, weights=PublishedWeights(url, hashlib.md5(b"weights").hexdigest()))
    found = resolve("", row, say=lambda _: None)
    assert (found.kind, found.origin, found.licence) == ("imagenet", url, "MIT")


def test_file_without_a_published_digest_says_so(site: Site) -> None:
    site.files["net.h5"] = b"weights"
    row = replace(ROW, weights=PublishedWeights(f"{site.address}/net.h5", ""))
    assert resolve("imagenet", row, say=lambda _: None).caveat == UNVERIFIED_CAVEAT


def test_fake_takes_no_weights() -> None:
    fake = catalog.get("fake")
    assert resolve("", fake).kind == "none"
    with pytest.raises(ConfigError, match="no weights for fake"):
        resolve("imagenet", fake)


def test_own_network_brings_its_weights(tmp_path: Path) -> None:
    file = tmp_path / "net.keras"
    file.write_bytes(b"network")
    row = replace(ROW, file=str(file))
    assert resolve("", row).sha256 == hashlib.sha256(b"network").hexdigest()
    with pytest.raises(ConfigError, match="the file brings its own"):
        resolve("imagenet", row)
