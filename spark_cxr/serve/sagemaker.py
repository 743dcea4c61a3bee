"""What SageMaker asks of a container: ping, invocations, execution parameters."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spark_cxr.serve.bodies import body_of, json_of
from spark_cxr.serve.frames import answer_rows, images_of_table
from spark_cxr.serve.images_sent import media_type, of_json
from spark_cxr.serve.predict import answer_images, json_response, parted, predict
from spark_cxr.serve.service import Service

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
        told = await parted(body, json_of)
        images = images_of_table(told, settings.max_images)
        if images is None:
            return await answer_images(service, request, of_json(told, settings.max_images))
        seen = await service.see(request, images)
    rows = answer_rows(seen, service.model.labels)
    return json_response({"predictions": rows})
