"""What passes between the parts: an observation into the policy, a chunk out of it.

Shape legend, used in every docstring of this package:

====  =====================================================================
T     frames (canvases) in time order, oldest first
H, W  canvas height and width in pixels; ``H`` rows of a chunk where it says so
S     joints in the state vector, in the checkpoint's order
A     joints in the action vector, in the checkpoint's order
====  =====================================================================

Time is an integer number of nanoseconds of the ROS clock everywhere. Arrays inside these classes
are read-only: whoever wants to change one makes a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
"""Nanoseconds in a second."""

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Image = NDArray[np.uint8]


def frozen(array: np.ndarray) -> np.ndarray:
    """A read-only view of ``array`` (the same memory)."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Observation:
    """A window of canvases and the state at the newest of them.

    Attributes:
        canvases: [T, H, W, 3] uint8 RGB, consecutive instants of the policy's frame grid.
        stamps_ns: [T] int64, the grid instant of each canvas, strictly increasing.
        state: [S] float64, measured joints in model units (rad, m, 0..1) at ``stamps_ns[-1]``.
        prompt: the instruction as the user wrote it.

    Raises:
        ValueError: a shape, dtype, order or finiteness that does not hold.
    """

    canvases: Image
    stamps_ns: Int
    state: Float
    prompt: str

    def __post_init__(self) -> None:
        """Checks shapes and freezes the arrays."""
        canvases, stamps = np.asarray(self.canvases), np.asarray(self.stamps_ns)
        state = np.asarray(self.state, dtype=np.float64)
        if canvases.dtype != np.uint8 or canvases.ndim != 4 or canvases.shape[-1] != 3:
            raise ValueError(
                "canvases: expected uint8 [T, H, W, 3], "
                f"got {canvases.dtype} {list(canvases.shape)}"
            )
        if stamps.dtype != np.int64 or stamps.shape != canvases.shape[:1] or not len(stamps):
            raise ValueError(
                f"stamps_ns: expected int64 [{len(canvases)}], one per canvas and at least one, "
                f"got {stamps.dtype} {list(stamps.shape)}"
            )
        if np.any(np.diff(stamps) <= 0):
            raise ValueError(f"stamps_ns must increase strictly, got {stamps.tolist()}")
        if state.ndim != 1 or not np.all(np.isfinite(state)):
            raise ValueError(f"state: expected a finite vector, got {state.tolist()}")
        object.__setattr__(self, "canvases", frozen(canvases))
        object.__setattr__(self, "stamps_ns", frozen(stamps))
        object.__setattr__(self, "state", frozen(state))

    @property
    def newest_ns(self) -> int:
        """The instant of the newest canvas and of the state."""
        return int(self.stamps_ns[-1])


@dataclass(frozen=True)
class ActionChunk:
    """The actions of one inference on the clock: row k is due at ``start_ns + k * step_ns``.

    Finiteness and limits are not checked here: a bad chunk must reach the controller's checks and
    be counted and named there. Shapes are, since nothing can be said of a chunk without them.

    Attributes:
        observation_ns: instant of the canvas and state that it was computed from.
        start_ns: due time of row 0.
        step_ns: time between two rows.
        rows: [H, A] float64 absolute targets in model units.
        names: A joint names, one per column.
        session: when the session began [ns]; a larger number is a newer session.
        sequence: chunks of this session, from 0.
        policy: when the policy process came up [ns]; another number is another process.
        prefix_rows: rows from row 0 on that were held to the chunk before (real-time chunking).

    Raises:
        ValueError: a shape or a time step that makes no sense.
    """

    observation_ns: int
    start_ns: int
    step_ns: int
    rows: Float
    names: tuple[str, ...]
    session: int
    sequence: int
    policy: int = 0
    prefix_rows: int = 0

    def __post_init__(self) -> None:
        """Checks shapes and freezes the rows."""
        rows = np.asarray(self.rows, dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != len(self.names):
            raise ValueError(
                f"rows: expected at least 2 rows of {len(self.names)} joints, "
                f"got {list(rows.shape)}"
            )
        if self.step_ns <= 0:
            raise ValueError(f"step_ns must be positive, got {self.step_ns}")
        if not 0 <= self.prefix_rows <= len(rows):
            raise ValueError(f"prefix_rows: expected 0 to {len(rows)}, got {self.prefix_rows}")
        object.__setattr__(self, "rows", frozen(rows))
        object.__setattr__(self, "names", tuple(self.names))

    @property
    def horizon(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def end_ns(self) -> int:
        """Due time of the last row; nothing is known beyond it."""
        return self.start_ns + (self.horizon - 1) * self.step_ns
