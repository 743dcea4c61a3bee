"""What the tests of networks share: a cache of their own, a server on this host, small networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Site, serving

ROOT = Path(__file__).parents[2]


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what Keras 3.15 itself does wrong with NumPy 2; all other warnings stay errors."""
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning:keras",
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test an empty cache, and no way to Keras' own."""
    monkeypatch.setenv("SPARK_CXR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "cache"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        yield served


@pytest.fixture
def own_network() -> Path:
    """Find the one network with real weights that is at hand, or skip and say so."""
    file = ROOT.parent / "shared" / "weights" / "squeezenet11_imagenet.keras"
    if not file.is_file():
        pytest.skip(f"no network at {file}")
    return file


@pytest.fixture(scope="session")
def tiny_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a network of one small convolution, as a user would his own."""
    from spark_cxr.backbones.keras_backend import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(3)
    films = keras.Input((32, 48, 3))
    maps = keras.layers.Conv2D(6, 3, strides=4, activation="relu", name="maps")(films)
    file = tmp_path_factory.mktemp("tiny") / "tiny.keras"
    keras.Model(films, maps).save(file)
    return file
