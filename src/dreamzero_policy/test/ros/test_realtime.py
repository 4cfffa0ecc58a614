"""Priority goes to the threads that were named and to no other."""

import os
import threading

import pytest

from dreamzero_policy.ros import realtime


def waiting_thread():
    """A started thread and the event that ends it."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, daemon=True)
    thread.start()
    return thread, end


def test_threads_are_those_of_this_process():
    before = realtime.threads()
    thread, end = waiting_thread()
    assert realtime.threads() - before == {thread.native_id}
    end.set()
    thread.join()
    assert threading.main_thread().native_id in realtime.threads()


def test_only_the_named_thread_gets_priority():
    thread, end = waiting_thread()
    other, end_other = waiting_thread()
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    granted = realtime.prioritise([gone.native_id, thread.native_id], 5)
    expected = os.SCHED_FIFO if granted else os.SCHED_OTHER
    assert os.sched_getscheduler(thread.native_id) & ~os.SCHED_RESET_ON_FORK == expected
    assert os.sched_getscheduler(other.native_id) == os.SCHED_OTHER
    end.set()
    end_other.set()


def in_a_thread(work):
    """What a function returns in a thread that ends with it."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


def test_what_is_started_within_is_hastened_and_the_caller_only_meanwhile():
    def work():
        with realtime.hastened() as granted:
            thread, end = waiting_thread()
            policies = os.sched_getscheduler(0), os.sched_getscheduler(thread.native_id)
        later, end_later = waiting_thread()
        policies += os.sched_getscheduler(0), os.sched_getscheduler(later.native_id)
        priority = os.sched_getparam(thread.native_id).sched_priority
        end.set()
        end_later.set()
        return granted, policies, priority

    granted, policies, priority = in_a_thread(work)
    within = os.SCHED_FIFO if granted else os.SCHED_OTHER
    assert policies == (within, within, os.SCHED_OTHER, os.SCHED_OTHER)
    assert priority == (realtime.LISTENING if granted else 0)


def test_the_caller_is_as_before_after_an_error_too():
    def work():
        with pytest.raises(KeyError), realtime.hastened():
            raise KeyError
        return os.sched_getscheduler(0)

    assert in_a_thread(work) == os.SCHED_OTHER


def test_whoever_may_not_hasten_goes_on_without(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with realtime.hastened() as granted:
        assert not granted
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_refusal_is_an_answer(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert realtime.prioritise([1], 5) is False


@pytest.mark.parametrize("priority", [0, 100])
def test_an_impossible_priority_is_named(priority):
    with pytest.raises(ValueError, match=f"priority: expected 1 to 99, got {priority}"):
        realtime.prioritise([], priority)
