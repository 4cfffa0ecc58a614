"""The G1 as its node sees it: the embodiment's facts, modes, and a link that fails."""

import math
import os
import signal
import time

import pytest

from agibot_bridge.layout import GROUPS, JOINTS
from agibot_driver.hardware import G1Robot, layout
from agibot_driver.link import Link, State
from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.ros.driver_robot import Mode

MS = 1_000_000
READ = [0.1] * 14 + [35.0, 120.0] + [0.0, 0.3] + [0.5, 0.3]
POSE = [0.1] * 14 + [0.0, 1.0] + [0.0, 0.3] + [0.5, 30.0]


class FakeLink:
    """A link whose far end is the test."""

    def __init__(self):
        self.now = 10**12
        self.sent, self.problem, self.up = [], "", True
        self.clear_answer, self.welcome, self.clocks, self.connections = "", {}, None, 1
        self.state = None
        self.say()

    def say(self, mode="holding", reason="no command yet", **changes):
        state = State("1", self.now, self.now, self.now, list(READ), mode, reason, 0, 0, "")
        self.state = state._replace(**changes)

    def send(self, kind, **fields):
        if self.up:
            self.sent.append((kind, fields))
        return self.up

    def wait_for(self, done, seconds):
        return self.state is not None and done(self.state)

    def clear_fault(self, seconds):
        return self.clear_answer

    def lose(self, problem):
        self.up, self.state, self.problem = False, None, problem

    def close(self):
        self.sent.append(("close", {}))


class Rig:
    def __init__(self):
        self.link = FakeLink()
        self.robot = G1Robot(self.link, 0.2, 0.25, 0.5)

    def round(self, milliseconds=10, say=True, **said):
        self.link.now += milliseconds * MS
        if say and self.link.up:
            self.link.say(**said)
        return self.robot.advance(self.link.now, 10**18 + self.link.now)

    def command(self, positions=POSE, names=JOINTS):
        self.robot.command(names, positions, self.link.now)

    @property
    def kinds(self):
        return [kind for kind, _ in self.link.sent]


@pytest.fixture
def rig():
    return Rig()


def test_the_bridge_is_told_the_embodiments_facts():
    said = layout()
    assert [joint.name for joint in said.joints] == list(AGIBOT_G1.state_joints) == list(JOINTS)
    for one in said.joints:
        joint = AGIBOT_G1.joint(one.name)
        assert (one.lower, one.upper, one.velocity) == (joint.lower, joint.upper, joint.velocity)
        for value in (joint.lower, 0.3 * joint.lower + 0.7 * joint.upper, joint.upper):
            # Wire to model and back: what is read, and what is commanded.
            assert one.measured(joint.state_wire.to_wire(value)) == pytest.approx(value, abs=1e-9)
            assert one.command(value) == pytest.approx(joint.command_wire.to_wire(value), abs=1e-9)
            assert one.wanted(one.command(value)) == pytest.approx(value, abs=1e-9)
    assert said.joints[JOINTS.index("left_gripper_joint1")].measured(120.0) == 1.0
    lift = said.joints[JOINTS.index("waist_lift_joint")]
    assert lift.command(lift.measured(0.42)) == pytest.approx(42.0)  # read m, commanded cm
    assert (said.forward, said.yaw) == (0.15, 0.40)
    assert sum(map(len, GROUPS.values())) == 20


def test_what_is_measured_is_stamped_with_when(rig):
    reading = rig.round(measured_ns=rig.link.now + 6 * MS)
    assert reading.stamp_ns == 10**18 + rig.link.now - 4 * MS
    assert reading.positions.tolist() == READ
    assert reading.velocities.tolist() == [0.0] * 20
    assert rig.round(0, say=False) is None  # nothing new
    for step in range(1, 11):
        reading = rig.round(positions=[READ[0] + 0.01 * step, *READ[1:]])
    assert reading.velocities[0] == pytest.approx(1.0)
    assert reading.velocities[1:].tolist() == [0.0] * 19


