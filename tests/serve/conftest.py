"""One model by hand, films of each format, one server for most tests."""

import io

import numpy as np
import pytest
from PIL import Image

import spark_cxr
from spark_cxr.phantoms import phantoms
from tests.serve.browser import SIZES, Browser
from tests.serve.made_model import made_model
from tests.serve.running import running


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Give one window; whoever takes it is skipped where there is no browser."""
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def desktop(browser, server):
    """Open the page on a laptop; at its end the browser has nothing to complain of."""
    browser.open(server.url, SIZES["laptop"])
    browser.wait("return document.querySelectorAll('#card dt').length")
    yield browser
    assert browser.console() == []


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    return made_model(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="session")
def model(model_dir):
    return spark_cxr.load_model(model_dir)


@pytest.fixture(scope="session")
def drawn():
    """Draw a film of each format."""
    made = phantoms(6, seed=4, size=96, formats=("png", "jpeg", "dicom"))
    return {film.format: film.data for film in made}


@pytest.fixture(scope="session")
def photo():
    """Draw a coloured picture."""
    rows, columns = np.mgrid[0:96, 0:96]
    picture = np.stack([rows * 2, 255 - columns * 2, np.full_like(rows, 40)], 2)
    written = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(scope="session")
def server(model_dir):
    with running(model_dir) as found:
        yield found
