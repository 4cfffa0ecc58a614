"""Canvases and states to the observation that the policy takes: consecutive frames, newest last."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.types import Float, Image, Observation, frozen


class ObservationWindow:
    """The newest run of consecutive canvases, and the state at the newest of them.

    A canvas without a state at its very stamp cannot end an observation: relative actions are added
    to that state (design: data.md 2.5). A gap of more than a frame starts a new run. A canvas more
    than a chunk older than the newest means that the clock was set back: everything is forgotten.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        time_base: TimeBase,
        frames: int | None = None,
        per_frame: int = 1,
    ) -> None:
        """Empty.

        Args:
            embodiment: sizes of canvas and state.
            time_base: the grid of the model's frames.
            frames: canvases kept; two chunks and the frame that closes them without it, so that a
                policy that is late by a chunk still finds the last whole one.
            per_frame: canvases that come in the time of one frame.

        Raises:
            ValueError: fewer canvases than one chunk and the frame that closes it, or than 1 per
                frame.
        """
        if per_frame < 1:
            raise ValueError(f"window: expected at least 1 canvas per frame, got {per_frame}")
        self._per_frame, self._chunk = per_frame, time_base.frames_per_chunk * per_frame
        least = self._chunk + 1
        frames = 2 * self._chunk + 1 if frames is None else frames
        if frames < least:
            raise ValueError(f"window: expected at least {least} frames, got {frames}")
        self._grid = Grid(Grid.of_frames(time_base).hz * per_frame)
        self._canvas_shape = (*embodiment.canvas_size, 3)
        self._state_shape = (len(embodiment.state_joints),)
        self._canvases: deque[tuple[int, Image]] = deque(maxlen=frames)
        self._states: deque[tuple[int, Float]] = deque(maxlen=frames)

    @property
    def canvas_hz(self) -> Fraction:
        """Canvases per second of a whole window."""
        return self._grid.hz

    def add_canvas(self, stamp_ns: int, canvas: Image) -> bool:
        """Takes a canvas; False when one as new is here already.

        Args:
            stamp_ns: its instant.
            canvas: [H, W, 3] uint8 RGB; it is kept, not copied.

        Raises:
            ValueError: shape or dtype are not the robot's, or the stamp is off the grid.
        """
        if canvas.dtype != np.uint8 or canvas.shape != self._canvas_shape:
            raise ValueError(
                f"canvas: expected uint8 {list(self._canvas_shape)}, "
                f"got {canvas.dtype} {list(canvas.shape)}"
            )
        index = self._grid.index_at(stamp_ns)
        if self._grid.instant(index) != stamp_ns:
            raise ValueError(
                f"canvas stamp: expected an instant of the checkpoint's "
                f"{float(self._grid.hz):.4g} Hz, such as {self._grid.instant(index)} ns, got "
                f"{stamp_ns} ns"
            )
        if self._canvases and index <= self._canvases[-1][0]:
            if self._canvases[-1][0] - index <= self._chunk:
                return False
            self.clear()
        self._canvases.append((index, frozen(canvas)))
        return True

    def add_state(self, stamp_ns: int, positions: Float) -> bool:
        """Takes a state; False when it is not at a canvas instant or one as new is here already.

        Args:
            stamp_ns: its instant.
            positions: [S] in model units.

        Raises:
            ValueError: the shape is not the robot's or a value is not finite.
        """
        positions = np.array(positions, dtype=np.float64)
        if positions.shape != self._state_shape or not np.isfinite(positions).all():
            raise ValueError(
                f"state: expected {self._state_shape[0]} finite positions, got {positions.tolist()}"
            )
        index = self._grid.index_at(stamp_ns)
        if self._grid.instant(index) != stamp_ns:
            return False
        if self._states and index <= self._states[-1][0]:
            if self._states[-1][0] - index <= self._chunk:
                return False
            self._states.clear()
        self._states.append((index, frozen(positions)))
        return True

    def clear(self) -> None:
        """Forgets everything, as after a jump of the clock."""
        self._canvases.clear()
        self._states.clear()

    def observation(self, prompt: str) -> Observation | None:
        """The run of consecutive canvases up to the newest that has a state.

        Args:
            prompt: the instruction as the user wrote it.

        Returns:
            Between one frame and as many as are kept, or None while no canvas has a state.
        """
        states = dict(self._states)
        end = next(
            (i for i in reversed(range(len(self._canvases))) if self._canvases[i][0] in states),
            None,
        )
        if end is None:
            return None
        newest, start = self._canvases[end][0], end
        while start and self._canvases[start - 1][0] >= self._canvases[start][0] - self._per_frame:
            start -= 1
        run = [self._canvases[i] for i in range(start, end + 1)]
        return Observation(
            canvases=np.stack([canvas for _, canvas in run]),
            stamps_ns=np.array([self._grid.instant(index) for index, _ in run], dtype=np.int64),
            state=states[newest],
            prompt=prompt,
        )