def test_commands_are_followed_and_silence_holds(rig):
    rig.round()
    rig.command(POSE[::-1], JOINTS[::-1])  # by name, in any order
    kind, fields = rig.link.sent[0]
    assert (kind, fields["positions"]) == ("command", POSE)
    assert fields["seen_ns"] == rig.link.state.stamp_ns
    rig.command()
    assert rig.link.sent[1][1]["sequence"] > fields["sequence"]
    rig.round(mode="following", reason="")
    assert rig.robot.state == (Mode.FOLLOWING, "")
    rig.round(201)
    assert rig.robot.state == (Mode.HOLDING, "no command for 0.2 s")
    assert rig.kinds == ["command", "command", "hold"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({0: math.nan}, "left_arm_joint1: command is nan"),
        ({0: 0.7}, "left_arm_joint1: command 0.7 is 0.6 rad from the measured 0.1, more than 0.5"),
        ({1: 1.49}, r"left_arm_joint2: command 1.49 is outside \[-2.09, 1.48\]"),
        ({14: 35.0}, r"left_gripper_joint1: command 35 is outside \[0, 1\]"),
        ({17: 0.36}, "head_pitch_joint: command 0.36 is outside"),
        ({19: 50.1}, r"waist_lift_joint: command 50.1 is outside \[0, 50\]"),
    ],
)
def test_a_refused_command_is_not_sent(rig, change, match):
    rig.round()
    positions = [change.get(index, value) for index, value in enumerate(POSE)]
    with pytest.raises(ValueError, match=match):
        rig.command(positions)
    with pytest.raises(ValueError, match="missing: waist_lift_joint"):
        rig.command(POSE[:-1], JOINTS[:-1])
    assert rig.link.sent == []
    assert rig.robot.state[0] == Mode.HOLDING


def test_the_base_rolls_only_while_commands_are_followed(rig):
    rig.round()
    rig.robot.drive(0.0, 0.0)
    with pytest.raises(ValueError, match="stands still while the robot holds: no command yet"):
        rig.robot.drive(0.1, 0.0)
    rig.command()
    rig.robot.drive(0.1, -0.4)
    assert rig.link.sent[-1][0] == "base"
    for forward, yaw in ((0.151, 0.0), (0.0, math.nan), (0.0, -0.41), (math.inf, 0.0)):
        with pytest.raises(ValueError, match=r"base (forward|yaw): command"):
            rig.robot.drive(forward, yaw)


def test_a_lost_link_holds_refuses_and_resumes(rig):
    rig.round()
    rig.command()
    rig.link.lose("bridge at 10.42.0.10:47100: Connection refused")
    assert rig.round() is None
    missing = "the bridge is lost: bridge at 10.42.0.10:47100: Connection refused"
    assert rig.robot.state == (Mode.HOLDING, missing)
    with pytest.raises(ValueError, match=missing):
        rig.command()
    rig.link.up, rig.link.problem = True, ""
    assert rig.round() is not None
    assert rig.robot.state == (Mode.HOLDING, "the bridge is back; no command since")
    rig.command()
    assert rig.robot.state[0] == Mode.FOLLOWING


def test_a_bridge_that_says_nothing_is_lost(rig):
    rig.round()
    rig.command()
    rig.round(260, say=False)
    assert rig.robot.state == (Mode.HOLDING, "the bridge is lost: no state for 0.25 s")
    with pytest.raises(ValueError, match="no state for"):
        rig.command()


def test_a_socket_that_takes_nothing_refuses(rig):
    rig.round()
    rig.link.up, rig.link.problem = False, "it does not read what it is sent"
    with pytest.raises(ValueError, match="does not read"):
        rig.command()
    assert rig.robot.state[0] == Mode.HOLDING


def test_another_run_of_the_bridge_is_a_fault(rig):
    rig.round()
    rig.command()
    rig.round(bridge="2", stamp_ns=5)
    assert rig.robot.state[0] == Mode.FAULT
    assert "the bridge was restarted" in rig.robot.state[1]
    assert rig.round(bridge="2", stamp_ns=6) is not None  # another clock
    rig.robot.clear_fault()
    assert rig.robot.state[0] == Mode.HOLDING


