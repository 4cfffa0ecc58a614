"""Humans, drivers, restarted policies and releases: no order of them makes a command unsafe.

``test_adversary.py`` tells stories of chunks; here chunks are sound most of the time, and what
happens around them is not.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import Authority, DriverMode, Mode
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.types import ActionChunk

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

HUMANS = ("near", "follows", "far", "jumps", "nan", "old", "future", "wrong_names", "gone")
EVENTS = (
    *("enable", "enable", "enable", "disable", "estop", "reset_estop", "release", "take_back"),
    *("chunk", "chunk", "slow_chunk", "nan_chunk", "other_policy", "new_policy", "idle"),
    *(f"human_{kind}" for kind in HUMANS),
    *("human_near", "human_follows", "human_follows"),
    *("driver", "driver", "driver_gone", "new_driver", "driver_fault", "driver_released"),
    *("no_state", "state", "state", "overrun", "jump_back", "jump_ahead", "second_publisher"),
)
REASONS = {
    *("teleop_too_far", "no_instruction", "stale_driver", "driver_restarted", "driver_fault"),
    *("driver_released", "policy_restarted", "released", "overrun", "clock_jump", "estopped"),
    *("second_publisher", "stale_state", "non_finite"),
}


class Scene:
    """A controller with all that speaks to it, and a judge of every tick."""

    def __init__(self, embodiment, seed: int, **changes) -> None:
        self.embodiment, self.limits = embodiment, Limits.of(embodiment)
        self.controller = Controller(embodiment, ControllerSettings(**changes))
        self.rng, self.now = np.random.default_rng(seed), NOW
        self.period_ns = self.controller.settings.period_ns
        self.pose = np.array(embodiment.home)
        self.columns = [embodiment.action_joints.index(n) for n in embodiment.state_joints]
        self.session, self.sequence, self.policy = NOW, 0, 1
        self.human, self.driver, self.mode = "gone", 0, DriverMode.FOLLOWING
        self.measured = True
        self.target = self.pose.copy()
        self.runs: list[list[np.ndarray]] = []
        self.sending = self.allowed = False
        self.seen: set = set()

    def play(self, event: str, ticks: int) -> None:
        """One event, then some ticks."""
        controller = self.controller
        if event == "enable":
            self.allowed = controller.enable(self.now)[0]
        elif event in ("disable", "release", "take_back", "reset_estop"):
            getattr(controller, event)()
        elif event == "estop":
            controller.estop("test")
        elif event.endswith("chunk") or event in ("other_policy", "new_policy"):
            self.offer(event)
        elif event == "idle":
            controller.on_policy_idle(int(self.rng.choice([0, self.session])))
        elif event.startswith("human_"):
            self.human = event.removeprefix("human_")
        elif event == "driver":
            self.driver, self.mode = self.driver or 7, DriverMode.FOLLOWING
        elif event == "driver_gone":
            self.driver = 0
        elif event == "new_driver":
            self.driver, self.mode = int(self.rng.integers(1, 2**63)), DriverMode.HOLDING
        elif event in ("driver_fault", "driver_released"):
            self.mode = int(self.rng.choice([3, 77])) if event == "driver_fault" else 2
        elif event == "no_state":
            self.measured = False
        elif event == "state":
            self.measured = True
        elif event == "second_publisher":
            controller.disarm("second_publisher", "two of them")
        else:
            gap = {"overrun": 0.2, "jump_back": -0.3, "jump_ahead": 5.0}[event]
            self.now += int(gap * SECOND)
        for _ in range(ticks):
            self.tick()

    def offer(self, kind: str) -> None:
        """A chunk that goes on from where the robot is."""
        rng, horizon = self.rng, 24
        rows = np.tile(np.clip(self.pose, self.limits.lower, self.limits.upper), (horizon, 1))
        moving = rng.uniform(-1, 1, rows.shape[1]) * (rng.random(rows.shape[1]) < 0.7)
        span = self.limits.upper - self.limits.lower
        rows += np.linspace(0, 1, horizon)[:, None] * 0.2 * span * moving
        if kind == "nan_chunk":
            rows[3, 0] = np.nan
        if kind == "new_policy":
            self.policy, self.session, self.sequence = self.policy + 1, self.now, 0
        policy = self.policy + (kind == "other_policy") * 1000
        late = int(rng.uniform(1.0, 3.0) * SECOND) if kind == "slow_chunk" else SECOND // 10
        at, step = self.now - late, self.embodiment.time_base.row_ns
        names = self.embodiment.action_joints
        chunk = ActionChunk(at, at, step, rows, names, self.session, self.sequence, policy)
        self.sequence += 1
        self.controller.on_chunk(chunk, self.now)

    def speak(self) -> None:
        """What comes before every tick: pose, driver, human."""
        controller, rng = self.controller, self.rng
        if self.measured:
            names = self.embodiment.state_joints
            controller.on_state(self.now, names, self.pose[self.columns])
        if self.driver:
            controller.on_driver(self.driver, self.mode, "", self.now)
        if self.human == "gone":
            return
        joints = [j.name for j in self.embodiment.joints if j.kind != "base"]
        values = self.pose[[self.embodiment.action_joints.index(name) for name in joints]]
        if self.human == "near":
            self.target = values + rng.uniform(-0.04, 0.04, len(values))
        elif self.human == "follows" and self.target.shape == values.shape:
            self.target = self.target + rng.uniform(-0.05, 0.05, len(values))
        elif self.human == "far":
            self.target = values + 3.0
        elif self.human == "jumps":
            self.target = values + rng.choice([-0.15, 0.15, 0.4, -0.4]) * rng.random(len(values))
        else:
            self.target = values
        target = self.target * np.nan if self.human == "nan" else self.target
        stamp = self.now + int({"old": -SECOND, "future": 9 * SECOND}.get(self.human, 0))
        names = joints[:-1] if self.human == "wrong_names" else joints
        controller.on_teleop(stamp, names, target)
        if self.limits.base.any() and rng.random() < 0.8:
            speed = 3.0 * self.limits.upper * rng.uniform(-1.0, 1.0)
            controller.on_teleop_base(speed * np.nan if self.human == "nan" else speed)

    def tick(self) -> None:
        """One tick, judged."""
        self.now += self.period_ns
        self.speak()
        controller, was_enabled = self.controller, self.controller.enabled
        stopped = controller.estopped
        tick = controller.tick(self.now)
        report = controller.report(self.now)
        assert report.estopped == stopped, "a tick neither stops for good nor releases"
        assert (tick.authority != Authority.NOBODY) <= (tick.mode == Mode.ACTIVE)
        assert (tick.mode == Mode.ACTIVE) <= (controller.enabled and not stopped)
        if tick.early:
            return
        self.seen |= {tick.mode, tick.authority, tick.hold_reason}
        if controller.enabled and controller.driver_session:
            assert self.driver in (0, controller.driver_session), "another driver is commanded"
        if controller.releasable:
            assert tick.command is None
        if tick.command is None:
            assert not was_enabled or not controller.enabled
            self.sending = False
            return
        if not self.sending:
            assert self.allowed, "a command that nobody allowed"
            self.allowed, self.sending = False, True
            self.runs.append([])
        if stopped or report.released or tick.mode == Mode.HOLDING:
            assert tick.authority == Authority.NOBODY
        self.runs[-1].append(tick.command)
        self.pose = tick.command.copy()


stories = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(0, 16)), min_size=8, max_size=24
).map(lambda events: [("driver", 2), ("enable", 2), ("chunk", 6), *events])


@pytest.mark.parametrize("robot", ["droid", "wheeled"])
@settings(deadline=None, max_examples=30)
@given(events=stories, seed=st.integers(0, 2**32 - 1))
def test_no_order_of_humans_drivers_and_policies_is_unsafe(
    droid, wheeled, require_within, robot, events, seed
):
    scene = Scene(wheeled if robot == "wheeled" else droid, seed)
    scene.tick()
    for event, ticks in events:
        scene.play(event, ticks)
    for commands in scene.runs:
        require_within(commands, scene.limits, scene.controller.settings.period_s)


def test_the_scenes_see_everything(droid):
    """The property above is worth nothing if its scenes never come to what it is about."""
    wanted, seen = set(Mode) | set(Authority) | REASONS, set()
    for seed in range(60):
        scene, picks = Scene(droid, seed), np.random.default_rng(seed).choice(EVENTS, 24)
        for event in ("driver", "enable", "chunk", *picks.tolist()):
            scene.play(event, 8)
        seen |= scene.seen
        if seen >= wanted:
            return
    pytest.fail(f"never seen: {wanted - seen}")


@settings(deadline=None, max_examples=15)
@given(events=stories, seed=st.integers(0, 2**32 - 1))
def test_after_an_emergency_stop_nothing_moves_until_it_is_reset(droid, events, seed):
    scene = Scene(droid, seed)
    scene.tick()
    for event, ticks in events[:8]:
        scene.play(event, ticks)
    scene.play("estop", 30)
    at = scene.pose.copy()
    for event, ticks in events[8:]:
        if event != "reset_estop":
            scene.play(event, ticks)
            assert scene.controller.estopped
            np.testing.assert_allclose(scene.pose, at, atol=1e-5)
