"""Streams of a GPU, with what stands in for one, and none elsewhere."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from dreamzero_policy.acceleration.streams import Streams


class Cuda:
    """Streams that note who waits for whom."""

    def __init__(self):
        self.log, self.current = [], self.Stream(None, 0, "outside")

    def Stream(self, device, priority, name=None):  # noqa: N802 - as of torch.cuda
        stream = SimpleNamespace(name=name or f"stream {len(self.log)}", priority=priority)
        stream.wait_stream = lambda other: self.log.append((stream.name, "after", other.name))
        return stream

    def current_stream(self, device):
        return self.current

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before


@pytest.fixture
def cuda():
    return Cuda()


@pytest.fixture
def streams(cuda):
    made = Streams(torch.device("cuda:0"), cuda)
    for name in ("call", "between", "pictures"):
        getattr(made, f"_{name}").name = name
    return made


def test_a_call_goes_before_the_rest(cuda, streams):
    assert streams._call.priority < streams._between.priority == streams._pictures.priority
    with streams.call():
        assert cuda.current is streams._call
    with streams.preparing():
        assert cuda.current is streams._between
    with streams.decoding():
        assert cuda.current is streams._pictures
    assert cuda.current.name == "outside"


def test_a_call_waits_for_what_was_prepared_and_for_no_picture(cuda, streams):
    with streams.preparing():
        pass
    with streams.decoding():
        pass
    with streams.call():
        pass
    assert cuda.log == [
        ("between", "after", "outside"),
        ("outside", "after", "between"),
        ("pictures", "after", "outside"),
        ("call", "after", "outside"),
        ("outside", "after", "call"),
    ]


def test_a_cpu_has_none():
    streams = Streams(torch.device("cpu"), None)
    for context in (streams.call, streams.preparing, streams.decoding):
        with context():
            pass
