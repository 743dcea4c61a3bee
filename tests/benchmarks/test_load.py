"""`spark-cxr load`: what it sends is answered, what it says is so, what it needs is named."""

import json
import socket

import pytest

from benchmarks.load import limit_of
from spark_cxr.cli import LOAD
from tests.serve.running import running

TOKEN = "0123456789abcdef0123"


@pytest.fixture
def folder(tmp_path, drawn):
    for kind, name in (("png", "a.png"), ("dicom", "b.dcm")):
        (tmp_path / name).write_bytes(drawn[kind])
    (tmp_path / "notes.txt").write_text("no film")
    return str(tmp_path)


def test_each_round_tells_rate_and_times_of_its_clients(server, folder, model_dir, capsys):
    words = ["--url", server.url, "--images", folder, "--clients", "1,4", "--seconds", "0.3"]
    assert LOAD.exit_code([*words, "--model", model_dir]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [each["clients"] for each in told["rounds"]] == [1, 4]
    for each in told["rounds"]:
        assert list(each["statuses"]) == ["200"]
        assert 0 < each["p50_ms"] <= each["p99_ms"]
        assert 0 < each["per_second"] <= each["statuses"]["200"] / 0.3
    assert told["share_of_limit"] > 0


def test_the_token_is_sent_along(model_dir, folder, tmp_path, capsys):
    (tmp_path / "token").write_text(TOKEN)
    with running(model_dir, TOKEN) as closed:
        words = ["--url", closed.url, "--images", folder, "--clients", "2", "--seconds", "0.2"]
        assert LOAD.exit_code([*words, "--token-file", str(tmp_path / "token")]) == 0
    assert '"200"' in capsys.readouterr().out


def test_limit_is_a_rate_of_films(model_dir, drawn):
    assert limit_of(model_dir, [drawn["png"]] * 9) > 1


def refusal(capsys, *words):
    assert LOAD.exit_code(words) == 2
    return capsys.readouterr().err


def test_no_films_are_refused(capsys, tmp_path):
    assert "Expected films in --images." in refusal(capsys, "--images", str(tmp_path))


@pytest.mark.parametrize("clients", ["none", "0", "-1", "1,x", "901"])
def test_no_number_of_clients_is_refused(capsys, folder, clients):
    told = refusal(capsys, "--images", folder, f"--clients={clients}")
    assert "Expected --clients as numbers up to 900" in told


@pytest.mark.parametrize("url", ["https://a/", "127.0.0.1:8080", "ftp://a"])
def test_an_address_of_another_kind_is_refused(capsys, folder, url):
    assert "Expected --url as http://HOST:PORT." in refusal(
        capsys, "--images", folder, "--url", url
    )


def test_where_nobody_serves_the_way_out_is_named(capsys, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = refusal(capsys, "--images", folder, "--url", f"http://127.0.0.1:{port}")
    assert told.endswith("Start one: spark-cxr serve --model M.\n")
