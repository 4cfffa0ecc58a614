"""What the controller says of itself, from real reports and from changed ones."""

from dataclasses import replace

import numpy as np
import pytest

from dreamzero_policy.clock_offset import Offset
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.report import Authority, Mode
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.embodiments import get
from dreamzero_policy.ros.diagnostics import Level
from dreamzero_policy.ros.ticker import Timing
from dreamzero_policy.statuses.controller_diagnostics import clock_diagnosis, controller_diagnoses
from dreamzero_policy.types import NS_PER_S, ActionChunk

DROID = get("droid")
SETTINGS = ControllerSettings()
STEADY = Timing(1 / 30, 0.0004, 0.0005)
START_NS = 1_700_000_000 * NS_PER_S


def diagnoses(report, timing=STEADY):
    found = controller_diagnoses(report, timing, SETTINGS, DROID.action_joints)
    return {one.name: one for one in found}


class Run:
    """A controller in virtual time."""

    def __init__(self):
        self.controller, self.now_ns = Controller(DROID, SETTINGS), START_NS

    def measure(self):
        self.controller.on_state(self.now_ns - 1_000_000, DROID.state_joints, DROID.state_at_home())

    def tick(self, count=1, *, measured=True):
        for _ in range(count):
            self.now_ns += SETTINGS.period_ns
            if measured:
                self.measure()
            self.controller.tick(self.now_ns)

    def chunk(self):
        rows = np.tile(np.array(DROID.home), (24, 1))
        chunk = ActionChunk(
            self.now_ns, self.now_ns, DROID.time_base.row_ns, rows, DROID.action_joints, START_NS, 0
        )
        self.controller.on_chunk(chunk, self.now_ns)

    def found(self):
        return diagnoses(self.controller.report(self.now_ns))


@pytest.fixture
def active():
    """A controller that follows a chunk."""
    run = Run()
    run.tick(2)
    run.chunk()
    assert run.controller.enable(run.now_ns)[0]
    run.tick(3)
    return run


def test_a_controller_that_follows_is_well(active):
    found = active.found()
    assert {one.level for one in found.values()} == {Level.OK}
    loop = found["control loop"]
    assert loop.message == "active"
    assert loop.values["authority"] == "policy"
    assert loop.values["period_worst_s"] == 0.0004
    assert found["chunks"].message.endswith(" rows left")
    assert found["chunks"].values["accepted"] == 1
    assert found["watchdogs"].values["driver"] == "it never spoke"
    assert found["watchdogs"].values["chunk"] == "0.100 s of 2 s"
    assert found["limits"].values["limited_ticks panda_joint1"] == 0


def test_before_anybody_asks_for_motion_only_the_missing_pose_is_a_matter():
    run = Run()
    run.tick(measured=False)
    found = run.found()
    assert found["control loop"].level is Level.OK
    assert found["control loop"].message == "inactive, not_enabled: motion is not enabled"
    assert found["chunks"].message == "none in force"
    assert (found["watchdogs"].level, found["watchdogs"].message) == (
        Level.WARN,
        "state: no pose yet",
    )
    run.tick()
    assert run.found()["watchdogs"].level is Level.OK


def test_a_hold_says_which_deadline_has_passed(active):
    active.tick(8, measured=False)
    found = active.found()
    assert found["control loop"].level is Level.WARN
    assert found["control loop"].message.startswith("holding, stale_state: the measured pose is 0.")
    assert found["watchdogs"].level is Level.WARN
    assert found["watchdogs"].message.startswith("state: the measured pose is 0.")
    assert found["watchdogs"].values["state"].endswith("of 0.2 s, late")


def test_a_chunk_that_ended_is_named(active):
    active.tick(60)
    found = active.found()
    assert "stale_chunk" in found["control loop"].message
    assert found["watchdogs"].message.startswith("chunk: chunk 0 has -")


def test_an_emergency_stop_is_an_error(active):
    active.controller.estop("the button")
    active.tick()
    found = active.found()
    assert found["control loop"].level is Level.ERROR
    assert found["control loop"].message == "emergency stop: the button"
    assert found["control loop"].values["estopped"] is True


