"""Robots, chunks and the one check of a command sequence that every control test shares.

Property tests run hypothesis' default number of examples; ``--hypothesis-profile=fuzz`` runs more,
and ``make fuzz`` repeats that with new seeds for hours.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import DriverMode, Mode, Tick
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.embodiments import get
from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key, TimeBase, View
from dreamzero_policy.types import NS_PER_S, ActionChunk

settings.register_profile(
    "fuzz", max_examples=500, deadline=None, suppress_health_check=list(HealthCheck)
)

START_NS = 1_700_000_000 * NS_PER_S
PERIOD = 33_333_333


@pytest.fixture(scope="session")
def droid() -> Embodiment:
    return get("droid")


@pytest.fixture(scope="session")
def wheeled() -> Embodiment:
    """A robot with one joint of every kind, whose jerk limits bind at 30 Hz."""
    joints = (
        Joint("arm", "revolute", -1.0, 2.0, 1.5, 4.0, 40.0),
        Joint("lift", "prismatic", 0.0, 0.6, 0.1, 0.4, 2.0),
        Joint("hand", "gripper", 0.0, 1.0, 2.0, 20.0, 300.0),
        Joint("drive", "base", -0.5, 0.5, 0.6, 3.0, 60.0),
    )
    measured = ("lift", "arm", "hand")  # another order than the actions'
    return Embodiment(
        name="wheeled",
        tag="test",
        joints=joints,
        state_joints=measured,
        state_keys=(Key("all", 3),),
        action_keys=(Key("all", 4),),
        views=(View("front", "front", 0, 0),),
        native_size=(180, 320),
        view_size=(176, 320),
        time_base=TimeBase(control_hz=30, frame_stride=6, rows_per_chunk=48),
        prompt="{}",
        home=(0.0, 0.3, 0.0, 0.0),
    )


@pytest.fixture(scope="session")
def stiff(droid: Embodiment) -> Limits:
    """DROID's limits with jerk limits that bind."""
    limits = Limits.of(droid)
    return limits.tighten(
        {name: {"jerk": limits.jerk[i] / 100} for i, name in enumerate(limits.names)}
    )


@pytest.fixture(scope="session")
def chunk_of() -> Callable[..., ActionChunk]:
    """Makes a chunk from rows, observed at ``at_ns`` unless told otherwise."""

    def make(robot: Embodiment, rows: np.ndarray, at_ns: int = START_NS, **changes) -> ActionChunk:
        fields = {
            "observation_ns": at_ns,
            "start_ns": at_ns,
            "step_ns": robot.time_base.row_ns,
            "rows": np.asarray(rows, dtype=np.float64),
            "names": robot.action_joints,
            "session": START_NS,
            "sequence": 0,
        }
        return ActionChunk(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def still() -> Callable[..., np.ndarray]:
    """Rows that all ask for one pose."""

    def make(robot: Embodiment, pose: np.ndarray | None = None) -> np.ndarray:
        pose = np.array(robot.home) if pose is None else pose
        return np.tile(pose, (robot.time_base.rows_per_chunk, 1))

    return make


@pytest.fixture(scope="session")
def require_within() -> Callable[..., None]:
    """Fails unless commands, one per period from rest at the first, keep every limit."""

    def check(commands: np.ndarray, limits: Limits, period_s: float) -> None:
        commands = np.asarray(commands)
        assert np.isfinite(commands).all()
        start = commands[0]
        # A joint that starts outside its range may only move inwards.
        low, high = np.minimum(limits.lower, start), np.maximum(limits.upper, start)
        assert (commands >= low).all(), f"below the range by {(low - commands).max(axis=0)}"
        assert (commands <= high).all(), f"above the range by {(commands - high).max(axis=0)}"
        ran = np.maximum.accumulate(np.maximum(limits.lower - commands, 0.0)[::-1], axis=0)[::-1]
        assert (np.diff(ran, axis=0) <= 1e-12).all(), "moved outwards below the range"
        ran = np.maximum.accumulate(np.maximum(commands - limits.upper, 0.0)[::-1], axis=0)[::-1]
        assert (np.diff(ran, axis=0) <= 1e-12).all(), "moved outwards above the range"
        path = np.vstack((start, start, start, commands))  # at rest before the first
        for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
            worst = np.abs(np.diff(path, n=order, axis=0)).max(axis=0) / period_s**order
            assert (worst <= limit * (1.0 + 1e-9)).all(), (
                f"difference {order} is {worst / limit} of its limit"
            )
        for column, slow in enumerate(limits.slowdowns):
            if slow is None:
                continue
            at, rate = commands[1:, column], np.diff(commands[:, column]) / period_s
            steep, room = 2.0 * slow.acceleration, (at - slow.lower_end, slow.upper_end - at)
            down, up = (np.sqrt(np.maximum(steep * left, 0.0)) - slow.offset for left in room)
            name = limits.names[column]
            assert (rate <= np.maximum(up, 0.0) + 1e-9).all(), f"{name}: too fast near its end"
            assert (-rate <= np.maximum(down, 0.0) + 1e-9).all(), f"{name}: too fast near its end"

    return check


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
