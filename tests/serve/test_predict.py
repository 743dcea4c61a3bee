"""POST /predict: every form of body, every kind of answer."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from spark_cxr.backbones import engines
from spark_cxr.errors import REASONS
from spark_cxr.images import film_pass
from spark_cxr.images.decode import decode
from spark_cxr.model import model as scoring
from spark_cxr.phantoms import phantoms
from spark_cxr.serve.bodies import STATUS_OF, Refusal, split
from tests.images.dicom_writer import dicom

BOUNDARY = "limit-0123"


def form(*contents, ending="--"):
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="doe^jane.png"'
        "\r\nContent-Type: image/png\r\n\r\n".encode()
        + content
        + b"\r\n"
        for content in contents
    ]
    return b"".join(parts) + f"--{BOUNDARY}{ending}\r\n".encode()


def as_text(content):
    return base64.b64encode(content).decode("ascii")


def sent(content):
    """Give one image in every form in which it may be sent."""
    coded = as_text(content)
    lines = "\n".join(coded[at : at + 76] for at in range(0, len(coded), 76))
    return {
        "raw": (content, "application/octet-stream"),
        "raw with a wrong type": (content, "image/jpeg"),
        "raw as curl sends it": (content, "application/x-www-form-urlencoded"),
        "multipart": (form(content), f"multipart/form-data; boundary={BOUNDARY}"),
        "multipart, quoted": (form(content), f'multipart/form-data; boundary="{BOUNDARY}"'),
        "json": (json.dumps({"image": coded}), "application/json"),
        "json, lines": (json.dumps({"image": lines}), "application/json; charset=utf-8"),
        "json, list": (json.dumps({"images": [coded]}), "application/json"),
        "json, data uri": (
            json.dumps({"image": f"data:image/png;base64,{coded}"}),
            "application/json",
        ),
    }


FORMS = list(sent(b"\0\0\0"))


@pytest.mark.parametrize("kind", ["png", "jpeg", "dicom"])
@pytest.mark.parametrize("how", FORMS)
def test_a_film_in_any_form_gets_the_answer_of_the_model(server, model, drawn, kind, how):
    body, media_type = sent(drawn[kind])[how]
    status, told = server.predict(body, Content_Type=media_type)
    (expected,), (found,) = model.predict(drawn[kind]), told["predictions"]
    assert status == 200
    assert found["label"] == expected.label
    assert found["confidence"] == expected.confidence
    assert found["probabilities"] == dict(expected.probabilities)
    assert found["file"]["format"] == kind


def test_answer_names_model_version_time_request_and_what_it_is_for(server, model, drawn):
    _, told = server.predict(drawn["png"])
    name = f"{told['model']['name']}-{told['model']['version']}"
    assert name == model.manifest.identity
    assert told["milliseconds"] > 0
    assert len(told["request_id"]) == 16
    assert told["notice"] == "Research use only. Not for diagnosis."


def test_many_films_are_answered_in_order_and_bad_ones_in_their_place(server, model, drawn):
    contents = [drawn["png"], b"no film", drawn["dicom"], drawn["jpeg"], b""]
    status, told = server.predict(form(*contents), Content_Type=sent(b"")["multipart"][1])
    expected = model.predict(contents)
    assert status == 200
    assert [each["label"] for each in told["predictions"]] == [
        each.label or None for each in expected
    ]
    faults = [each["error"] and each["error"]["reason"] for each in told["predictions"]]
    assert faults == [each.bad and each.bad.reason for each in expected]


def test_a_film_alone_and_among_others_has_the_same_numbers(server, drawn):
    body = json.dumps({"images": [as_text(drawn[kind]) for kind in ("dicom", "png", "jpeg") * 6]})
    _, many = server.predict(body, Content_Type="application/json")
    _, alone = server.predict(drawn["png"])
    assert many["predictions"][1] == many["predictions"][4] == alone["predictions"][0]


def test_a_coloured_picture_gets_no_class(server, photo):
    status, told = server.predict(photo)
    (found,) = told["predictions"]
    assert (status, found["label"], found["is_uncertain"]) == (200, None, False)
    assert (found["confidence"], found["probabilities"]) == (None, None)
    assert [flag["name"] for flag in found["flags"]] == ["not_an_xray"]


def test_what_the_file_says_is_flagged(server):
    pixels = (np.add.outer(np.arange(64), np.arange(64)) * 16).astype("u2")
    film = dicom(pixels, BitsStored=12, ViewPosition="LL", BurnedInAnnotation="YES")
    _, told = server.predict(film)
    names = [flag["name"] for flag in told["predictions"][0]["flags"]]
    assert {"lateral", "burned_in"} <= set(names)
    assert told["predictions"][0]["file"]["view"] == "lateral"


def test_film_is_drawn_in_8_bits_where_it_is_asked_for(server, drawn):
    _, told = server.predict(drawn["dicom"], "?film=1")
    shown = Image.open(io.BytesIO(base64.b64decode(told["predictions"][0]["film_png"])))
    pixels = decode(drawn["dicom"]).pixels
    assert (shown.mode, shown.size) == ("L", pixels.shape[::-1])
    assert shown.tobytes() == pixels.tobytes()
    assert server.predict(drawn["dicom"])[1]["predictions"][0]["film_png"] is None


def test_heat_is_added_for_the_answer_or_for_the_class_that_is_named(server, drawn):
    _, told = server.predict(drawn["png"], "?explain=1")
    (found,) = told["predictions"]
    assert found["heat"]["label"] == found["label"]
    other = next(label for label in found["probabilities"] if label != found["label"])
    _, again = server.predict(drawn["png"], f"?explain={other}")
    heat = again["predictions"][0]["heat"]
    layer = Image.open(io.BytesIO(base64.b64decode(heat["png"])))
    assert (heat["label"], layer.mode) == (other, "RGBA")
    assert layer.size == decode(drawn["png"]).pixels.shape[::-1]
    assert Image.open(io.BytesIO(base64.b64decode(heat["overlay_png"]))).mode == "RGB"


@pytest.mark.parametrize("kind", ["png", "jpeg", "dicom", "large"])
def test_an_explanation_is_that_of_the_model_and_changes_nothing_else(server, model, drawn, kind):
    film = drawn[kind] if kind != "large" else large()
    _, plain = server.predict(film)
    _, told = server.predict(film, "?explain=1")
    heat = told["predictions"][0].pop("heat")
    assert told["predictions"][0] | {"heat": None} == plain["predictions"][0]
    expected = model.explain(film)
    assert (heat["label"], heat["method"]) == (expected.label, expected.method)
    assert base64.b64decode(heat["png"]) == expected.heat_png(outlined=False)
    assert base64.b64decode(heat["overlay_png"]) == expected.overlay_png()


def large():
    """Draw a film that is larger than a screen."""
    return next(iter(phantoms(1, seed=5, size=1100, formats=("png",)))).data


def test_a_film_that_is_explained_is_decoded_once_and_shown_to_one_network(
    server, drawn, monkeypatch
):
    decoded, real = [], film_pass.decode
    for module in (film_pass, scoring):
        monkeypatch.setattr(module, "decode", lambda *a: decoded.append(a) or real(*a))
    assert server.predict(drawn["dicom"], "?explain=1&film=1")[0] == 200
    assert len(decoded) == 1
    plan = server.service.model.plan
    assert engines.load_mapper(plan) is engines.load(plan) is server.service.engine


def test_more_films_than_may_wait_for_heat_get_theirs_in_one_request(server, drawn):
    body = json.dumps({"images": [as_text(drawn["png"])] * 10})
    status, told = server.predict(body, "?explain=1", Content_Type="application/json")
    assert (status, [bool(each["heat"]) for each in told["predictions"]]) == (200, [True] * 10)


def test_heat_of_an_unknown_class_is_refused(server, drawn):
    status, told = server.predict(drawn["png"], "?explain=Gout")
    assert (status, told["reason"]) == (400, "unknown_label")


def test_a_picture_without_class_gets_no_heat(server, photo):
    status, told = server.predict(photo, "?explain=1")
    assert (status, told["predictions"][0]["heat"]) == (200, None)


def test_every_kind_of_broken_file_is_refused_with_its_reason(server):
    broken = [film for film in phantoms(40, seed=1, size=64, bad=20) if film.expected_reason]
    assert len({film.expected_reason for film in broken}) >= 6
    for film in broken:
        status, told = server.predict(film.data)
        reason = film.expected_reason
        assert (status, told["reason"]) == (STATUS_OF.get(reason, 422), reason), film.name


def test_every_reason_that_has_a_status_exists():
    assert set(STATUS_OF) <= set(REASONS)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "reason"),
    [
        (b"", "image/png", 400, "empty"),
        (b"no film at all", "image/png", 415, "not_an_image"),
        (b"{", "application/json", 400, "bad_json"),
        (b"[]", "application/json", 400, "bad_json"),
        (b"{}", "application/json", 400, "bad_json"),
        (b'{"images": "abc"}', "application/json", 400, "bad_json"),
        (b'{"images": []}', "application/json", 400, "empty"),
        (b'{"image": null}', "application/json", 400, "bad_json"),
        (b'{"image": 7}', "application/json", 400, "bad_json"),
        (b'{"image": ""}', "application/json", 400, "empty"),
        (b'{"image": "/etc/passwd"}', "application/json", 415, "not_an_image"),
        (b'{"image": "file:///etc/passwd"}', "application/json", 415, "not_an_image"),
        (b'{"image": "http://127.0.0.1/x.png"}', "application/json", 415, "not_an_image"),
        (b"[" * 49_000, "application/json", 400, "bad_json"),
        (b"[" * 60_000, "application/json", 413, "too_many_values"),
        (b"\xff\xfe{", "application/json", 400, "bad_json"),
        (b"x", "multipart/form-data", 400, "bad_multipart"),
        (b"x", "multipart/form-data; boundary=", 400, "bad_multipart"),
        (b"x", f"multipart/form-data; boundary={BOUNDARY}", 400, "bad_multipart"),
        (form(b"x", ending=""), f"multipart/form-data; boundary={BOUNDARY}", 400, "bad_multipart"),
        (form(), f"multipart/form-data; boundary={BOUNDARY}", 400, "bad_multipart"),
        (form(b"x", b"y"), f"multipart/form-data; boundary={BOUNDARY}", 422, "no_film"),
        (form(*[b"x"] * 40), f"multipart/form-data; boundary={BOUNDARY}", 413, "too_many_images"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(server, body, media_type, status, reason):
    found, told = server.predict(body, Content_Type=media_type)
    assert (found, told["reason"]) == (status, reason)
    assert told["request_id"] and told["detail"]


def test_where_no_image_is_a_film_errors_can_still_be_had_inline(server):
    status, told = server.predict(b"no film", "?errors=inline")
    assert (status, told["predictions"][0]["error"]["reason"]) == (200, "not_an_image")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/predict", 405, "wrong_method"),
        ("DELETE", "/", 405, "wrong_method"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/static/../command.py", 404, "not_found"),
        ("GET", "/static/%2e%2e%2fcommand.py", 404, "not_found"),
        ("GET", "/examples/none.png", 404, "not_found"),
    ],
)
def test_what_is_not_there_is_refused_in_the_same_form(server, method, path, status, reason):
    found, told = server.told(method, path)
    assert (found, told["reason"]) == (status, reason)


# Bodies of several parts


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"--", b"--limit", b"\r\n--limit-012", b"a\r\n\r\nb"]
)
def test_a_part_keeps_every_byte(content):
    body, media_type = form(content, b"other"), f"multipart/form-data; boundary={BOUNDARY}"
    assert split(body, media_type, 2) == [content, b"other"]


@pytest.mark.parametrize(
    "media_type",
    ["multipart/form-data; boundary=\u00e4", "multipart/form-data; boundary=" + "x" * 300],
)
def test_a_boundary_that_is_none_is_refused(media_type):
    with pytest.raises(Refusal, match="boundary"):
        split(b"", media_type, 2)
