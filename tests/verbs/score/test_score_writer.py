"""Who writes: the kernel says where it can, a lease where the store knows no locks."""

import json
import multiprocessing
import threading
import time

import pytest

from spark_cxr.backbones.cache import locked
from spark_cxr.console import lines_on_stderr
from spark_cxr.errors import OutputError
from spark_cxr.output import Output
from spark_cxr.output import only_writer as only_run
from spark_cxr.verbs.score import lease as writer
from spark_cxr.verbs.score.lease import only_writer

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SETTLES_AFTER", 0.0)
    monkeypatch.setattr(writer, "WATCHED_FOR", 0.05)
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
    with lines_on_stderr(), writer._leased(table, wait=False):
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


# Locks


def hold(folder, ready):
    """Hold all three kinds of locks until the process ends."""
    with locked(folder / "file"), only_run(str(folder)), only_writer(Output(str(folder)), False):
        ready.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    ready = SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(tmp_path, ready), daemon=True)
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_the_locks_of_a_process_fall_when_it_is_killed(tmp_path, holder):
    with pytest.raises(OutputError), only_run(str(tmp_path)):
        pass
    made = threading.Event()

    def make():
        with locked(tmp_path / "file"):
            made.set()

    waiting = threading.Thread(target=make, daemon=True)
    waiting.start()
    assert not made.wait(0.5)
    holder.kill()
    holder.join()
    assert made.wait(20)
    waiting.join()
    with only_run(str(tmp_path)), only_writer(Output(str(tmp_path)), wait=False):
        pass


def test_who_waits_says_for_whom_and_comes_next(tmp_path, holder, monkeypatch, capsys):
    monkeypatch.setattr(writer, "LOOKS_EVERY", 0.05)
    threading.Timer(0.5, holder.kill).start()
    with lines_on_stderr(), only_writer(Output(str(tmp_path)), wait=True):
        assert not holder.is_alive()
    assert f"waiting for process {holder.pid} on" in capsys.readouterr().err


def test_who_does_not_wait_is_told_who_writes_however_often_it_asks(tmp_path, holder):
    for _ in range(3):
        with (
            pytest.raises(OutputError, match=f"held by process {holder.pid} on"),
            only_writer(Output(str(tmp_path)), wait=False),
        ):
            pass


# Clocks that are wrong, and holders that come back


@pytest.mark.parametrize("age", [-7200.0, writer.EXPIRES_AFTER + 1])
def test_a_lease_that_looks_old_or_comes_from_the_future_is_left_alone_if_it_is_renewed(
    table, monkeypatch, age
):
    lease(table, age)
    monkeypatch.setattr(writer, "WATCHED_FOR", 0.5)
    threading.Timer(0.1, lease, (table, age - 20)).start()
    with (
        pytest.raises(OutputError, match="held by process 1 on night"),
        writer._leased(table, wait=False),
    ):
        pass


def test_a_lease_from_the_future_that_nobody_renews_is_taken_over(table):
    """Its holder was killed, and then the clock was set back."""
    lease(table, age=-7200)
    with writer._leased(table, wait=False):
        assert json.loads(table.read_bytes(writer.LEASE))["who"] != "process 1 on night"


def test_a_holder_that_lost_its_lease_leaves_it_to_the_other_and_commits_nothing(
    table, monkeypatch
):
    monkeypatch.setattr(writer, "is_here", lambda _: False)
    with writer._leased(table, wait=False, name="mine"):
        writer.check_writer(table, "mine")
        lease(table, age=0)  # while the store did not answer us, another run took over
        writer._renew(table, "mine")
        assert json.loads(table.read_bytes(writer.LEASE))["id"] == "x"
        with pytest.raises(OutputError, match="taken over by process 1 on night"):
            writer.check_writer(table, "mine")
    assert json.loads(table.read_bytes(writer.LEASE))["id"] == "x"
