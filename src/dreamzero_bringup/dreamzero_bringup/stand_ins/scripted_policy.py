"""A policy without a model: good chunks as the real one sends them, or the bad ones it is told to.

It takes the newest canvas, thinks for a while, and sends the next piece of a path that leads away
from the measured pose at a steady speed, so that a hold stands out among the commands. A robot that
does not follow has its path begun anew from where it is. Whatever is upstream of the real policy
(cameras, tiler, joints) is upstream of this one too.

Orders: ``{"mode": MODE, "direction": 1 or -1}`` with a mode of ``MODES``.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
from dreamzero_msgs import msg as dz

from dreamzero_bringup.stand_ins.double import Double, run
from dreamzero_policy import embodiments
from dreamzero_policy.messages.chunks import chunk_message
from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float

THINKING_S = 0.3
"""From taking a canvas to the chunk [s]."""

SPEED = 0.25
"""Of the joints that move [rad/s]: a brake from there takes less than one control period."""

CLOCK_ERROR_S = 0.3
"""How far off the clock of ``ahead`` and ``behind`` is [s]."""

_MOVING = (0, 6)  # columns of the arm: the base's and the hand's turn, which meet nothing
_TURN_AT = 1.8  # rad; the path turns round here
_ASTRAY = 0.15  # rad from the path, after which it begins anew
_GO_NS = NS_PER_S // 10
_OLD_NS = 60 * NS_PER_S
_POSES = 100

ONCE = (
    "nan", "infinite", "wrong_shape", "wrong_names", "wrong_order", "reversed_time", "early_start",
    "reversed_rows", "far", "out_of_range", "outlier", "late",
)  # fmt: skip
"""One bad chunk at once, then silence."""

MODES = (
    "stand", "good", "silent", "idle", "old_session", "old_sequence", "ahead", "behind",
    "restarted", *ONCE,
)  # fmt: skip
"""``stand`` sends the measured pose, ``silent`` nothing; ``idle`` also says that it has no
instruction. The others are the faults that their names say."""


class ScriptedPolicy(Double):
    """Publishes chunks and a policy status."""

    def __init__(self) -> None:
        super().__init__("policy")
        self.declare_parameter("robot", "droid")
        self._robot = embodiments.get(self.get_parameter("robot").value)
        self._step_ns = NS_PER_S // self._robot.time_base.control_hz
        self._mode, self._direction, self._go_ns = "stand", 1.0, 0
        self._anchor: Float | None = None
        self._policy = self._session = time.time_ns()
        self._sequence = 0
        self._changed = threading.Condition()
        self._canvas_ns = self._taken_ns = 0
        self._poses: deque[tuple[int, Float]] = deque(maxlen=_POSES)
        self._chunks = self.create_publisher(dz.ActionChunk, "action_chunk", qos.CHUNK)
        self._statuses = self.create_publisher(dz.PolicyStatus, "policy_status", qos.STATUS)
        self.create_subscription(dz.Canvas, "canvas", self._take_canvas, qos.CANVAS)
        self.create_subscription(
            dz.Proprioception, "proprioception", self._take_state, qos.STATE_INPUT
        )
        self.create_timer(0.5, self._report)
        threading.Thread(target=self._think, daemon=True).start()
        self._report()

    def obey(self, order: dict[str, Any]) -> None:
        """Changes the mode; a chunk that is sent once is sent now."""
        mode = order["mode"]
        if mode not in MODES:
            raise ValueError(f"order: expected one of {', '.join(MODES)}, got {mode!r}")
        with self._changed:
            self._direction = float(order.get("direction", self._direction))
            if mode == "good":
                self._anchor, self._go_ns = None, time.time_ns() + _GO_NS
            if mode == "restarted":
                self._policy = time.time_ns()
            if mode == "restarted" or self._mode == "idle":
                self._session, self._sequence = time.time_ns(), 0
            if mode in ONCE:
                self._publish(mode, self._canvas_ns)
            self._mode = "silent" if mode in ONCE else mode
        self._report()

    def _take_canvas(self, message: dz.Canvas) -> None:
        with self._changed:
            self._canvas_ns = nanoseconds(message.header.stamp)
            self._changed.notify_all()

    def _take_state(self, message: dz.Proprioception) -> None:
        with self._changed:
            self._poses.append((nanoseconds(message.header.stamp), np.array(message.positions)))

    def _pose_at(self, stamp_ns: int) -> Float | None:
        """What was measured at an instant, or the nearest to it; the lock is held."""
        if not self._poses:
            return None
        return min(self._poses, key=lambda one: abs(one[0] - stamp_ns))[1]

    def _think(self) -> None:
        """For ever: the newest canvas, a while, its chunk."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._canvas_ns != self._taken_ns)
                taken = self._taken_ns = self._canvas_ns
            time.sleep(THINKING_S)
            with self._changed:
                if self._mode not in ("silent", "idle"):
                    self._publish(self._mode, taken)

    def _publish(self, mode: str, observation_ns: int) -> None:
        """Sends the chunk of one observation, good or not; the lock is held."""
        pose = self._pose_at(observation_ns)
        if pose is None:
            return
        # A chunk that must not be followed leads the other way, so that following it would show.
        away = -1.0 if mode in ("old_session", "old_sequence", "late") else 1.0
        rows = self._path(pose, observation_ns, 0.0 if mode == "stand" else away)
        good = ActionChunk(
            observation_ns=observation_ns,
            start_ns=observation_ns,
            step_ns=self._step_ns,
            rows=rows,
            names=self._robot.action_joints,
            session=self._session,
            sequence=self._sequence,
            policy=self._policy,
        )
        self._chunks.publish(spoiled(good, mode))
        if mode != "old_sequence":
            self._sequence += 1

    def _path(self, pose: Float, observation_ns: int, way: float) -> Float:
        """[H, A] the path from an instant on; it turns round before the joints end.

        Args:
            pose: [S] measured at the instant.
            observation_ns: the instant.
            way: 1 along the path, -1 back, 0 to stand.
        """
        columns = [self._robot.state_joints.index(name) for name in self._robot.action_joints]
        here, moving = pose[columns], list(_MOVING)
        if self._anchor is not None:
            expected = self._along(self._anchor, observation_ns, 1.0)
            if np.abs(expected - here)[moving].max() > _ASTRAY:
                self._anchor, self._go_ns = None, observation_ns
        if self._anchor is None:
            self._anchor = here
        steps = range(self._robot.time_base.rows_per_chunk)
        if way <= 0.0:
            speed = way * self._direction * SPEED * self._step_ns / NS_PER_S
            turns = np.isin(np.arange(len(here)), moving) * speed
            return np.array([here + turns * step for step in steps])
        instants = [observation_ns + step * self._step_ns for step in steps]
        return np.array([self._along(self._anchor, instant, way) for instant in instants])

    def _along(self, anchor: Float, at_ns: int, way: float) -> Float:
        """[A] where the path is at an instant."""
        gone = way * self._direction * SPEED * max(at_ns - self._go_ns, 0) / NS_PER_S
        rows = anchor.copy()
        moved = rows[list(_MOVING)] + gone
        turn = np.maximum(_TURN_AT, np.abs(anchor[list(_MOVING)]))
        over = np.maximum(np.abs(moved) - turn, 0.0)
        rows[list(_MOVING)] = moved - 2.0 * np.sign(moved) * over
        return rows

    def _report(self) -> None:
        idle = self._mode == "idle"
        message = dz.PolicyStatus(
            state=dz.PolicyStatus.IDLE if idle else dz.PolicyStatus.RUNNING,
            weights="none: a scripted path",
            policy_id=self._policy,
            session_id=self._session,
            sequence=max(self._sequence - 1, 0),
            chunks=self._sequence,
        )
        message.header.stamp = time_message(time.time_ns())
        self._statuses.publish(message)


