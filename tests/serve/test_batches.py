"""The queue: films gather under load, wait for nobody alone, and one that fails hurts no other."""

import sys
import threading
import time
from concurrent.futures import wait

import numpy as np
import pytest

from spark_cxr.backbones.engines.plan import Used
from spark_cxr.errors import BadImage
from spark_cxr.model.predictor import Picture, Prediction
from spark_cxr.serve.batches import Batcher, FileFacts, ReadFilm
from spark_cxr.serve.bodies import Refusal

FULL = 4


class Engine:
    """Notes how many films each run has; may be held, and may fail."""

    used = Used("made up", "cpu", "f32", 1, FULL)

    def __init__(self):
        self.runs, self.may_run, self.error = [], threading.Event(), None
        self.may_run.set()

    def features(self, batch):
        self.runs.append(len(batch))
        assert self.may_run.wait(20)
        if self.error:
            raise self.error
        return batch[:, 0, 0, :1].astype(np.float32)


class Judge:
    def predict(self, vector, picture):
        return Prediction(label=str(int(vector[0])))


def read_film(content, shows, explains, seconds):
    if content == b"bad":
        return BadImage("empty", "")
    if content == b"boom":
        raise RuntimeError("patient's name")
    pixels = np.full((1, 1, 3), content[0], np.uint8)
    return ReadFilm(Picture(), pixels, FileFacts("png", 1, 1, 8, None))


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def batcher(engine):
    made = Batcher(read_film, engine, Judge(), threads=2, most=8)
    yield made
    engine.may_run.set()
    made.close()


def labels(answers):
    return [answer.result(20).prediction.label for answer in answers]


def test_each_film_gets_its_own_answer(batcher):
    assert labels(batcher.submit([bytes([n]) for n in (7, 3, 5)])) == ["7", "3", "5"]


def test_films_that_come_while_the_network_runs_gather_into_full_steps(batcher, engine):
    engine.may_run.clear()
    first = batcher.submit([b"\1"])
    while not engine.runs:
        pass
    later = [batcher.submit([bytes([n])])[0] for n in range(2, 8)]
    while len(batcher._ready) < 6:
        pass
    engine.may_run.set()
    assert labels([*first, *later]) == ["1", "2", "3", "4", "5", "6", "7"]
    assert engine.runs == [1, FULL, 2]


def test_a_full_queue_refuses_all_of_a_request_and_takes_one_that_fits(batcher, engine):
    engine.may_run.clear()
    held = batcher.submit([b"\1"] * 6)
    with pytest.raises(Refusal, match="busy") as caught:
        batcher.submit([b"\2"] * 3)
    assert (caught.value.status, caught.value.headers["retry-after"]) == (503, "1")
    held += batcher.submit([b"\2"] * 2)
    engine.may_run.set()
    assert labels(held) == ["1"] * 6 + ["2"] * 2
    assert batcher.waiting == 0


def test_a_bad_image_is_answered_without_the_network(batcher, engine):
    (answer,) = batcher.submit([b"bad"])
    assert answer.result(20).prediction.bad.reason == "empty"
    assert engine.runs == []


def test_a_failing_decoder_fails_its_own_film_only(batcher):
    good, boom = batcher.submit([b"\4", b"boom"])
    with pytest.raises(RuntimeError):
        boom.result(20)
    assert labels([good]) == ["4"]
    assert batcher.waiting == 0


def test_a_failing_network_fails_its_step_and_serves_the_next(batcher, engine):
    engine.error = RuntimeError("out of order")
    (broken,) = batcher.submit([b"\1"])
    with pytest.raises(RuntimeError):
        broken.result(20)
    engine.error = None
    assert labels(batcher.submit([b"\2"])) == ["2"]


def test_films_of_a_client_that_has_gone_leave_the_queue_unseen(batcher, engine):
    engine.may_run.clear()
    first = batcher.submit([b"\1"])
    while not engine.runs:
        pass
    gone = batcher.submit([b"\2"] * 3)
    assert all(answer.cancel() for answer in gone)
    assert batcher.waiting == 1
    engine.may_run.set()
    assert labels([*first, *batcher.submit([b"\3"])]) == ["1", "3"]
    assert sum(engine.runs) == 2


