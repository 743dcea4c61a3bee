"""What SageMaker, MLflow and Open Inference clients send, and what they look for in an answer."""

import base64
import json
import struct
from dataclasses import replace
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from running import until

from spark_cxr.backbones.engines import load
from spark_cxr.config import defaults
from spark_cxr.model import load_model
from spark_cxr.model.manifest import Origin
from spark_cxr.model.pyfunc import PyfuncModel
from spark_cxr.serve.guard import Gauges
from spark_cxr.serve.predict import card_of
from tests.quick import fake_plan
from tests.serve.made_model import made_model

JSON = {"Content_Type": "application/json"}


def as_text(content):
    return base64.b64encode(content).decode("ascii")


@pytest.fixture
def name(model):
    return model.manifest.name


# SageMaker


def test_ping_says_well(server):
    assert server.ask("GET", "/ping")[0] == 200


def test_execution_parameters_are_those_of_a_batch_transform(server):
    status, told = server.told("GET", "/execution-parameters")
    assert status == 200
    assert told == {
        "MaxConcurrentTransforms": 64,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": 64,
    }


@pytest.mark.parametrize(
    "media_type", ["image/png", "application/x-image", "application/octet-stream"]
)
def test_invocations_take_a_film_as_predict_does(server, drawn, media_type):
    status, told = server.told("POST", "/invocations", drawn["png"], Content_Type=media_type)
    assert status == 200
    assert told["predictions"] == server.predict(drawn["png"])[1]["predictions"]


def test_invocations_take_the_json_of_predict(server, drawn):
    body = json.dumps({"image": as_text(drawn["png"])})
    status, told = server.told("POST", "/invocations?film=1", body, **JSON)
    assert (status, "film_png" in told["predictions"][0]) == (200, True)


# MLflow


def tables(images):
    return {
        "split": {
            "dataframe_split": {
                "columns": ["id", "image"],
                "data": [[n, i] for n, i in enumerate(images)],
            }
        },
        "split with index": {
            "dataframe_split": {
                "index": [4, 5],
                "columns": ["image"],
                "data": [[i] for i in images],
            }
        },
        "records": {"dataframe_records": [{"image": i, "id": 1} for i in images]},
        "instances": {"instances": [{"image": i} for i in images]},
        "instances, bare": {"instances": images},
        "instances, lists": {"instances": [[i] for i in images]},
        "inputs": {"inputs": {"image": images}},
        "inputs, bare": {"inputs": images},
    }


@pytest.mark.parametrize("shape", list(tables(["", ""])))
def test_a_table_gets_the_rows_of_the_model_that_mlflow_logs(server, model, drawn, shape):
    import pandas as pd

    images = [as_text(drawn["png"]), as_text(b"no film")]
    status, told = server.told("POST", "/invocations", json.dumps(tables(images)[shape]), **JSON)
    expected = PyfuncModel(model).predict(pd.DataFrame({"image": images}))
    assert status == 200
    assert told == {"predictions": expected.to_dict(orient="records")}


@pytest.mark.parametrize(
    "table",
    [
        {"dataframe_split": {"columns": ["picture"], "data": [["a"]]}},
        {"dataframe_split": {"columns": ["image"], "data": [["a", "b"]]}},
        {"dataframe_split": {"columns": ["image"], "data": "a"}},
        {"dataframe_split": []},
        {"dataframe_records": [{"picture": "a"}]},
        {"dataframe_records": 7},
        {"inputs": {"picture": ["a"]}},
        {"instances": ["a"], "inputs": ["a"]},
    ],
)
def test_a_table_of_another_form_is_a_bad_request_in_mlflows_words(server, table):
    status, told = server.told("POST", "/invocations", json.dumps(table), **JSON)
    assert (status, told["error_code"]) == (400, "BAD_REQUEST")
    assert told["message"].startswith("bad_table: expected ")


def test_a_server_reads_no_file_that_a_table_names(server, tmp_path, drawn):
    path = tmp_path / "film.png"
    path.write_bytes(drawn["png"])
    _, told = server.told("POST", "/invocations", json.dumps({"inputs": [str(path)]}), **JSON)
    assert told["predictions"][0]["reason"].startswith("not_an_image")


def test_a_table_that_is_too_long_is_refused(server):
    body = json.dumps({"instances": ["aaaa"] * 33})
    status, told = server.told("POST", "/invocations", body, **JSON)
    assert (status, told["reason"]) == (413, "too_many_images")


# Open Inference


