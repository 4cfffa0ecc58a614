"""Videos: every frame at its time, near a key frame, and put together without a loss."""

import errno
from pathlib import Path

import av
import numpy as np
import pytest

from dreamzero_policy.data.synthetic import picture
from dreamzero_policy.datasets.video import VideoWriter, frame_count, frames, join

SIZE = (60, 100)


def film(path, first, count, fps=15):
    with VideoWriter(path, SIZE, fps) as writer:
        for k in range(count):
            writer.add(picture(SIZE, 0, (first + k) / fps))
    return path


def close(got, expected):
    assert np.abs(got.astype(float) - expected.astype(float)).mean() < 6.0


def test_frames_come_back_at_their_times(tmp_path):
    path = film(tmp_path / "a.mp4", 0, 40)
    assert frame_count(path) == 40
    got = list(frames(path))
    assert len(got) == 40
    for k in (0, 13, 39):
        close(got[k], picture(SIZE, 0, k / 15))
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        times, keys = [], []
        for packet in file.demux(stream):
            if packet.pts is not None:
                times.append(float(packet.pts * packet.time_base))
                keys.append(packet.is_keyframe)
                assert packet.pts == packet.dts
        assert stream.codec_context.pix_fmt == "yuv420p"
    np.testing.assert_allclose(times, np.arange(40) / 15, atol=1e-3)
    assert np.diff(np.flatnonzero(keys)).max() <= 15
    assert keys[0]


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    one, two = film(tmp_path / "a.mp4", 0, 20), film(tmp_path / "b.mp4", 0, 20)
    assert one.read_bytes() == two.read_bytes()


def test_a_picture_that_stands_gives_the_bytes_of_its_copies(tmp_path):
    """A slower camera's picture is converted once for all of its rows."""
    shown = [picture(SIZE, 0, k // 3 / 5) for k in range(12)]
    for name in ("copies", "same"):
        with VideoWriter(tmp_path / f"{name}.mp4", SIZE, 15) as writer:
            for k in range(12):
                writer.add(shown[k // 3 * 3] if name == "same" else shown[k])
    assert (tmp_path / "same.mp4").read_bytes() == (tmp_path / "copies.mp4").read_bytes()


def test_a_faster_preset_shows_the_same_in_more_bytes(tmp_path):
    sizes = []
    for preset in ("medium", "ultrafast"):
        with VideoWriter(tmp_path / f"{preset}.mp4", SIZE, 15, preset=preset) as writer:
            for k in range(30):
                writer.add(picture(SIZE, 0, k / 15))
        for k, got in enumerate(frames(tmp_path / f"{preset}.mp4")):
            close(got, picture(SIZE, 0, k / 15))
        sizes.append((tmp_path / f"{preset}.mp4").stat().st_size)
    assert sizes[0] < sizes[1]


def test_joined_films_are_their_frames_behind_one_another(tmp_path):
    counts = (17, 1, 25)
    firsts = np.cumsum((0, *counts[:-1]))
    paths = [
        film(tmp_path / f"{n}.mp4", int(first), count)
        for n, (first, count) in enumerate(zip(firsts, counts, strict=True))
    ]
    whole = tmp_path / "whole.mp4"
    join(paths, whole, 15)
    assert frame_count(whole) == sum(counts)
    alone = [frame for path in paths for frame in frames(path)]
    for got, expected in zip(frames(whole), alone, strict=True):
        np.testing.assert_array_equal(got, expected)
    part = list(frames(whole, 18 / 15, 25))
    assert len(part) == 25
    np.testing.assert_array_equal(part[0], alone[18])
    np.testing.assert_array_equal(part[-1], alone[42])
    few = list(frames(whole, 18 / 15, 25, only=(0, 7, 24, 25)))
    np.testing.assert_array_equal(few, [part[0], part[7], part[24]])


def test_sizes_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ValueError, match="even height"):
        VideoWriter(tmp_path / "odd.mp4", (61, 100), 15)
    with (
        VideoWriter(tmp_path / "a.mp4", SIZE, 15) as writer,
        pytest.raises(ValueError, match="frames of"),
    ):
        writer.add(np.zeros((10, 10, 3), np.uint8))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_an_error_and_no_crash(tmp_path):
    """The muxer itself takes the process down when it meets one."""
    with pytest.raises(OSError, match="No space left") as caught:
        film(Path("/dev/full"), 0, 60)
    assert caught.value.errno == errno.ENOSPC
    one = film(tmp_path / "one.mp4", 0, 5)
    with pytest.raises(OSError, match="No space left"):
        join([one, one], Path("/dev/full"), 15)