@pytest.fixture
def slow():
    """Decode as above; what begins with "slow" waits until it may go on."""
    may_go_on, begun = threading.Event(), []

    def read(content, shows, explains, seconds):
        if content.startswith(b"slow"):
            begun.append((content, seconds))
            may_go_on.wait(20)
            return BadImage("corrupt", "")
        return read_film(content, shows, explains, seconds)

    read.may_go_on, read.begun = may_go_on, begun
    yield read
    may_go_on.set()


def two_lanes(slow, engine, **more):
    apart = {"is_harmless": lambda content: not content.startswith(b"slow")}
    return Batcher(slow, engine, Judge(), threads=2, most=4, **(apart | more))


def test_films_that_take_long_hold_up_no_others(slow, engine):
    batcher = two_lanes(slow, engine)
    late = batcher.submit([b"slow"] * 4)
    for number in range(20):
        assert labels(batcher.submit([bytes([number])] * 4)) == [str(number)] * 4
    assert not any(answer.done() for answer in late)
    assert batcher.waiting == 4


def test_each_lane_has_room_of_its_own(slow, engine):
    batcher = two_lanes(slow, engine)
    batcher.submit([b"slow"] * 4)
    with pytest.raises(Refusal, match="busy"):
        batcher.submit([b"slow"])
    with pytest.raises(Refusal, match="busy"):
        batcher.submit([b"\1", b"slow"])
    assert batcher.waiting == 4
    assert labels(batcher.submit([b"\1"] * 4)) == ["1"] * 4


def test_the_network_does_not_wait_for_films_that_take_long(slow, engine):
    batcher = two_lanes(slow, engine)
    batcher.submit([b"slow"] * 2)
    assert batcher._coming == 0


def test_a_decoder_is_given_most_of_the_seconds_that_are_left(slow, engine):
    batcher = two_lanes(slow, engine, seconds=5.0)
    batcher.submit([b"slow"])
    while not slow.begun:
        pass
    assert 3.0 < slow.begun[0][1] <= 4.0


def test_nothing_of_who_has_gone_stays_in_the_queue(slow, engine):
    batcher = two_lanes(slow, engine)
    queued = batcher.submit([b"slow 1", b"slow 2"])
    while len(slow.begun) < 2:
        pass
    gone = b"slow" + bytes(1000)
    before = sys.getrefcount(gone)
    for _ in range(10):
        for answer in batcher.submit([gone, gone]):
            answer.cancel()
    assert sys.getrefcount(gone) == before
    slow.may_go_on.set()
    assert all(answer.result(20).prediction.bad for answer in queued)
    assert len(slow.begun) == 2


def test_a_decoder_that_does_not_end_keeps_no_server_from_ending(slow, engine):
    batcher = two_lanes(slow, engine)
    batcher.submit([b"slow"] * 4)
    began = time.monotonic()
    batcher.close(0.2)
    assert time.monotonic() - began < 10
    assert not slow.may_go_on.is_set()


def test_a_queue_that_is_dropped_is_read_no_further(slow, engine):
    batcher = two_lanes(slow, engine)
    queued = batcher.submit([b"slow"] * 4)
    while len(slow.begun) < 2:
        pass
    batcher.drop()
    slow.may_go_on.set()
    assert [answer.result(20).prediction.bad.reason for answer in queued[:2]] == ["corrupt"] * 2
    for answer in queued[2:]:
        with pytest.raises(Refusal, match="stopping"):
            answer.result(20)
    assert len(slow.begun) == 2


def test_closing_answers_what_is_queued_and_takes_nothing_more(engine):
    batcher = Batcher(read_film, engine, Judge(), threads=1, most=8)
    queued = batcher.submit([b"\1"] * 8)
    batcher.close()
    assert all(answer.done() for answer in wait(queued, 0).done)
    assert labels(queued) == ["1"] * 8
    with pytest.raises(Refusal):
        batcher.submit([b"\1"])