def tensor(images, **changes):
    data = [as_text(image) for image in images]
    one = {"name": "image", "datatype": "BYTES", "shape": [len(images)], "data": data}
    return {"id": "42", "inputs": [one | changes]}


def infer(server, name, request, **headers):
    return server.told("POST", f"/v2/models/{name}/infer", json.dumps(request), **headers)


def values(told, output):
    return next(each for each in told["outputs"] if each["name"] == output)["data"]


def test_metadata_names_inputs_outputs_and_labels(server, name, model):
    status, told = server.told("GET", f"/v2/models/{name}")
    assert status == 200
    assert told["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert [each["name"] for each in told["outputs"]] == [
        "label",
        "confidence",
        "probabilities",
        "reason",
    ]
    assert told["parameters"]["labels"].split(",") == list(model.labels)


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/health/ready"])
def test_server_is_live_and_ready(server, path):
    assert server.ask("GET", path)[0] == 200


def test_model_is_ready_by_name_and_version(server, name):
    version = server.told("GET", f"/v2/models/{name}")[1]["versions"][0]
    for end in ("", f"/versions/{version}"):
        assert server.told("GET", f"/v2/models/{name}{end}/ready")[1]["ready"] is True


@pytest.mark.parametrize("path", ["none", "{name}/versions/7"])
def test_another_model_or_version_is_not_found(server, name, path):
    status, told = server.told("GET", f"/v2/models/{path.format(name=name)}")
    assert (status, told["error"].split(":")[0]) == (404, "unknown_model")


def test_tensor_in_json_gets_the_answers_of_the_model(server, model, name, drawn):
    contents = [drawn["png"], b"no film", drawn["dicom"]]
    status, told = infer(server, name, tensor(contents))
    expected = model.predict(contents)
    assert (status, told["id"], told["model_name"]) == (200, "42", name)
    assert values(told, "label") == [each.label for each in expected]
    shares = [each.probabilities.get(label) for each in expected for label in model.labels]
    assert values(told, "probabilities") == shares
    assert [bool(reason) for reason in values(told, "reason")] == [False, True, False]


def test_what_is_no_xray_has_no_numbers_in_any_protocol(server, model, name, photo):
    _, told = infer(server, name, tensor([photo]))
    assert (values(told, "label"), values(told, "confidence")) == ([""], [None])
    assert values(told, "probabilities") == [None] * len(model.labels)
    assert values(told, "reason")[0].startswith("not_an_xray")
    body = json.dumps({"instances": [as_text(photo)]})
    (row,) = server.told("POST", "/invocations", body, **JSON)[1]["predictions"]
    assert row.pop("reason").startswith("not_an_xray")
    assert set(row.values()) == {None}


def test_only_the_outputs_that_are_asked_for_come(server, name, drawn):
    request = tensor([drawn["png"]]) | {"outputs": [{"name": "confidence"}]}
    assert [each["name"] for each in infer(server, name, request)[1]["outputs"]] == ["confidence"]


