"""The thread, around an engine that waits to be let go."""

import threading
import time
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from dreamzero_policy.inference.worker import Worker
from dreamzero_policy.sampling.cancellation import CancelledError

WAIT = 5.0


class Chunk(str):
    """What a call gives."""

    stages = MappingProxyType({"denoise": 0.25, "total": 0.5})


class Decoding:
    """A prediction, decoded once told so."""

    stamps_ns = np.arange(8)

    def __init__(self, inference, decoded):
        self._inference, self.ready = inference, decoded.is_set

    def frames(self):
        return self._inference


class Engine:
    """Answers when told to, and looks between two evaluations; knows what it was asked."""

    def __init__(self):
        self.asked, self.prepared, self.error = [], 0, None
        self.started, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.decoded, self.looks = threading.Event(), True
        self.decoded.set()

    def infer(self, session, observation, superseded):
        self.asked.append(observation)
        self.started.release()
        assert self.go.acquire(timeout=WAIT)
        if self.error:
            raise self.error
        if self.looks and (reason := superseded()):
            raise CancelledError(reason)
        return Chunk(f"chunk of {observation}")

    def begin_prediction(self, session, inference):
        return Decoding(inference, self.decoded)

    def prepare(self, session, observation, replan_frames):
        self.prepared += 1


class Run:
    """A worker and what it called back."""

    def __init__(self, **options):
        self.engine = Engine()
        self.results, self.errors, self.predictions = [], [], []
        self.called = threading.Semaphore(0)
        self.session = SimpleNamespace(
            due=lambda observation, replan: True, next_due_ns=lambda replan: None
        )
        self.worker = Worker(self.engine, self._result, self._error, **options)
        self.worker.start()

    def _result(self, session, inference):
        self.results.append((session, inference, threading.current_thread().name))
        self.called.release()

    def _error(self, session, error):
        self.errors.append(error)
        self.called.release()

    def prediction(self, session, stamps, frames):
        self.predictions.append(frames)
        self.called.release()

    def submit(self, observation):
        self.worker.submit(self.session, observation)

    def wait(self, semaphore):
        assert semaphore.acquire(timeout=WAIT)


@pytest.fixture
def make():
    runs = []

    def one(**options):
        runs.append(Run(**options))
        return runs[-1]

    yield one
    for run in runs:
        run.engine.go.release(10)
        assert run.worker.stop(WAIT)


def test_the_newest_observation_wins(make):
    run = make()
    run.submit("a")
    run.wait(run.engine.started)
    for name in ("b", "c", "d"):
        run.submit(name)
    run.engine.go.release(2)
    run.wait(run.called)
    run.wait(run.called)
    assert run.engine.asked == ["a", "d"]
    assert [inference for _, inference, _ in run.results] == ["chunk of a", "chunk of d"]
    assert run.results[0][0] is run.session
    assert run.results[0][2] == "policy-worker"
    statistics = run.worker.statistics()
    assert (statistics.superseded, statistics.failures) == (2, 0)


def test_latency_runs_from_the_submission(make):
    run = make()
    assert run.worker.statistics().latency_s == {}
    run.submit("a")
    time.sleep(0.05)
    run.engine.go.release(1)
    run.wait(run.called)
    deadline = time.monotonic() + WAIT
    while run.worker.statistics().chunks < 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    latency = run.worker.statistics().latency_s
    assert set(latency) == {50, 90, 99, 100}
    assert 0.05 <= latency[50] <= latency[100] < WAIT


def test_an_error_is_reported_and_survived(make):
    run = make()
    run.engine.error = RuntimeError("no")
    run.engine.go.release(2)
    run.submit("a")
    run.wait(run.called)
    run.engine.error = None
    run.submit("b")
    run.wait(run.called)
    assert [str(error) for error in run.errors] == ["no"]
    assert len(run.results) == 1
    assert run.worker.statistics().failures == 1


