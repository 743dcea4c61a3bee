"""What MLflow calls, without MLflow."""

import base64
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from model_by_hand import LABELS
from PIL import Image

import spark_cxr
from spark_cxr.errors import InputError
from spark_cxr.images.decode import decode
from spark_cxr.model import pyfunc
from spark_cxr.phantoms import phantoms

COLUMNS = ["label", "confidence", *(f"probability_{label}" for label in LABELS), "reason"]


@pytest.fixture(scope="module")
def film():
    return next(phantoms(1, seed=1, size=64)).data


@pytest.fixture
def loaded(directory):
    return pyfunc._load_pyfunc(directory.address)


def predicted(loaded, *images):
    return loaded.predict(pd.DataFrame({"image": images}))


def as_text(film):
    return base64.b64encode(film).decode("ascii")


def given_as(kind, film, folder):
    path = folder / "IM0001abcde"  # eleven letters and digits: it could also be base64
    path.write_bytes(film)
    text = as_text(film)
    return {
        "path": str(path),
        "relative path": path.name,
        "address": path.as_uri(),
        "base64": text,
        "base64 in lines": "\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
        "data URI": f"data:image/png;base64,{text}",
        "bytes": film,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["path", "relative path", "address", "base64", "base64 in lines", "data URI", "bytes"],
)
def test_an_image_in_any_form_gets_the_same_prediction(
    kind, loaded, directory, film, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    row = predicted(loaded, given_as(kind, film, tmp_path)).iloc[0]
    (expected,) = spark_cxr.load_model(directory.address).predict(film)
    assert (row["label"], row["confidence"]) == (expected.label, expected.confidence)
    shares = {label: row[f"probability_{label}"] for label in LABELS}
    assert shares == dict(expected.probabilities)


def test_columns_are_label_confidence_probabilities_and_reason(loaded, film):
    assert list(predicted(loaded, film).columns) == COLUMNS


def test_a_good_image_has_no_reason(loaded, film):
    assert predicted(loaded, film)["reason"][0] is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (base64.b64encode(b"no film at all").decode(), "not_an_image: "),
        ("/nowhere/film.png", "unreadable: neither base64 nor a file: "),
        ("https://nowhere.invalid/film.png", "unreadable: "),
        ("data:image/png;base64,???", "not_an_image: a data: URI without good base64"),
        ("", "empty: no image in this row"),
        (None, "empty: no image in this row"),
        (float("nan"), "empty: no image in this row"),
    ],
)
def test_a_bad_image_is_null_with_its_reason(loaded, image, reason):
    row = predicted(loaded, image).iloc[0]
    assert row["reason"].startswith(reason)
    assert [row[name] for name in COLUMNS[:-1]] == [None] * (len(COLUMNS) - 1)


def test_what_is_no_xray_is_null_with_its_reason(loaded):
    written = io.BytesIO()
    Image.new("RGB", (96, 96), (220, 0, 0)).save(written, "PNG")
    row = predicted(loaded, written.getvalue()).iloc[0]
    assert row["reason"].startswith("not_an_xray")
    assert [row[name] for name in COLUMNS[:-1]] == [None] * (len(COLUMNS) - 1)


def test_rows_keep_their_order_beside_bad_ones(loaded, film):
    other = next(phantoms(1, seed=9, size=64)).data
    rows = predicted(loaded, other, "/nowhere.png", film)
    alone = [predicted(loaded, each)["confidence"][0] for each in (other, film)]
    assert [rows["confidence"][0], rows["confidence"][2]] == pytest.approx(alone, abs=1e-6)
    assert alone[0] != pytest.approx(alone[1], abs=1e-6)
    assert rows["label"].isna().tolist() == [False, True, False]


def test_more_rows_than_are_read_at_once_all_get_a_prediction(loaded, film, monkeypatch):
    monkeypatch.setattr(pyfunc, "AT_ONCE", 2)
    rows = predicted(loaded, film, film, "/nowhere.png", film, film)
    assert rows["reason"].notna().tolist() == [False, False, True, False, False]


def test_no_row_gives_no_row(loaded):
    told = predicted(loaded)
    assert (len(told), list(told.columns)) == (0, COLUMNS)


def test_a_file_that_is_too_large_is_not_read_to_its_end(loaded, film, tmp_path, monkeypatch):
    path = Path(tmp_path, "film.png")
    path.write_bytes(film)
    monkeypatch.setattr(pyfunc, "MOST_BYTES", 10)
    assert predicted(loaded, str(path))["reason"][0] == "too_large: more than 10 bytes"


def test_what_comes_out_is_json(loaded, film):
    rows = predicted(loaded, film, "/nowhere.png").to_dict(orient="records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_a_table_without_the_column_is_refused(loaded):
    with pytest.raises(InputError, match=r"a column image\. Received: picture, label\."):
        loaded.predict(pd.DataFrame({"picture": ["a"], "label": ["b"]}))


def test_the_example_is_an_image_that_the_model_takes(loaded):
    told = loaded.predict(pyfunc.example(loaded.model.manifest.limits.min_side))
    assert told["label"][0] in LABELS


def test_the_example_is_as_large_as_the_smallest_film_has_to_be():
    (text,) = pyfunc.example(min_side=80)["image"]
    assert min(decode(base64.b64decode(text)).pixels.shape[:2]) == 80
