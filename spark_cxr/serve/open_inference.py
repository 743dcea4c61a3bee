"""The Open Inference Protocol, version 2, as Triton, KServe and MLServer speak it over HTTP.

One input `image` of BYTES, a film each: base64 in JSON, or raw behind the JSON (the extension for
binary tensors, which Triton's clients use unless told otherwise). Outputs: `label`, `confidence`,
`probabilities` in the order of the labels that the model's metadata names, and `reason`. For an
image without a class, `label` is empty, and its numbers are null, which clients read as NaN. Of a
model of findings, `label` has those at or above their operating points, with | between them, and
the metadata has these points, in the order of the labels. A model that has sets also gives
`verdicts` (rule in, rule out, unsure) in the order of the labels, empty where no class is named.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from spark_cxr import __version__
from spark_cxr.errors import BadImage
from spark_cxr.model.exchange import CONFIDENCE, IMAGE, LABEL, REASON, from_text, row
from spark_cxr.serve.answers import named
from spark_cxr.serve.batches import FilmAnswer
from spark_cxr.serve.bodies import Refusal, Sent, body_of, checked, json_of
from spark_cxr.serve.predict import json_response
from spark_cxr.serve.service import Service

PROBABILITIES = "probabilities"
JSON_LENGTH = "inference-header-content-length"
EXTENSIONS = ("binary_tensor_data",)
LENGTH = struct.Struct("<I")
OUTPUTS = {LABEL: "BYTES", CONFIDENCE: "FP64", PROBABILITIES: "FP64", REASON: "BYTES"}
VERDICTS = "verdicts"
WIDE = (PROBABILITIES, VERDICTS)
"""Outputs with a value for each label."""


async def live(_: Service, __: Request) -> Response:
    """Say that the server lives, or is ready."""
    return json_response({"live": True, "ready": True})


async def server(_: Service, __: Request) -> Response:
    """Say what server this is."""
    return json_response({"name": "spark_cxr", "version": __version__, "extensions": EXTENSIONS})


async def ready(service: Service, request: Request) -> Response:
    """Say that a model is ready."""
    _known(service, request)
    return json_response({"name": named(service.model.manifest).name, "ready": True})


async def metadata(service: Service, request: Request) -> Response:
    """Say what goes into a model, and what comes out."""
    _known(service, request)
    name, labels = named(service.model.manifest), service.model.labels
    widths, points = {each: [len(labels)] for each in WIDE}, service.model.manifest.thresholds
    parameters = {"labels": ",".join(labels)}
    if points:
        parameters["thresholds"] = ",".join(str(points[label]) for label in labels)
    outputs = [
        {"name": each, "datatype": kind, "shape": [-1, *widths.get(each, [])]}
        for each, kind in outputs_of(service).items()
    ]
    return json_response(
        {
            "name": name.name,
            "versions": [name.version],
            "platform": "spark_cxr",
            "inputs": [{"name": IMAGE, "datatype": "BYTES", "shape": [-1]}],
            "outputs": outputs,
            "parameters": parameters,
        }
    )


def outputs_of(service: Service) -> dict[str, str]:
    """Name what a model gives, with its kinds."""
    return {**OUTPUTS, **({VERDICTS: "BYTES"} if service.model.manifest.has_verdicts else {})}


async def infer(service: Service, request: Request) -> Response:
    """Answer for the films of a tensor."""
    _known(service, request)
    settings = service.settings
    async with body_of(request, service.room, settings.max_body_bytes, settings.seconds) as body:
        message, binary = _split_body(body, request.headers.get(JSON_LENGTH))
        images = _images(message, binary, settings.max_images)
        answers = await service.see(request, images)
    return json_response(_response(service, message, answers))


def _known(service: Service, request: Request) -> None:
    """Refuse a model or a version that is not this one."""
    params, here = request.path_params, named(service.model.manifest)
    if params["name"] != here.name or params.get("version", here.version) != here.version:
        raise Refusal(404, "unknown_model", f"here is {here.name}, version {here.version}")


def _split_body(body: bytes, length: str | None) -> tuple[dict[str, Any], bytes]:
    """Split the JSON from the raw tensors behind it."""
    if length is not None and not (length.isascii() and length.isdigit() and len(length) < 16):
        raise Refusal(400, "bad_length", f"{JSON_LENGTH} is no number")
    end = len(body) if length is None else int(length)
    message = json_of(body[:end])
    if not isinstance(message, dict):
        raise _wrong("an object")
    return message, body[end:]


def _images(message: dict[str, Any], binary: bytes, most: int) -> list[Sent]:
    inputs = message.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _wrong(f"one input, {IMAGE}")
    tensor = inputs[0]
    if tensor.get("name") != IMAGE or tensor.get("datatype") != "BYTES":
        raise _wrong(f"an input called {IMAGE} of datatype BYTES")
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    found = _of_json(tensor.get("data")) if size is None else _of_binary(binary, size, most)
    shape = tensor.get("shape")
    if shape not in ([len(found)], [len(found), 1]):
        raise _wrong(f"a shape of [{len(found)}], as many as there are films")
    return checked(found, most)


def _of_json(data: Any) -> list[Sent]:
    if not isinstance(data, list):
        raise _wrong("data as a list of base64")
    cells = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]
    if not all(isinstance(each, str) for each in cells):
        raise _wrong("data as a list of base64")
    return [from_text(each) for each in cells]


def _of_binary(binary: bytes, size: Any, most: int) -> list[Sent]:
    """Read elements that each have their length before them."""
    if not isinstance(size, int) or isinstance(size, bool) or size != len(binary):
        raise _wrong(f"binary_data_size as the {len(binary)} bytes behind the JSON")
    found = list[Sent]()
    for each in _elements(binary):
        if len(found) == most:
            raise Refusal(413, "too_many_images", f"more than {most} images")
        found.append(each or BadImage("empty", "0 bytes"))
    return found


def _elements(binary: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(binary):
        if at + LENGTH.size > len(binary):
            raise _wrong("elements with a length before each")
        (length,) = LENGTH.unpack_from(binary, at)
        at += LENGTH.size + length
        if at > len(binary):
            raise _wrong("elements as long as their lengths say")
        yield binary[at - length : at]


def _response(
    service: Service, message: dict[str, Any], answers: Sequence[FilmAnswer]
) -> dict[str, Any]:
    """Give the outputs that the request names, or all of them."""
    name, labels = named(service.model.manifest), service.model.labels
    rows = [row(each.prediction, labels) for each in answers]
    values: dict[str, list[Any]] = {
        LABEL: [each[0] or "" for each in rows],
        CONFIDENCE: [each[1] for each in rows],
        PROBABILITIES: [share for each in rows for share in each[2:-1]],
        REASON: [each[-1] or "" for each in rows],
        VERDICTS: [each.prediction.verdicts.get(label, "") for each in answers for label in labels],
    }
    known = outputs_of(service)
    wanted = _wanted(message, list(known))
    outputs = [
        {
            "name": each,
            "datatype": known[each],
            "shape": [len(rows), len(labels)] if each in WIDE else [len(rows)],
            "data": values[each],
        }
        for each in wanted
    ]
    answered: dict[str, Any] = {"model_name": name.name, "model_version": name.version}
    if isinstance(message.get("id"), str):
        answered["id"] = message["id"][:200]
    return {**answered, "outputs": outputs}


def _wanted(message: dict[str, Any], known: Sequence[str]) -> list[str]:
    outputs = message.get("outputs") or []
    if not isinstance(outputs, list):
        raise _wrong("outputs as a list")
    names = [each.get("name") if isinstance(each, dict) else None for each in outputs]
    if not all(isinstance(each, str) and each in known for each in names):
        raise _wrong(f"outputs from {', '.join(known)}")
    return [str(each) for each in names] or list(known)


def _wrong(expected: str) -> Refusal:
    return Refusal(400, "bad_tensor", f"expected {expected}")
