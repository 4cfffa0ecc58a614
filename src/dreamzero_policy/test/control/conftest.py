"""Robots, chunks and the one check of a command sequence that every control test shares.

Property tests run hypothesis' default number of examples; ``--hypothesis-profile=fuzz`` runs more,
and ``make fuzz`` repeats that with new seeds for hours.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.report import DriverMode, Mode, Tick
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import NS_PER_S

settings.register_profile(
    "fuzz", max_examples=500, deadline=None, suppress_health_check=list(HealthCheck)
)

START_NS = 1_700_000_000 * NS_PER_S
PERIOD = 33_333_333


class Bench:
    """A controller, a robot that follows its commands at once, and a clock."""

    def __init__(self, embodiment, chunk_of: Callable, **changes) -> None:
        self.embodiment, self._chunk_of = embodiment, chunk_of
        self.controller = Controller(embodiment, ControllerSettings(**changes))
        self.now, self.pose, self.sequence = START_NS, np.array(embodiment.home), 0
        self.columns = [embodiment.action_joints.index(name) for name in embodiment.state_joints]
        self.sent: list[np.ndarray] = []
        self.human: np.ndarray | None = None  # a target that comes before every tick
        self.driver: int | None = None  # a session whose status comes before every tick

    def measure(self) -> str | None:
        positions = self.pose[self.columns]
        return self.controller.on_state(self.now, self.embodiment.state_joints, positions)

    def tick(self, count: int = 1, *, measured: bool = True) -> Tick:
        for _ in range(count):
            self.now += PERIOD
            if measured:
                self.measure()
            if self.human is not None:
                assert self.teleop(self.human) is None
            if self.driver is not None:
                self.controller.on_driver(self.driver, DriverMode.FOLLOWING, "", self.now)
            tick = self.controller.tick(self.now)
            if tick.command is not None:
                self.pose = tick.command.copy()
                self.sent.append(self.pose)
        return tick

    def chunk(self, target: np.ndarray | None = None, rows: np.ndarray | None = None, **changes):
        if rows is None:
            pose = np.array(self.embodiment.home) if target is None else target
            rows = np.tile(pose, (self.embodiment.time_base.rows_per_chunk, 1))
        changes.setdefault("sequence", self.sequence)
        self.sequence += 1
        chunk = self._chunk_of(self.embodiment, rows, self.now, **changes)
        return self.controller.on_chunk(chunk, self.now)

    def teleop(self, target: np.ndarray) -> str | None:
        joints = self.embodiment.joints
        order = [i for i, joint in enumerate(joints) if joint.kind != "base"][::-1]
        names = [joints[i].name for i in order]
        return self.controller.on_teleop(self.now, names, target[order])

    def move(self, amount: float = 0.1) -> np.ndarray:
        """A pose with every arm joint moved."""
        arm = np.array([joint.kind == "revolute" for joint in self.embodiment.joints])
        return np.array(self.embodiment.home) + amount * arm

    def run(self, amount: float = 0.15, ticks: int = 12) -> Tick:
        """Enables and follows a ramp until the joints are well under way."""
        self.tick(2)
        assert self.controller.enable(self.now) == (True, "motion is enabled")
        rows = self.embodiment.time_base.rows_per_chunk
        share = np.linspace(0.0, 1.0, rows)[:, None]
        home = np.array(self.embodiment.home)
        self.chunk(rows=home + share * 6 * (self.move(amount) - home))
        tick = self.tick(ticks)
        assert tick.mode == Mode.ACTIVE
        return tick

    def speed(self) -> float:
        return float(
            np.abs(self.sent[-1] - self.sent[-2]).max() / self.controller.settings.period_s
        )


@pytest.fixture
def bench_of(chunk_of) -> Callable[..., Bench]:
    """Makes a bench of a robot, with settings."""
    return lambda embodiment, **changes: Bench(embodiment, chunk_of, **changes)


@pytest.fixture
def bench(bench_of, droid) -> Bench:
    return bench_of(droid)
