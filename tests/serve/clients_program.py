"""Ask a server with other people's clients: Triton's, and one made from the protocol's document.

Runs in an environment of its own (`make test-clients`). Prints what each was told, as JSON.
"""

import base64
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np


def by_triton(address, name, film, is_binary):
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

    client = InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name)
    metadata = client.get_model_metadata(name)
    content = film if is_binary else base64.b64encode(film)
    tensor = InferInput("image", [1], metadata["inputs"][0]["datatype"])
    tensor.set_data_from_numpy(np.array([content], dtype=np.object_), binary_data=is_binary)
    outputs = [
        InferRequestedOutput(each, binary_data=is_binary) for each in ("label", "probabilities")
    ]
    told = client.infer(name, [tensor], outputs=outputs)
    label = told.as_numpy("label")[0]
    label = label.decode() if isinstance(label, bytes) else label
    return {"label": label, "probabilities": told.as_numpy("probabilities").ravel().tolist()}


def by_open_inference(url, name, film):
    from open_inference.openapi.client import InferenceRequest, OpenInferenceClient

    client = OpenInferenceClient(base_url=url)
    client.check_server_readiness()
    data = [base64.b64encode(film).decode()]
    one = {"name": "image", "shape": [1], "datatype": "BYTES", "data": data}
    told = client.model_infer(name, request=InferenceRequest(inputs=[one]))
    outputs = {each["name"]: each["data"] for each in json.loads(told.json())["outputs"]}
    return {"label": outputs["label"][0], "probabilities": outputs["probabilities"]}


def main(url, name, path):
    film, address = Path(path).read_bytes(), urlsplit(url).netloc
    told = {
        "triton, raw tensors": by_triton(address, name, film, True),
        "triton, JSON": by_triton(address, name, film, False),
        "open inference": by_open_inference(url, name, film),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
