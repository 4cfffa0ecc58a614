"""Chunks through the real controller in virtual time, against a robot that follows perfectly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.report import Mode
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float
from synthetic_policy import Sent, SyntheticPolicy

_START_NS = 1_000 * NS_PER_S


Where = Callable[[int], tuple[float, Float]]
"""How far along its path [s] and at which pose [A] the robot is at an instant since the start."""


class Source(Protocol):
    """Where chunks come from."""

    def arrived(self, now_ns: int, where: Where) -> list[ActionChunk]:
        """Chunks that arrive by now and had not before.

        Args:
            now_ns: since the start.
            where: the robot is.
        """


class Live:
    """A policy in its loop: observes canvases, one chunk at a time.

    Args:
        policy: what makes the chunks.
        frames_per_s: canvases.
        replan_frames: a new chunk every so many canvases, where inference is fast enough.
    """

    def __init__(self, policy: SyntheticPolicy, frames_per_s: int, replan_frames: int) -> None:
        self._policy, self._frames_per_s, self._replan = policy, frames_per_s, replan_frames
        self._next = 0
        self._sent: Sent | None = None

    def arrived(self, now_ns: int, where: Where) -> list[ActionChunk]:
        """See ``Source``."""
        chunks = []
        while True:
            if self._sent is None:
                next_ns = self._next * NS_PER_S // self._frames_per_s
                if next_ns > now_ns:
                    return chunks
                self._sent = self._policy.chunk(next_ns, *where(next_ns))
            chunk, arrival_ns, lost = self._sent
            if arrival_ns > now_ns:
                return chunks
            done = -(-arrival_ns * self._frames_per_s // NS_PER_S)
            self._next = max(self._next + self._replan, done)
            self._sent = None
            chunks += [] if lost else [chunk]


class Recorded:
    """Chunks of a recording, each at the instant that it is given.

    Args:
        chunks: in the order of their observations, from 0 ns on.
        arrivals_ns: [N] instants; one that is negative never arrives.
    """

    def __init__(self, chunks: list[ActionChunk], arrivals_ns: np.ndarray) -> None:
        kept = [(int(at), chunk) for at, chunk in zip(arrivals_ns, chunks, strict=True) if at >= 0]
        self._left = sorted(kept, key=lambda pair: pair[0])

    def arrived(self, now_ns: int, where: Where) -> list[ActionChunk]:
        """See ``Source``; a recording does not mind where the robot is."""
        del where
        due = [chunk for at, chunk in self._left if at <= now_ns]
        self._left = self._left[len(due) :]
        return due


@dataclass(frozen=True)
class Played:
    """What the robot got, one row per tick, from the first command on.

    Attributes:
        period_s: time between two ticks.
        commands: [T, A].
        along_s: [T] how far along its path the chunk in force means each command to be; of a chunk
            that was not made from a path, counted from its observation.
        wanted: [T, A] what the chunk in force says for the instant of the command; NaN in a hold.
        holding: [T] bool, no chunk was followed.
        limited: [T] bool, a limit held a joint of the arm back.
        seams: [T] bool, the first command after a chunk took over.
        playback: [T] share of its own speed at which the chunk was played, 0 in a hold.
        refused: chunks that were refused.
    """

    period_s: float
    commands: Float
    along_s: Float
    wanted: Float
    holding: np.ndarray
    limited: np.ndarray
    seams: np.ndarray
    playback: Float
    refused: int


def play(
    robot: Embodiment,
    settings: ControllerSettings,
    source: Source,
    seconds: float,
    start: Float | None = None,
) -> Played:
    """Runs the controller at its rate for some time, enabled from the second tick on.

    Args:
        robot: whose joints.
        settings: of the controller.
        source: of the chunks.
        seconds: how long.
        start: [A] pose to start from, home by default.

    Raises:
        RuntimeError: the controller does not let itself be enabled.
    """
    controller = Controller(robot, settings)
    pose = np.array(robot.home if start is None else start, dtype=np.float64)
    columns = [robot.action_joints.index(name) for name in robot.state_joints]
    arm = {joint.name for joint in robot.joints if joint.kind not in ("gripper", "base")}
    observed: dict[int, float] = {}
    followed, along, rows = -1, 0.0, []
    for tick in range(round(seconds * settings.rate_hz)):
        since_ns = round(tick * NS_PER_S / settings.rate_hz)
        now = _START_NS + since_ns
        controller.on_state(now, robot.state_joints, pose[columns])
        if tick == 1:
            done, why = controller.enable(now)
            if not done:
                raise RuntimeError(f"enable: {why}")
        observed[since_ns], present = along, pose
        for chunk in source.arrived(since_ns, lambda ns: (observed[ns], present)):  # noqa: B023
            controller.on_chunk(_moved(chunk, _START_NS), now)
        out = controller.tick(now)
        if out.command is None:
            continue
        pose, buffer = out.command, controller.buffer
        in_force, motion = buffer.in_force, buffer.motion
        joined = in_force is not None and in_force.sequence != followed
        followed = in_force.sequence if joined else followed
        holding, limited = out.mode != Mode.ACTIVE, bool(arm.intersection(out.limited))
        rate = 0.0
        if not holding:
            instant = motion.played(now + settings.period_ns)
            over = in_force.horizon - 1 - buffer.rows_left(instant)
            along = (
                observed.get(in_force.observation_ns - _START_NS, 0.0)
                + (over * in_force.step_ns + in_force.start_ns - in_force.observation_ns) / NS_PER_S
            )
            rate = buffer.playback * motion.rate(now + settings.period_ns)
        wanted = np.full_like(pose, np.nan) if out.wanted is None else out.wanted
        rows.append((pose, along, wanted, holding, limited, joined, rate))
    commands, alongs, wanted, holding, limited, seams, playback = map(np.array, zip(*rows))
    return Played(
        settings.period_s,
        commands,
        alongs,
        wanted,
        holding,
        limited,
        seams,
        playback,
        controller.report(now).chunks_refused,
    )


def _moved(chunk: ActionChunk, by_ns: int) -> ActionChunk:
    """The chunk at another time."""
    return ActionChunk(
        chunk.observation_ns + by_ns,
        chunk.start_ns + by_ns,
        chunk.step_ns,
        chunk.rows,
        chunk.names,
        chunk.session,
        chunk.sequence,
        chunk.policy,
        chunk.prefix_rows,
    )
