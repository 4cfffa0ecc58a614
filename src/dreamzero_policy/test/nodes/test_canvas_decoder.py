"""Canvases come out in the order in which they went in, damaged ones as what is wrong with them."""

import queue

import numpy as np
import pytest

from dreamzero_policy.messages.images import Canvas, canvas_message
from dreamzero_policy.nodes.canvas_decoder import CanvasDecoder

pytestmark = pytest.mark.ros


@pytest.fixture
def decoder():
    """A decoder, and a queue that has one entry per result."""
    ready = queue.Queue()
    made = CanvasDecoder(lambda: ready.put(None))
    made.ready = ready
    yield made
    made.stop(5.0)
    assert not made._thread.is_alive()


def test_in_order_and_bit_by_bit(decoder):
    assert decoder.take() is None
    rng = np.random.default_rng(0)
    sent = [
        Canvas(stamp, rng.integers(0, 256, (32, 48, 3), dtype=np.uint8), {"top": stamp})
        for stamp in range(5)
    ]
    for canvas in sent:
        decoder.submit(canvas_message(canvas, encoding="png"))
    for canvas in sent:
        decoder.ready.get(timeout=20)
        came = decoder.take()
        assert (came.stamp_ns, came.views_ns) == (canvas.stamp_ns, canvas.views_ns)
        np.testing.assert_array_equal(came.image, canvas.image)


def test_a_damaged_one_does_not_end_it(decoder):
    whole = canvas_message(Canvas(1, np.zeros((32, 48, 3), np.uint8), {}), encoding="jpeg")
    cut = canvas_message(Canvas(2, np.zeros((32, 48, 3), np.uint8), {}), encoding="jpeg")
    cut.compressed.data = cut.compressed.data[:-5]
    for message in (cut, whole):
        decoder.submit(message)
        decoder.ready.get(timeout=20)
    assert "cut short or damaged" in str(decoder.take())
    assert decoder.take().stamp_ns == 1