def test_an_error_in_the_report_is_survived(make, caplog):
    run = make()
    run.worker._on_error = lambda session, error: 1 / 0
    run.engine.error = RuntimeError("no")
    run.engine.go.release(2)
    run.submit("a")
    run.wait(run.engine.started)
    run.engine.error = None
    deadline = time.monotonic() + WAIT
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.001)
    run.submit("b")
    run.wait(run.called)
    assert "failed" in caplog.text
    assert len(run.results) == 1


def test_what_is_not_due_is_left(make):
    run = make(replan_frames=3)
    asked = []
    run.session.due = lambda observation, replan: asked.append(replan) or observation != "b"
    run.engine.go.release(9)
    for name in ("a", "b", "c"):
        run.submit(name)
        deadline = time.monotonic() + WAIT
        while not run.worker._idle() and time.monotonic() < deadline:
            time.sleep(0.001)
    run.wait(run.called)
    run.wait(run.called)
    assert run.engine.asked == ["a", "c"]
    assert run.worker.statistics().not_due == 1
    assert set(asked) == {3}


def test_predictions_are_decoded_when_nothing_waits(make):
    wanted = [True]
    run = make(
        on_prediction=lambda *arguments: run.prediction(*arguments),
        wants_prediction=lambda: wanted[0],
    )
    run.engine.go.release(1)
    run.submit("a")
    run.wait(run.called)
    run.wait(run.called)
    assert run.predictions == ["chunk of a"]
    run.submit("b")
    run.wait(run.engine.started)
    run.wait(run.engine.started)
    run.submit("c")
    run.engine.go.release(1)
    run.wait(run.called)
    wanted[0] = False
    run.wait(run.engine.started)
    run.engine.go.release(1)
    run.wait(run.called)
    assert run.predictions == ["chunk of a"]


def test_predictions_are_decoded_after_observations_that_are_not_due(make):
    run = make(on_prediction=lambda *arguments: run.prediction(*arguments))
    run.session.due = lambda observation, replan: observation == "a"
    run.submit("a")
    run.wait(run.engine.started)
    run.submit("b")
    run.engine.go.release(1)
    run.wait(run.called)
    run.wait(run.called)
    assert run.predictions == ["chunk of a"]
    assert run.worker.statistics().not_due == 1


def test_predictions_give_way_to_a_call_that_is_due_before_they_would_be_done(make):
    run = make(on_prediction=lambda *arguments: run.prediction(*arguments))
    run.session.next_due_ns = lambda replan: 1_000_000  # a ms after the observation
    run.submit(SimpleNamespace(newest_ns=0))
    run.wait(run.engine.started)
    time.sleep(0.01)
    run.engine.go.release(1)
    run.wait(run.called)
    assert run.worker.stop(WAIT)
    assert run.predictions == []
    assert run.engine.prepared == 0


def test_stopping_is_bounded_and_takes_no_new_work(make):
    run = make()
    run.submit("a")
    run.wait(run.engine.started)
    run.submit("b")
    before = time.monotonic()
    assert not run.worker.stop(0.05)
    assert time.monotonic() - before < 1.0
    run.engine.go.release(2)
    assert run.worker.stop(WAIT)
    assert run.engine.asked == ["a"]


def test_stopping_before_starting_and_clearing(make):
    worker = Worker(Engine(), print, print)
    assert worker.stop(0.1)
    run = make()
    run.submit("a")
    run.wait(run.engine.started)
    run.submit("b")
    run.worker.clear()
    run.engine.go.release(2)
    run.wait(run.called)
    run.submit("c")
    run.wait(run.called)
    assert run.engine.asked == ["a", "c"]


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="replan_frames"):
        Worker(Engine(), print, print, replan_frames=0)


def busy_until_the_next_has_waited(run, seconds):
    """One call runs; "old" is offered meanwhile and has waited for ``seconds`` when it ends."""
    run.submit("first")
    run.wait(run.engine.started)
    run.submit("old")
    time.sleep(seconds)
    run.engine.go.release()
    run.wait(run.called)


def test_an_observation_that_waited_for_most_of_a_frame_makes_way_for_the_next(make):
    run = make(frame_s=0.4)
    busy_until_the_next_has_waited(run, 0.3)
    run.submit("new")
    run.wait(run.engine.started)
    assert run.engine.asked == ["first", "new"]


