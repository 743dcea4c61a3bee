"""What SageMaker asks of a container, and the tables that MLflow's clients send to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from spark_cxr.model.exchange import IMAGE, Value, from_text, kinds, row
from spark_cxr.model.manifest import Manifest
from spark_cxr.serve.batches import FilmAnswer
from spark_cxr.serve.bodies import Refusal, Sent, body_of, checked, json_of, media_type, of_json
from spark_cxr.serve.predict import answer_images, json_response, predict, read_body
from spark_cxr.serve.service import Service

SHAPES = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""As MLflow's scoring server names them; exactly one stands in a request."""


def images_of_table(value: Any, most: int) -> list[Sent] | None:
    """Find the images of a table, base64 in its column `image`; None where this is no table.

    Raises:
        Refusal: 400, the table has another form, or 413, too many rows.
    """
    named = [shape for shape in SHAPES if isinstance(value, dict) and shape in value]
    if not named:
        return None
    if len(named) > 1:
        raise _wrong(f"one of {', '.join(SHAPES)}, and no two")
    read = _split if named[0] == "dataframe_split" else _rows
    cells = read(value[named[0]])
    if len(cells) > most:
        raise Refusal(413, "too_many_images", f"{len(cells)} rows, at most {most} at once")
    return checked([from_text(each) for each in cells], most)


def _split(table: Any) -> list[Any]:
    """Read {"columns": […], "data": [[…], …]}."""
    if not isinstance(table, dict):
        raise _wrong("dataframe_split as an object")
    columns, data = table.get("columns"), table.get("data")
    if not isinstance(columns, list) or IMAGE not in columns or not isinstance(data, list):
        raise _wrong(f"columns with {IMAGE}, and data")
    at = columns.index(IMAGE)
    if not all(isinstance(each, list) and len(each) == len(columns) for each in data):
        raise _wrong("data as rows as long as columns")
    return [each[at] for each in data]


def _rows(table: Any) -> list[Any]:
    """Read rows as objects, images alone, or {"image": […]}."""
    if isinstance(table, dict):
        table = table.get(IMAGE)
    if isinstance(table, str):
        return [table]
    if not isinstance(table, list):
        raise _wrong(f"rows with {IMAGE}")
    return [_cell(each) for each in table]


def _cell(each: Any) -> Any:
    """Take the image out of a row: an object, a list of one, or the text itself."""
    if isinstance(each, dict):
        if IMAGE not in each:
            raise _wrong(f"{IMAGE} in each row")
        return each[IMAGE]
    return each[0] if isinstance(each, list) and len(each) == 1 else each


def _wrong(expected: str) -> Refusal:
    return Refusal(400, "bad_table", f"expected {expected}")


def answer_rows(films: Sequence[FilmAnswer], manifest: Manifest) -> list[dict[str, Value]]:
    """Give each image its row, as a model logged to MLflow does."""
    what = manifest.labels, manifest.has_verdicts
    columns = kinds(*what)
    return [dict(zip(columns, row(each.prediction, *what), strict=True)) for each in films]


MEGABYTE = 1 << 20


async def ping(_: Service, __: Request) -> Response:
    """Say that the container is well."""
    return Response(status_code=200, media_type="application/json", content=b"{}")


async def execution_parameters(service: Service, _: Request) -> Response:
    """Tell a batch transform how to send: one film a request, as many at once as may wait."""
    settings = service.settings
    return json_response(
        {
            "MaxConcurrentTransforms": min(100, settings.max_waiting),
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": max(1, min(100, settings.max_body_bytes // MEGABYTE)),
        }
    )


async def invocations(service: Service, request: Request) -> Response:
    """Answer SageMaker and MLflow, which have one address and differ in what they send.

    MLflow's JSON tables get `{"predictions": […]}` with a row each; all else is as for /predict.
    """
    settings = service.settings
    if media_type(request.headers.get("content-type", "")) != "application/json":
        return await predict(service, request)
    async with body_of(request, service.room, settings.max_body_bytes, settings.seconds) as body:
        value = await read_body(body, json_of)
        images = images_of_table(value, settings.max_images)
        if images is None:
            return await answer_images(service, request, of_json(value, settings.max_images))
        films = await service.see(request, images)
    rows = answer_rows(films, service.model.manifest)
    return json_response({"predictions": rows})
