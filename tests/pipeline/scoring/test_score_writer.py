"""Who writes: a lease where the store knows no locks."""

import json
import time

import pytest

from spark_cxr.errors import OutputError
from spark_cxr.output import Output
from spark_cxr.pipeline.scoring import writer


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SETTLES_AFTER", 0.0)
    return Output(str(tmp_path))


def lease(table, age):
    told = {"id": "x", "who": "process 1 on night", "renewed": time.time() - age}
    table.write_json(writer.LEASE, told)


def test_a_lease_that_is_renewed_keeps_others_out(table):
    lease(table, age=5)
    with (
        pytest.raises(OutputError, match="held by process 1 on night"),
        writer._leased(table, wait=False),
    ):
        pass


def test_a_lease_that_was_not_renewed_is_taken_over_with_a_word(table, capsys):
    lease(table, age=writer.EXPIRES_AFTER + 1)
    with writer._leased(table, wait=False):
        assert json.loads(table.read_bytes(writer.LEASE))["id"] != "x"
    assert "lease of process 1 on night is 121 s old and is taken over" in capsys.readouterr().err


def test_a_lease_ends_with_its_run(table):
    with writer._leased(table, wait=False):
        assert table.read_bytes(writer.LEASE)
    assert table.read_bytes(writer.LEASE) is None


def test_a_lease_is_renewed_while_its_holder_works(table, monkeypatch):
    monkeypatch.setattr(writer, "RENEWED_EVERY", 0.01)
    with writer._leased(table, wait=False):
        first = json.loads(table.read_bytes(writer.LEASE))["renewed"]
        end = time.monotonic() + 20
        while json.loads(table.read_bytes(writer.LEASE))["renewed"] == first:
            assert time.monotonic() < end


def test_a_broken_lease_holds_nobody_up(table):
    table.write_text(writer.LEASE, "{half")
    with writer._leased(table, wait=False):
        assert table.read_bytes(writer.LEASE) != b"{half"
