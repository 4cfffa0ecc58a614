"""The steady thread: preparation, rate, late rounds, failure and end."""

import threading
import time
from itertools import pairwise

import pytest

from sim_driver.paced import PacedThread


def unexpected(error):
    raise AssertionError(error)


def test_runs_at_the_rate_and_ends_in_its_thread():
    rounds, where = [], []

    def work():
        where.append(threading.current_thread().name)
        try:
            while True:
                yield
                rounds.append(time.monotonic())
        finally:
            where.append(threading.current_thread().name)

    thread = PacedThread("metronome", 100, work(), unexpected)
    thread.start()
    time.sleep(0.5)
    thread.stop()
    count = len(rounds)
    assert 25 <= count <= 52
    assert where == ["metronome", "metronome"]
    time.sleep(0.05)
    assert len(rounds) == count


def test_late_rounds_are_left_out():
    began = []

    def work():
        while True:
            yield
            began.append(time.monotonic())
            if len(began) == 2:
                time.sleep(0.105)

    thread = PacedThread("metronome", 100, work(), unexpected)
    thread.start()
    time.sleep(0.4)
    thread.stop()
    gaps = [later - earlier for earlier, later in pairwise(began)]
    assert gaps[1] > 0.1
    assert len(began) < 33


def test_a_failed_preparation_is_raised_by_start():
    def work():
        raise ValueError("no lens")
        yield

    with pytest.raises(ValueError, match="no lens"):
        PacedThread("cameras", 15, work(), unexpected).start()


def test_a_later_failure_is_told():
    told = []

    def work():
        yield
        raise ValueError("lens broke")

    thread = PacedThread("cameras", 15, work(), told.append)
    thread.start()
    time.sleep(0.3)
    assert [str(error) for error in told] == ["lens broke"]
    thread.stop()


def test_stop_before_start_does_nothing():
    PacedThread("cameras", 15, iter(()), unexpected).stop()