def test_a_fault_of_the_bridge_stays_until_both_ends_are_clear(rig):
    rig.round()
    rig.command()
    rig.round(mode="fault", reason="move_arm failed")
    assert rig.robot.state == (Mode.FAULT, "move_arm failed")
    rig.round(mode="holding", reason="")
    assert rig.robot.state[0] == Mode.FAULT
    with pytest.raises(ValueError, match="has a fault"):
        rig.command()
    rig.link.clear_answer = "the robot says left_arm_estop True"
    with pytest.raises(ValueError, match="still there: the robot says left_arm_estop"):
        rig.robot.clear_fault()
    rig.link.clear_answer = ""
    rig.round(mode="fault", reason="move_arm failed")
    with pytest.raises(ValueError, match="still there: the bridge says so"):
        rig.robot.clear_fault()
    rig.round(mode="holding", reason="")
    rig.robot.clear_fault()
    assert rig.robot.state == (Mode.HOLDING, "fault cleared; no command since")
    with pytest.raises(ValueError, match="no fault to clear"):
        rig.robot.clear_fault()


def test_a_robot_that_does_not_report_takes_no_command(rig):
    rig.round(positions=None, mode="fault", reason="the SDK has no states for 0.5 s")
    assert rig.robot.state[0] == Mode.FAULT
    rig.link.clear_answer = ""
    rig.round(positions=None)
    rig.robot.clear_fault()
    with pytest.raises(ValueError, match="does not report"):
        rig.command()


def test_a_bridge_that_goes_on_holding_is_believed(rig):
    rig.round()
    for _ in range(40):
        rig.command()
        rig.round(refused=3, last_refusal="the command knows the robot as it was 0.3 s ago")
        if rig.robot.state[0] != Mode.FOLLOWING:
            break
    said = "the bridge holds: the command knows the robot as it was 0.3 s ago"
    assert rig.robot.state == (Mode.HOLDING, said)


def test_a_released_robot_is_told_nothing(rig):
    rig.round()
    rig.command()
    with pytest.raises(ValueError, match="end motion first"):
        rig.robot.release()
    rig.robot.hold("because")
    assert "no call that frees the motors" in rig.robot.release()
    rig.link.sent.clear()
    with pytest.raises(ValueError, match="released"):
        rig.command()
    rig.round()
    rig.link.lose("gone")
    rig.round()
    assert rig.robot.state[0] == Mode.RELEASED
    assert rig.link.sent == []
    rig.robot.take_back()
    assert rig.robot.state[0] == Mode.HOLDING


def test_bad_settings_are_refused():
    link = FakeLink()
    for values in ((0.2, 0.0, 0.5), (0.2, 0.25, 0.0), (0.0, 0.25, 0.5)):
        with pytest.raises(ValueError, match="expected more than 0"):
            G1Robot(link, *values)
    link.lose("nobody there")
    with pytest.raises(ValueError, match="has not reported: nobody there"):
        G1Robot(link, 0.2, 0.25, 0.5)


# The link itself, with the real bridge.


def linked(bridge):
    link = Link("127.0.0.1", bridge.port, layout(), 1.0, "test")
    assert link.wait_for(lambda state: state.positions is not None, 10), link.problem
    return link


@pytest.mark.slow
def test_a_link_measures_clocks_and_comes_back_after_kill_9(bridge, make_bridge):
    link = linked(bridge)
    end = time.monotonic() + 5
    while link.clocks is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    # One host, one clock: what is measured is off by less than a round trip.
    assert abs(link.clocks.offset_ns) <= link.clocks.round_trip_ns
    assert abs(link.clocks.wall_offset_ns) <= link.clocks.round_trip_ns + MS
    assert link.state.measured_ns <= link.state.arrived_ns
    first = link.state.bridge
    bridge.kill()
    end = time.monotonic() + 5
    while not link.problem:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert link.state is None
    assert not link.send("hold", reason="x")
    assert "no connection to the bridge" in link.clear_fault(0.1)
    again = make_bridge("--head-reads", "degrees", port=bridge.port).serving()
    assert link.wait_for(lambda state: state.positions is not None, 10), again.log
    assert (link.connections, link.state.bridge != first) == (2, True)
    link.close()


@pytest.mark.slow
def test_a_link_to_a_stopped_bridge_is_silent_then_ended(bridge):
    link = linked(bridge)
    os.kill(bridge.child.pid, signal.SIGSTOP)
    try:
        end = time.monotonic() + 5
        while "silent for 1 s" not in link.problem:
            assert time.monotonic() < end, link.problem
            time.sleep(0.02)
    finally:
        os.kill(bridge.child.pid, signal.SIGCONT)
    assert link.wait_for(lambda state: state.positions is not None, 10), link.problem
    link.close()
