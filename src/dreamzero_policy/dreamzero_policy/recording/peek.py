"""What is looked at of serialised messages on their way into a bag; everything else stays bytes."""

from __future__ import annotations

import struct

import numpy as np

from dreamzero_policy.data.definitions import Decoder
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.images import rgb
from dreamzero_policy.recording.quality import QualityWatch
from dreamzero_policy.recording.recorded_streams import RecordedStream
from dreamzero_policy.types import NS_PER_S

_PICTURE_EVERY_NS = NS_PER_S // 3
_STAMP = struct.Struct("<iI")


class Input:
    """A stream, and what its messages say of themselves.

    Args:
        stream: which.
        stamped: whether its type begins with a header or a time.

    Attributes:
        stream: which.
        latest: newest message of a latched stream, and when it was published.
        pictured_ns: stamp of the newest picture that was looked at.
    """

    def __init__(self, stream: RecordedStream, stamped: bool) -> None:
        self.stream, self._stamped = stream, stamped
        self._sequence = 0
        self.latest: tuple[bytes, int] | None = None
        self.pictured_ns = 0

    def lost(self, sequence: int | None) -> int:
        """Messages that were published between the last one and this one and did not arrive."""
        if not sequence:
            return 0
        before, self._sequence = self._sequence, sequence
        return sequence - before - 1 if 0 < before < sequence else 0  # smaller: another publisher

    def stamp_ns(self, data: bytes) -> int | None:
        """The stamp that a serialised message begins with; None where it has none."""
        if not self._stamped or len(data) < 12 or data[1] != 1:
            return None
        seconds, nanoseconds = _STAMP.unpack_from(data, 4)
        return seconds * NS_PER_S + nanoseconds


class Peek:
    """Pictures now and then, poses, and the driver's refusals, for the quality watch.

    Args:
        robot: the layout.
        decoder: of every stream.
        watch: that is shown them.
    """

    def __init__(self, robot: Embodiment, decoder: Decoder, watch: QualityWatch) -> None:
        self._robot, self._decoder, self._watch = robot, decoder, watch

    def look(self, known: Input, data: bytes, stamp_ns: int | None) -> None:
        """Shows the watch what it wants of a message.

        Raises:
            ValueError: the message cannot be read, or is a picture that cannot be.
        """
        stream = known.stream
        if stream.view and stamp_ns is not None:
            if abs(stamp_ns - known.pictured_ns) >= _PICTURE_EVERY_NS:
                known.pictured_ns = stamp_ns
                message = self._decoder.decode(stream.msgtype, data)
                self._watch.saw(stream.view, stamp_ns, rgb(message, stream.name))
        elif stream.name == "proprioception" and stamp_ns is not None:
            message = self._decoder.decode(stream.msgtype, data)
            if tuple(message.names) == self._robot.state_joints:
                pose = np.asarray(message.positions), np.asarray(message.velocities)
                self._watch.moved(stamp_ns, *pose)
        elif stream.name == "driver_status":
            message = self._decoder.decode(stream.msgtype, data)
            self._watch.refused(int(message.commands_refused), message.last_refusal)
