"""When the guard disables motion: silence or an end while armed, and at no other time."""

import os
import threading
import time

import pytest

from dreamzero_bringup.walk import guard


@pytest.fixture
def pipe(monkeypatch):
    monkeypatch.setattr(guard, "SILENCE_S", 0.3)
    read, write = os.pipe()
    yield read, write
    os.close(read)


def told(pipe, *words, then_close=False, pause_s=0.0):
    read, write = pipe

    def speak():
        for word in words:
            os.write(write, word)
            time.sleep(pause_s)
        if then_close:
            os.close(write)

    thread = threading.Thread(target=speak)
    thread.start()
    answer = guard.watch(read)
    thread.join()
    if not then_close:
        os.close(write)
    return answer


def test_the_end_of_a_walk_that_had_motion_enabled(pipe):
    assert told(pipe, b"armed\n", b"armed\n", then_close=True)


def test_silence_while_armed(pipe):
    assert told(pipe, b"armed\n")


@pytest.mark.parametrize("words", [(b"safe\n",), (b"armed\nsafe\n",), (b"armed\n", b"sa", b"fe\n")])
def test_the_end_of_a_walk_that_is_safe(pipe, words):
    assert not told(pipe, *words, then_close=True)


def test_words_that_go_on_keep_it_quiet_and_safe_silence_may_last(pipe):
    words = (*[b"armed\n"] * 8, b"safe\n", b"")
    assert not told(pipe, *words, then_close=True, pause_s=0.1)
