"""The Lambda handler, asked as API Gateway asks; the template, by its own linter where it is."""

import base64
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import spark_cxr
from spark_cxr.phantoms import phantoms
from tests.serve.made_model import made_model

ROOT = Path(__file__).resolve().parents[2]
AWS = ROOT / "conf" / "aws"
FILM = next(iter(phantoms(1, seed=4, size=96, formats=("png",)))).data


@pytest.fixture(scope="module")
def lambda_(tmp_path_factory):
    """Import the handler with a model in its container."""
    spec = importlib.util.spec_from_file_location("aws_handler", AWS / "handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(module.MODEL, made_model(tmp_path_factory.mktemp("lambda") / "model"))
        module.model()
    return module


def encoded(data):
    return base64.b64encode(data).decode()


def rest_event(method, body=None, kind="image/png", is_coded=True):
    """Event of a REST API, format 1.0."""
    return {
        "resource": "/predict",
        "path": "/predict",
        "httpMethod": method,
        "headers": {"Content-Type": kind, "Host": "x.execute-api.eu-west-1.amazonaws.com"},
        "multiValueHeaders": {"Content-Type": [kind]},
        "queryStringParameters": None,
        "requestContext": {"resourcePath": "/predict", "httpMethod": method, "stage": "prod"},
        "body": body,
        "isBase64Encoded": is_coded,
    }


def http_event(method, body=None, kind="image/png", is_coded=True):
    """Event of an HTTP API or a function URL, format 2.0."""
    event = {
        "version": "2.0",
        "routeKey": f"{method} /predict",
        "rawPath": "/predict",
        "headers": {"content-type": kind},
        "requestContext": {"http": {"method": method, "path": "/predict"}, "stage": "$default"},
        "isBase64Encoded": is_coded,
    }
    return event if body is None else {**event, "body": body}


@pytest.mark.parametrize("event", [rest_event, http_event])
def test_a_film_is_answered_as_the_model_answers(lambda_, event):
    answer = lambda_.handler(event("POST", encoded(FILM)))
    said = json.loads(answer["body"])
    (expected,) = lambda_.model().predict(FILM)
    assert answer["statusCode"] == 200
    assert said.get("label", "") == expected.label
    assert said.get("probabilities", {}) == pytest.approx(dict(expected.probabilities))
    assert said["model"] == lambda_.model().manifest.identity
    assert "Not for diagnosis" in said["notice"]


@pytest.mark.parametrize("event", [rest_event, http_event])
def test_json_may_hold_the_film(lambda_, event):
    body = json.dumps({"image": encoded(FILM)})
    kind = "application/json; charset=utf-8"
    plain = lambda_.handler(event("POST", body, kind, is_coded=False))
    coded = lambda_.handler(event("POST", encoded(body.encode()), kind))
    assert plain == coded == lambda_.handler(event("POST", encoded(FILM)))


@pytest.mark.parametrize("event", [rest_event, http_event])
@pytest.mark.parametrize(
    ("body", "kind", "is_coded", "status"),
    [
        (encoded(b"no film at all"), "image/png", True, 422),
        (encoded(FILM[:200]), "image/png", True, 422),
        (None, "image/png", True, 400),
        ("?" * 7, "image/png", True, 400),
        ("\x89PNG", "image/png", False, 400),
        ("{", "application/json", False, 400),
        ("[]", "application/json", False, 400),
        ('{"image": 3}', "application/json", False, 400),
        ('{"image": "?"}', "application/json", False, 400),
    ],
)
def test_what_is_no_film_has_a_reason_and_no_class(lambda_, event, body, kind, is_coded, status):
    answer = lambda_.handler(event("POST", body, kind, is_coded))
    said = json.loads(answer["body"])
    assert answer["statusCode"] == status
    assert said["reason"]
    assert not {"label", "probabilities", "confidence"} & set(said)


def test_get_says_which_model_answers_and_other_methods_are_refused(lambda_):
    answer = lambda_.handler(http_event("GET"))
    assert json.loads(answer["body"]) == {
        "status": "ok",
        "model": lambda_.model().manifest.identity,
    }
    assert lambda_.handler(rest_event("DELETE"))["statusCode"] == 405
    assert lambda_.handler({})["statusCode"] == 405


def test_the_image_has_the_handler_and_the_model_where_the_handler_looks():
    docker = (AWS / "Dockerfile").read_text()
    assert 'CMD ["handler.handler"]' in docker
    assert "SPARK_CXR_MODEL=/opt/ml/model" in docker
    assert f"spark-cxr=={spark_cxr.__version__}" not in docker  # it is built from the checkout


class _Tags(yaml.SafeLoader):
    """YAML with CloudFormation's short tags."""


_Tags.add_multi_constructor("!", lambda loader, tag, node: (tag, node.value))


def test_the_template_is_closed_by_default():
    found = yaml.load((AWS / "template.yaml").read_text(), _Tags)
    api = found["Resources"]["Api"]["Properties"]
    assert api["Auth"]["DefaultAuthorizer"] == "AWS_IAM"
    assert found["Parameters"]["AllowOrigin"]["Default"] == ""


def test_the_template_is_what_cloudformation_takes():
    linter = shutil.which("cfn-lint")
    if linter is None:
        pytest.skip("cfn-lint is not installed: pip install cfn-lint")
    done = subprocess.run([linter, AWS / "template.yaml"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