def test_what_ended_motion_is_an_error_until_the_next_enable(active):
    active.controller.disarm("second_publisher", "two of them")
    active.tick(20)
    loop = active.found()["control loop"]
    assert (loop.level, loop.message) == (Level.ERROR, "disarmed, second_publisher: two of them")


@pytest.mark.parametrize(
    ("changed", "part", "level", "message"),
    [
        (
            {"mode": Mode.RELEASED, "enabled": False, "hold_reason": "released"},
            "control loop",
            Level.WARN,
            "the operator let go of the robot",
        ),
        (
            {"mode": Mode.HOLDING, "hold_reason": "no_instruction", "message": "nothing to do"},
            "control loop",
            Level.OK,
            "holding, no_instruction: nothing to do",
        ),
        (
            {"playback": 0.5},
            "chunks",
            Level.WARN,
            "inference is slower than its chunks: played at 0.50 of their speed",
        ),
        ({"limited": ("panda_joint2",)}, "limits", Level.OK, "holding back panda_joint2"),
        ({"driver_age_s": 0.7}, "watchdogs", Level.WARN, "driver: 0.700 s of 0.5 s, late"),
        (
            {"mode": Mode.HOLDING, "hold_reason": "clock_jump", "message": "the clock jumped"},
            "watchdogs",
            Level.WARN,
            "clock: the clock jumped",
        ),
        (
            {"mode": Mode.HOLDING, "hold_reason": "overrun", "message": "late"},
            "watchdogs",
            Level.WARN,
            "overrun: late",
        ),
        ({"authority": Authority.HUMAN}, "control loop", Level.OK, "active"),
    ],
)
def test_what_else_a_report_may_say(active, changed, part, level, message):
    report = replace(active.controller.report(active.now_ns), **changed)
    found = diagnoses(report)[part]
    assert (found.level, found.message) == (level, message)


def test_a_slower_chunk_may_be_older(active):
    report = replace(active.controller.report(active.now_ns), playback=0.5, chunk_age_s=3.0)
    assert diagnoses(report)["watchdogs"].values["chunk"] == "3.000 s of 4 s"


def test_a_pose_stamped_by_a_clock_that_is_ahead_is_a_pose(active):
    report = replace(active.controller.report(active.now_ns), state_age_s=-0.01)
    found = diagnoses(report)["watchdogs"]
    assert (found.level, found.values["state"]) == (Level.OK, "-0.010 s of 0.2 s")


def test_a_loop_that_stumbles_says_so(active):
    report = active.controller.report(active.now_ns)
    found = diagnoses(report, Timing(0.034, 0.25, 0.001))["control loop"]
    assert (found.level, found.message) == (Level.WARN, "a tick came 0.250 s off its period")


def test_a_policy_that_should_hold_its_chunks_to_the_ones_before_and_does_not(active):
    report = active.controller.report(active.now_ns)
    for accepted, without, level in ((20, 2, Level.OK), (20, 11, Level.WARN), (3, 3, Level.OK)):
        changed = replace(report, chunks_accepted=accepted, without_prefix=without)
        chunks = diagnoses(changed)["chunks"]
        assert chunks.level == level
        assert chunks.values["without_prefix"] == without
    assert (
        "real_time_chunking=true"
        in diagnoses(replace(report, chunks_accepted=20, without_prefix=11))["chunks"].message
    )


@pytest.mark.parametrize(
    ("least_s", "most_s", "level", "words"),
    [
        (-0.002, 0.003, Level.OK, "+0.0005 s, give or take 0.0025 s"),
        (-0.500, 0.300, Level.OK, "-0.1000 s, give or take 0.4000 s"),  # late, not apart
        (0.048, 0.052, Level.WARN, "ahead of this host's by +0.0500 s, give or take 0.0020 s"),
        (-0.310, -0.300, Level.ERROR, "behind this host's by -0.3050 s"),
    ],
)
def test_the_policy_clock_is_called_apart_only_where_that_is_certain(least_s, most_s, level, words):
    apart = Offset(round(least_s * 1e9), round(most_s * 1e9))
    found = clock_diagnosis(apart, 0.1)
    assert (found.level, found.name) == (level, "policy clock")
    assert words in found.message


def test_a_policy_that_nobody_hears_has_no_clock():
    assert clock_diagnosis(None, 0.1).message == "not compared: no policy is heard"