def spoiled(chunk: ActionChunk, mode: str) -> dz.ActionChunk:
    """The message of a chunk with the fault of a mode."""
    rows = np.array(chunk.rows)
    shift = {"ahead": 1, "behind": -1}.get(mode, 0) * round(CLOCK_ERROR_S * NS_PER_S)
    changes: dict[str, Any] = {
        "observation_ns": chunk.observation_ns + shift,
        "start_ns": chunk.start_ns + shift,
    }
    half = len(rows) // 2
    if mode in ("nan", "infinite"):
        rows[half, 1] = np.nan if mode == "nan" else np.inf
    elif mode == "far":
        rows[:, 3] += 0.5
    elif mode == "out_of_range":
        rows[:, 5] = np.linspace(rows[0, 5], 4.5, len(rows))
    elif mode == "outlier":
        rows[half, 1] += 1.0
    elif mode == "reversed_rows":
        rows = rows[::-1]
    elif mode == "wrong_order":
        changes["names"] = (*chunk.names[1:], chunk.names[0])
    elif mode == "wrong_names":
        changes["names"] = tuple(f"other_{name}" for name in chunk.names)
    elif mode == "old_session":
        changes["session"] = chunk.session - _OLD_NS
    elif mode == "old_sequence":
        changes["sequence"] = max(chunk.sequence - 2, 0)
    elif mode == "late":
        changes |= {"observation_ns": chunk.observation_ns - 3 * NS_PER_S}
        changes |= {"start_ns": chunk.start_ns - 3 * NS_PER_S}
    elif mode == "early_start":
        changes |= {"start_ns": chunk.end_ns - 4 * NS_PER_S}
    message = chunk_message(replace(chunk, rows=rows, **changes))
    if mode == "wrong_shape":
        message.rows = array("f", list(message.rows)[:-3])
    elif mode == "reversed_time":
        message.step = duration_message(-chunk.step_ns)
    return message


if __name__ == "__main__":
    run(ScriptedPolicy)
