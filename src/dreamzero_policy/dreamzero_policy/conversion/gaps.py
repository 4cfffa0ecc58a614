"""Where a stream was silent for too long, or showed one picture while the robot moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dreamzero_policy.data.streams import Stream
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.frozen import PictureWatch
from dreamzero_policy.types import NS_PER_S, Float, Int

_FROZEN_AFTER_NS, _FROZEN_MOTION = NS_PER_S, 0.1
"""As the camera tiler's own settings."""


def longest_silence_ns(stamps_ns: Int, row_ns: int, max_age_ns: int) -> int:
    """How far apart two stamps of a stream may be.

    Two control periods, or two periods of a stream that is slower than that, and half a period for
    its jitter (design: data.md 5.5); never more than what live nodes accept.

    Args:
        stamps_ns: [N] increasing.
        row_ns: a control period.
        max_age_ns: what is stale in the live nodes.
    """
    period = int(np.median(np.diff(stamps_ns))) if len(stamps_ns) > 1 else row_ns
    return min(max_age_ns, 2 * max(row_ns, period) + period // 2)


def gap_faults(what: str, stamps_ns: Int, instants_ns: Int, longest_ns: int) -> dict[int, str]:
    """Rows inside a gap of a stream, with the gap in words.

    Args:
        what: the stream's name.
        stamps_ns: [M] increasing.
        instants_ns: [N] rows.
        longest_ns: a longer silence is a gap.
    """
    found: dict[int, str] = {}
    for at in np.flatnonzero(np.diff(stamps_ns) > longest_ns):
        first = np.searchsorted(instants_ns, stamps_ns[at], side="right")
        behind = np.searchsorted(instants_ns, stamps_ns[at + 1], side="left")
        silence_s = (stamps_ns[at + 1] - stamps_ns[at]) / NS_PER_S
        why = f"{what}: gap of {silence_s:.2f} s, expected at most {longest_ns / NS_PER_S:.2f} s"
        found.update(dict.fromkeys(range(int(first), int(behind)), why))
    return found


def frozen_faults(
    robot: Embodiment,
    streams: Mapping[str, tuple[Stream, Sequence[tuple[int, int]]]],
    instants_ns: Int,
    states: Float,
    still: Iterable[str] = (),
) -> dict[int, str]:
    """Rows in which a view showed one picture while the robot moved, by the live nodes' rule.

    Live canvases end once that is found; in a recording the rows before, which showed the picture
    already, are known too.

    Args:
        robot: its layout.
        streams: by view its stream, and the (stamp, index) of the pictures that count.
        instants_ns: [N] rows.
        states: [N, S], NaN where there is none.
        still: views that may stand still.

    Raises:
        ValueError: ``still`` names a view that the robot has not.
    """
    watch = PictureWatch(robot, _FROZEN_AFTER_NS, _FROZEN_MOTION, still)
    found: dict[int, str] = {}
    moves = ((int(instants_ns[k]), 0, k, "", 0) for k in range(len(instants_ns)))
    shows = (
        (stamp_ns, 1, index, view, 0)
        for view, (_, entries) in streams.items()
        for stamp_ns, index in entries
    )
    for stamp_ns, kind, index, view, _ in sorted((*moves, *shows)):
        if kind == 0:
            if np.isfinite(states[index]).all():
                watch.moved(stamp_ns, states[index])
            continue
        watch.saw(view, stamp_ns, _content(streams[view][0], index))
        for frozen in watch.frozen():
            if frozen.view != view:
                continue
            first = np.searchsorted(instants_ns, stamp_ns - frozen.unchanged_ns)
            behind = np.searchsorted(instants_ns, stamp_ns, side="right")
            for row in range(int(first), int(behind)):
                found.setdefault(row, f"{view}: one picture while the robot moved")
    return found


def _content(stream: Stream, index: int) -> np.ndarray:
    """[1, bytes, 1] of a picture as it was recorded: same pixels are same bytes."""
    data = np.asarray(stream[index].data, dtype=np.uint8)
    return data.reshape(1, -1, 1)


def merged(faults: Iterable[Mapping[int, str]], count: int) -> tuple[str, ...]:
    """One text per row: the first that names it."""
    texts = [""] * count
    for found in faults:
        for row, why in found.items():
            texts[row] = texts[row] or why
    return tuple(texts)
