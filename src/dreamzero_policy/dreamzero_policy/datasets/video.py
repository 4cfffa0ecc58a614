"""Videos of datasets: one frame per row, written, read and put together without a loss.

H.264 as the reference's data has it: yuv420p, constant rate, frame k at k / fps, a key frame at
least every second, so that a loader finds any frame quickly (design: data.md 5.5). There are no
frames that depend on later ones, so files can be put together packet by packet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from dreamzero_policy.types import Image

CODEC, PIXEL_FORMAT = "libx264", "yuv420p"
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


class _Disk:
    """A file for the muxer that never fails: a muxer that meets a full disk takes the process down.

    Attributes:
        error: the first one, which whoever writes is to raise.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  # closed by ``finish``
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Appends, or keeps the error."""
        self._attempt(lambda: self._file.write(data))
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        self._attempt(lambda: self._file.seek(offset, whence))
        return self._attempt(self._file.tell) or 0

    def tell(self) -> int:
        """As of a file."""
        return self._attempt(self._file.tell) or 0

    def check(self) -> None:
        """Raises what went wrong so far."""
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Closes the file and raises what went wrong."""
        self._attempt(self._file.close)
        self.check()

    def _attempt(self, step: Callable[[], int | None]) -> int | None:
        try:
            return step()
        except OSError as error:
            self.error = self.error or error
            return None


class VideoWriter:
    """Writes one video; use it in a ``with``."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: int,
        crf: int = 23,
        preset: Preset = "veryfast",
    ) -> None:
        """Opens the file.

        Args:
            path: an ``.mp4``.
            size: (height, width), both even.
            fps: frames per second.
            crf: quality, lower is better.
            preset: of the encoder: how much time it takes to make the file small.

        Raises:
            ValueError: a side is odd, which the pixel format cannot have.
        """
        if size[0] % 2 or size[1] % 2:
            raise ValueError(f"video: expected an even height and width, got {size}")
        self._disk = _Disk(path)
        self._file = av.open(self._disk, "w", format="mp4")
        self._stream = self._file.add_stream(CODEC, rate=fps)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = PIXEL_FORMAT
        self._stream.time_base = Fraction(1, fps)
        # One thread: the same pictures give the same bytes, and episodes share the cores.
        self._stream.thread_count = 1
        self._stream.options = {
            "crf": str(crf),
            "preset": preset,
            "g": str(fps),
            "keyint_min": "1",
            "bf": "0",
        }
        self._size, self._count = size, 0
        self._colours = VideoReformatter()
        self._last: tuple[Image | None, av.VideoFrame | None] = None, None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, picture: Image) -> None:
        """Adds the next frame: [H, W, 3] uint8 RGB, not changed afterwards.

        Raises:
            ValueError: another size.
            OSError: the disk is full.
        """
        if picture.shape[:2] != self._size:
            raise ValueError(f"video: expected frames of {self._size}, got {picture.shape[:2]}")
        shown, frame = self._last
        if picture is not shown:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        elif frame.format.name != PIXEL_FORMAT:  # a slow camera's: once for all of its rows
            frame = self._colours.reformat(frame, format=PIXEL_FORMAT)
        self._last = picture, frame
        frame.pts = self._count
        self._count += 1
        self._file.mux(self._stream.encode(frame))
        self._disk.check()

    def close(self) -> None:
        """Completes the file.

        Raises:
            OSError: the disk is full.
        """
        if self._count:
            self._file.mux(self._stream.encode())
        self._file.close()
        self._disk.finish()


def frames(
    path: Path,
    first_s: float = 0.0,
    count: int | None = None,
    only: Collection[int] | None = None,
) -> Iterator[Image]:
    """The frames of a video from a time on, each [H, W, 3] uint8 RGB.

    Args:
        path: the file.
        first_s: time of the first one [s].
        count: how many; None for all.
        only: numbers of those to yield, counted from the first; None for all.
    """
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        if first_s > 0:
            file.seek(int(first_s / stream.time_base), stream=stream)
        half = 0.5 / float(stream.average_rate)
        number, end = 0, count if count is not None else 1 << 62
        for frame in file.decode(stream):
            if number >= end:
                return
            if frame.time < first_s - half:
                continue
            if only is None or number in only:
                yield frame.to_ndarray(format="rgb24")
            number += 1


def frame_count(path: Path) -> int:
    """Frames of a video, without decoding them."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return stream.frames or sum(packet.size > 0 for packet in file.demux(stream))


def join(paths: Sequence[Path], target: Path, fps: int) -> None:
    """Puts videos of one size and rate behind one another, packet by packet.

    Args:
        paths: in order; all written by ``VideoWriter`` with the same settings.
        target: the new file.
        fps: of all of them.

    Raises:
        OSError: the disk is full.
    """
    disk = _Disk(target)
    with av.open(disk, "w", format="mp4") as file:
        out, offset = None, 0
        for path in paths:
            with av.open(str(path)) as source:
                stream = source.streams.video[0]
                if out is None:
                    out = file.add_stream_from_template(stream)
                    out.time_base = Fraction(1, fps)
                last = offset
                for packet in source.demux(stream):
                    if packet.pts is None:
                        continue
                    frame = offset + round(packet.pts * packet.time_base * fps)
                    packet.time_base = Fraction(1, fps)
                    packet.pts = packet.dts = frame
                    packet.duration = 1
                    packet.stream = out
                    last = max(last, frame + 1)
                    file.mux(packet)
                offset = last
    disk.finish()
