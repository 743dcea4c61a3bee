"""Whatever is sent, the server answers with a status of its own, and answers the next one."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest
from hostile import (
    CLOSED,
    GOOD_STATUSES,
    Bystander,
    attack,
    bombs,
    dawdle,
    many_scans,
    requests,
)
from running import running, until

from spark_cxr.serve.guard import memory_bytes
from tests.images.bombs import BOMBS

MANY, VERY_MANY = 300, 5_000
GROWTH = 60 * 2**20
"""Bytes that an allocator may keep for itself."""


def test_no_broken_body_gets_a_failure_or_no_answer(model_dir, model, drawn):
    with running(model_dir, seconds=2.0) as server:
        name = model.manifest.name
        films = [drawn["png"], drawn["jpeg"]]
        good = Bystander(server.port, films, [each.probabilities for each in model.predict(films)])

        async def besiege():
            return await asyncio.gather(
                attack(server.port, requests(name, 1, MANY)), good.ask(20, 0.1)
            )

        found, _ = asyncio.run(besiege())
        assert set(good.statuses) <= {200, 503} and good.statuses[200] == 20
        assert good.furthest < 1e-6
        assert set(found) - GOOD_STATUSES <= {CLOSED}
        assert found[200] > MANY / 10 and found[415] + found[422] > MANY / 10
        assert found[CLOSED] < MANY / 10
        until(lambda: server.service.batcher.waiting == 0 and server.service.room.held == 0)
        assert server.predict(drawn["png"])[0] == 200
        assert not [line for line in server.log if line.startswith("id=")]


@pytest.mark.parametrize("number", range(len(bombs())))
def test_a_bomb_is_refused_with_a_reason_and_without_its_memory(server, number):
    before = memory_bytes()
    status, told = server.predict(bombs()[number])
    assert 400 <= status < 500 or told["predictions"]
    assert memory_bytes() - before < 3 * GROWTH


def test_files_that_take_long_hold_up_no_good_film(model_dir, drawn):
    """Two fill every thread that decodes them; good films are answered all the while."""
    bomb, found = many_scans(), []
    with running(model_dir, seconds=4.0) as server:
        clients = [Thread(target=lambda: found.append(server.predict(bomb))) for _ in range(4)]
        for client in clients:
            client.start()
        until(lambda: server.service.batcher.waiting >= 2)
        for kind in ("png", "jpeg") * 10:
            assert server.predict(drawn[kind])[0] == 200
        assert not found, "the films were not beside the bombs"
        for client in clients:
            client.join(30)
        assert {status for status, _ in found} <= {200, 422, 503}
        until(lambda: server.service.batcher.waiting == 0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux's /proc")
def test_five_thousand_broken_bodies_leave_a_server_as_it_was(model_dir, model, drawn):
    command = [sys.executable, "-c", "from spark_cxr.cli import main; main()", "serve"]
    command += ["--model", model_dir, "--port", "0", "--seconds", "3"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        port = int(re.search(r":(\d+)/ is ready", server.stderr.readline())[1])
        lines = Drained(server.stderr)
        asyncio.run(attack(port, requests(model.manifest.name, 2, 500)))
        before = resident(server.pid)
        found = asyncio.run(attack(port, requests(model.manifest.name, 3, VERY_MANY)))
        after = resident(server.pid)
        assert set(found) - GOOD_STATUSES <= {CLOSED}
        assert sum(found.values()) == VERY_MANY
        assert after - before < GROWTH
        with urlopen(Request(f"http://127.0.0.1:{port}/predict", drawn["png"]), timeout=30) as told:
            assert told.status == 200
        assert threads(server.pid) < 40 and open_files(server.pid) < 60
        assert not [line for line in lines.read() if line.startswith("id=")]
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        lines.close()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, and 127.0.0.2")
def test_good_films_are_answered_beside_ten_thousand_hostile_requests(model_dir, model, drawn):
    """Broken bodies, bombs, and clients that keep up to 300 connections from ending."""
    films = [drawn["png"], drawn["jpeg"], drawn["dicom"]]
    expected = [each.probabilities for each in model.predict(films)]
    command = [sys.executable, "-c", "from spark_cxr.cli import main; main()", "serve"]
    command += ["--model", model_dir, "--port", "0", "--seconds", "5"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        port = int(re.search(r":(\d+)/ is ready", server.stderr.readline())[1])
        lines, good, idle = Drained(server.stderr), Bystander(port, films, expected), used(server)
        hostile = requests(model.manifest.name, 4, 2 * VERY_MANY, decoder_bombs())
        found, peak, most = asyncio.run(besieged(server, port, hostile, good, 500))
        assert set(found) - GOOD_STATUSES <= {CLOSED}
        assert sum(found.values()) == 2 * VERY_MANY
        slow = sorted(good.seconds)[-5:]
        print(f"slowest {slow}, files {most}, MB {(peak - idle) >> 20}", found, good.statuses)
        assert good.statuses[200] == 500 and set(good.statuses) <= {200, 503}
        assert good.statuses[503] < 10 and good.furthest < 1e-6
        assert most <= 4 * 128 + 64 and peak - idle < 1.5 * 2**30
        until(lambda: open_files(server.pid) < 60)
        assert not [line for line in lines.read() if line.startswith("id=")]
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        lines.close()
    finally:
        server.kill()


def decoder_bombs():
    return [make() for name, make in BOMBS.items() if name not in ("tiff tags", "dicom window")]


async def besieged(server, port, hostile, good, many):
    """Attack a server while good films come; give statuses, peak of memory, most open files."""
    peaks = []

    async def watch():
        while True:
            peaks.append((used(server), open_files(server.pid)))
            await asyncio.sleep(0.1)

    beside = [asyncio.create_task(dawdle(port, number)) for number in range(300)]
    beside.append(asyncio.create_task(watch()))
    attacking = asyncio.create_task(attack(port, hostile, clients=16))
    await good.ask(many, 0.2)
    found = await attacking
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    return found, max(memory for memory, _ in peaks), max(files for _, files in peaks)


def used(server):
    """Measure the memory of a server and of its children."""
    return sum(resident(pid) for pid in (server.pid, *children(server.pid)))


def children(pid):
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


class Drained:
    """Reads a pipe in a thread, so that the server never waits for its log."""

    def __init__(self, pipe):
        self._lines, self._pipe = [], pipe
        self._thread = Thread(target=lambda: self._lines.extend(pipe), daemon=True)
        self._thread.start()

    def read(self):
        return list(self._lines)

    def close(self):
        self._thread.join(30)
        self._pipe.close()


def resident(pid):
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:  # it has just ended
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