def test_it_is_taken_after_all_where_nothing_newer_comes(make):
    run = make(frame_s=0.2)
    busy_until_the_next_has_waited(run, 0.15)
    run.wait(run.engine.started)
    assert run.engine.asked == ["first", "old"]


def test_a_fresh_one_is_taken_at_once(make):
    run = make(frame_s=30.0)
    busy_until_the_next_has_waited(run, 0.0)
    run.wait(run.engine.started)
    assert run.engine.asked == ["first", "old"]


def until(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("looks", [True, False], ids=["between evaluations", "after the last"])
def test_a_superseded_call_gives_nothing(make, looks):
    run = make()
    run.engine.looks = looks
    run.submit("a")
    run.wait(run.engine.started)
    run.submit("b")
    assert run.worker.statistics().running_s > 0
    run.worker.supersede("prompt_changed")
    run.worker.supersede("stopped")
    run.engine.go.release(1)
    until(lambda: run.worker.statistics().cancelled)
    run.submit("c")
    run.engine.go.release(1)
    run.wait(run.called)
    assert run.engine.asked == ["a", "c"]
    assert [inference for _, inference, _ in run.results] == ["chunk of c"]
    assert not run.errors
    until(lambda: run.worker.statistics().chunks)
    statistics = run.worker.statistics()
    assert (statistics.cancelled, statistics.cancel_reason) == (1, "prompt_changed")
    assert (statistics.dropped, statistics.superseded, statistics.failures) == (1, 0, 0)


def test_superseding_where_nothing_runs_ends_no_later_call(make):
    run = make()
    run.worker.supersede("stopped")
    run.engine.go.release(1)
    run.submit("a")
    run.wait(run.called)
    assert [inference for _, inference, _ in run.results] == ["chunk of a"]
    until(lambda: run.worker.statistics().chunks)
    assert run.worker.statistics().cancelled == run.worker.statistics().dropped == 0


def test_the_queue_holds_one_and_says_so(make):
    run = make()
    idle = run.worker.statistics()
    assert (idle.waiting_s, idle.running_s) == (None, None)
    run.submit("a")
    run.wait(run.engine.started)
    for index in range(50):
        run.submit(f"b{index}")
    time.sleep(0.02)
    busy = run.worker.statistics()
    assert busy.superseded == 49
    assert 0.02 <= busy.waiting_s <= busy.running_s < WAIT
    run.engine.go.release(2)
    run.wait(run.called)
    run.wait(run.called)
    assert run.engine.asked == ["a", "b49"]


def test_stages_have_percentiles(make):
    run = make(on_prediction=lambda *arguments: run.prediction(*arguments))
    run.submit("a")
    run.wait(run.engine.started)
    run.engine.go.release(1)
    run.wait(run.called)
    run.wait(run.called)
    until(lambda: run.worker.statistics().predictions)
    stages = run.worker.statistics().stages
    assert list(stages) == ["receive", "denoise", "total", "publish", "decode"]
    assert stages["denoise"] == (0.25, 0.25, 0.25)
    assert stages["receive"].p50 >= 0


def test_a_call_does_not_wait_for_a_prediction(make):
    """One that a GPU decodes is passed on when it is there, in the order in which they came."""
    run = make(on_prediction=lambda *arguments: run.prediction(*arguments))
    run.engine.decoded.clear()
    run.engine.go.release(2)
    for name in ("a", "b"):
        run.submit(name)
        run.wait(run.called)
    until(lambda: run.worker.statistics().chunks == 2)
    assert run.predictions == []
    run.engine.decoded.set()
    run.wait(run.called)
    assert run.predictions == ["chunk of a"]


def test_an_error_in_showing_a_prediction_is_reported(make):
    run = make(on_prediction=lambda *arguments: 1 / 0)
    run.engine.go.release(2)
    for name in ("a", "b"):
        run.submit(name)
        run.wait(run.called)
        run.wait(run.called)
    assert [type(error) for error in run.errors] == [ZeroDivisionError] * 2
    assert len(run.results) == 2