def test_raw_tensors_behind_the_json_are_read(server, model, name, drawn):
    contents = [drawn["png"], drawn["jpeg"]]
    raw = b"".join(struct.pack("<I", len(each)) + each for each in contents)
    one = {"name": "image", "datatype": "BYTES", "shape": [2, 1]}
    header = json.dumps({"inputs": [one | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
    status, told = server.told(
        "POST",
        f"/v2/models/{name}/infer",
        header + raw,
        Inference_Header_Content_Length=str(len(header)),
    )
    assert status == 200
    assert values(told, "confidence") == [each.confidence for each in model.predict(contents)]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        [],
        {"inputs": []},
        {"inputs": [7]},
        tensor([b"a"], name="picture"),
        tensor([b"a"], datatype="UINT8"),
        tensor([b"a"], shape=[2]),
        tensor([b"a"], shape="1"),
        tensor([b"a"], data="a"),
        tensor([b"a"], data=[7]),
        tensor([b"a"], parameters={"binary_data_size": 3}),
        tensor([b"a"], parameters={"binary_data_size": "x"}),
        tensor([b"a"]) | {"outputs": [{"name": "logits"}]},
        tensor([b"a"]) | {"outputs": 7},
        tensor([]),
    ],
)
def test_a_tensor_of_another_form_is_refused_in_the_words_of_the_protocol(server, name, request_):
    status, told = infer(server, name, request_)
    assert (status, list(told)) == (400, ["error"])


@pytest.mark.parametrize("half", [b'"\\ud800"', b'"\\uDC00 \\ud83d"', b'"\xed\xa0\x80"', b'"\xff"'])
def test_halves_of_letters_are_no_json(server, name, drawn, half):
    body = json.dumps(tensor([drawn["png"]]) | {"id": "ID"}).encode().replace(b'"ID"', half)
    status, told = server.told("POST", f"/v2/models/{name}/infer", body, **JSON)
    assert (status, told["error"].split(":")[0]) == (400, "bad_json")


@pytest.mark.parametrize("id_", ["\U0001f600", "\u00e4", "42"])
def test_whole_letters_come_back_as_they_were(server, name, drawn, id_):
    for is_ascii in (True, False):
        body = json.dumps(tensor([drawn["png"]]) | {"id": id_}, ensure_ascii=is_ascii)
        told = server.told("POST", f"/v2/models/{name}/infer", body.encode(), **JSON)[1]
        assert told["id"] == id_


@pytest.mark.parametrize("raw", [b"\1", b"\5\0\0\0abc", struct.pack("<I", 2**32 - 1)])
def test_raw_elements_that_lie_about_their_length_are_refused(server, name, raw):
    one = {"name": "image", "datatype": "BYTES", "shape": [1]}
    header = json.dumps({"inputs": [one | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
    named = {"Inference_Header_Content_Length": str(len(header))}
    status, told = server.told("POST", f"/v2/models/{name}/infer", header + raw, **named)
    assert (status, list(told)) == (400, ["error"])


# Prometheus, documents, card


def test_metrics_are_text_that_counts_what_was_asked(server, drawn):
    def count():
        text = server.ask("GET", "/metrics")[2].decode()
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(lines.get('spark_cxr_requests_total{route="/predict",status="200"}', 0))

    before = count()
    server.predict(drawn["png"])
    until(lambda: count() == before + 1)


def test_every_line_of_the_metrics_has_the_form_that_prometheus_reads(server):
    server.ask("GET", "/health")
    text = server.ask("GET", "/metrics")[2].decode()
    families = {family.name for family in text_string_to_metric_families(text)}
    kinds = "requests films request_seconds step_films model_info uptime_seconds memory_bytes"
    kinds += " waiting_films held_bytes"
    assert {f"spark_cxr_{kind}" for kind in kinds.split()} <= families


def test_two_servers_of_a_process_count_apart():
    one, other = Gauges({"name": "a", "version": "1"}), Gauges({"name": "b", "version": "2"})
    one.answered("/predict", 200, 0.1)
    one.answered("/health", 404, 0.1)
    assert (one.requests, other.requests) == (2, 0)
    assert b'spark_cxr_model_info{name="b",version="2"} 1.0' in other.text()


def test_document_describes_every_route_and_every_refusal_by_its_form(server):
    from spark_cxr.serve.app import ROUTES

    _, told = server.told("GET", "/openapi.json")
    assert {(path, method.upper()) for path, each in told["paths"].items() for method in each} == {
        (route.path, route.method) for route in ROUTES
    }
    predict = told["paths"]["/predict"]["post"]
    assert set(predict["requestBody"]["content"]) >= {"image/png", "application/dicom"}
    assert predict["responses"]["503"]["content"]["application/json"]


def test_card_tells_what_the_model_is_made_of(server, model):
    _, told = server.told("GET", "/model")
    assert told["labels"] == list(model.labels)
    assert (told["backbone"], told["engine"]["engine"]) == ("fake", "fake")
    assert told["notice"] == "Research use only. Not for diagnosis."
    assert told["caveat"].startswith("The features come from the fake engine")


def test_card_of_a_network_has_the_caveat_of_its_weights(model_dir, tmp_path):
    weights = Origin("random", "00", "none needed", "", "This network has learned nothing")
    made = made_model(tmp_path / "model", weights=weights)
    service = SimpleNamespace(
        model=load_model(made), settings=defaults().serve, engine=load(fake_plan())
    )
    service.model = replace(
        service.model, manifest=replace(service.model.manifest, backbone="ResNet50")
    )
    assert card_of(service)["caveat"] == weights.caveat


@pytest.mark.slow
def test_mlflows_own_client_is_told_what_the_model_says(server, model, drawn):
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient("127.0.0.1", server.port)
    client.wait_server_ready(timeout=20)
    table = pd.DataFrame({"image": [as_text(drawn["png"]), as_text(drawn["dicom"])]})
    told = client.invoke(table).get_predictions()
    expected = model.predict([drawn["png"], drawn["dicom"]])
    assert told["label"].tolist() == [each.label for each in expected]
    for label in model.labels:
        shares = [each.probabilities[label] for each in expected]
        assert told[f"probability_{label}"].tolist() == pytest.approx(shares, abs=1e-12)
