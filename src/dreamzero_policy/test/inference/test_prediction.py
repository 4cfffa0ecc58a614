"""Predicted frames: which of a decoded clip they are, and that clips do not mix."""

import threading
import time

import numpy as np
import torch

from dreamzero_policy.acceleration.streams import Streams
from dreamzero_policy.inference.prediction import FrameDecoder

FRAME_NS = 200_000_000


def latents(value, frames):
    return torch.full((1, 16, frames, 2, 2), float(value))


def test_of_a_clip_the_blocks_own_frames_come_out(fake):
    decoder = FrameDecoder(fake.model, Streams(fake.model.device), FRAME_NS)
    context = latents(1, 1), latents(2, 2)
    prediction = decoder.begin(7 * FRAME_NS, context, latents(3, 2))
    assert prediction.ready()
    np.testing.assert_array_equal(prediction.stamps_ns, FRAME_NS * np.arange(8, 16))
    # Five latents are a clip of 17 frames, which the model numbers: the last eight are the block's.
    assert prediction.frames()[:, 0, 0, 0].tolist() == list(range(9, 17))
    (clip,) = fake.model.decoded
    assert clip[0, 0, :, 0, 0].tolist() == [1, 2, 2, 3, 3]


def test_one_clip_is_decoded_at_a_time(fake):
    """The VAE remembers the frames before: two clips in it at once would be of neither."""
    inside, most = [], []
    decode = fake.model.decode

    def slowly(clip):
        inside.append(clip)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return decode(clip)

    fake.model.decode = slowly
    decoder = FrameDecoder(fake.model, Streams(fake.model.device), FRAME_NS)
    calls = [
        threading.Thread(target=decoder.begin, args=(0, (), latents(value, 2)))
        for value in range(4)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert most == [1, 1, 1, 1]
    assert len(fake.model.decoded) == 4
