"""Arm and gripper as one robot: order, units, refusals, watchdog, and faults that stay."""

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.ros.driver_robot import Mode
from dreamzero_policy.types import NS_PER_S
from franka_driver.arms import FR3
from franka_driver.hardware import ArmReading, FrankaRobot, HardwareFaultError, Margins

NAMES = DROID.action_joints
HOME = np.array(DROID.home[:7])
OPEN_M = 0.04
TICK_NS = NS_PER_S // 100


class FakeArm:
    """Is where it was told to be; writes down what it was told."""

    def __init__(self):
        self.positions, self.trouble, self.calls = HOME.copy(), "", []
        self.silent = False
        self.breaks = self.recovery = None

    def read(self, ros_ns):
        if self.breaks:
            raise HardwareFaultError(self.breaks)
        if self.silent:
            return None
        return ArmReading(ros_ns, self.positions.copy(), np.full(7, 0.1), self.trouble)

    def make_for(self, positions, now_ns):
        if self.breaks:
            raise HardwareFaultError(self.breaks)
        self.calls.append(("make_for", positions))

    def halt(self, positions):
        self.calls.append(("halt", positions))

    def step(self, now_ns):
        if self.breaks:
            raise HardwareFaultError(self.breaks)

    def let_go(self):
        self.calls.append(("let_go",))
        return "push it"

    def recover(self):
        self.calls.append(("recover",))
        if self.recovery:
            raise self.recovery

    def close(self):
        self.calls.append(("close",))


class FakeGripper:
    def __init__(self):
        self.measured, self.wanted, self.breaks = (0.25, 0), [], None

    def read(self):
        return self.measured

    def make_for(self, closed):
        self.wanted.append(closed)

    def step(self, now_ns):
        if self.breaks:
            raise HardwareFaultError(self.breaks)

    def recover(self):
        self.breaks = None

    def close(self):
        self.wanted.append("closed")


class Rig:
    def __init__(self):
        self.arm, self.gripper, self.now_ns = FakeArm(), FakeGripper(), 0
        self.robot = FrankaRobot(
            DROID, FR3, self.arm, self.gripper, Margins(0.4, 0.2, 1.0, 0.35), self.now_ns
        )

    def run(self, seconds, gripper=True):
        for _ in range(round(seconds * 100)):
            self.now_ns += TICK_NS
            if gripper:
                self.gripper.measured = (self.gripper.measured[0], self.now_ns)
            reading = self.robot.advance(self.now_ns, 10**18 + self.now_ns)
        return reading

    def command(self, arm=HOME, finger=OPEN_M, names=NAMES):
        self.robot.command(names, [*arm, finger], self.now_ns)

    @property
    def mode(self):
        return self.robot.state[0]

    @property
    def reason(self):
        return self.robot.state[1]


@pytest.fixture
def rig():
    made = Rig()
    made.run(0.05)
    return made


def test_it_says_its_joints_in_our_names_and_units(rig):
    reading = rig.run(0.01)
    assert rig.robot.joint_names == NAMES
    np.testing.assert_allclose(reading.positions, [*HOME, 0.03])  # a quarter closed of 0.04 m
    assert reading.stamp_ns == 10**18 + rig.now_ns
    assert (rig.mode, rig.reason) == (Mode.HOLDING, "no command yet")
    rig.gripper.measured = (0.5, rig.now_ns + 5_000_000)
    rig.now_ns += TICK_NS
    moving = rig.robot.advance(rig.now_ns, 10**18)
    assert moving.velocities[7] < 0.0  # closing: the finger's distance shrinks


@pytest.mark.parametrize(("finger", "closed"), [(0.04, 0.0), (0.0, 1.0), (0.01, 0.75)])
def test_a_command_reaches_arm_and_gripper_by_name(rig, finger, closed):
    target = HOME + 0.05
    order = np.random.default_rng(0).permutation(8)
    values = [*target, finger]
    rig.robot.command([NAMES[i] for i in order], [values[i] for i in order], rig.now_ns)
    name, sent = rig.arm.calls[-1]
    assert name == "make_for"
    np.testing.assert_array_equal(sent, target)
    assert rig.gripper.wanted == [pytest.approx(closed)]
    assert rig.mode == Mode.FOLLOWING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": HOME + 0.4}, "panda_joint1: command 0.4000 is 0.400 rad from the measured 0.0000"),
        ({"arm": np.where(np.arange(7) == 5, 0.3, HOME)}, r"panda_joint6: .* range .* of the fr3"),
        ({"arm": HOME * np.nan}, "panda_joint1: command is nan"),
        ({"finger": 0.06}, r"panda_finger_joint1: command 0.06 is outside the range \[0, 0.04\]"),
        ({"names": ["fr3" + name[5:] for name in NAMES]}, "unknown: fr3_joint1.*missing: panda"),
    ],
)
def test_a_refused_command_changes_nothing(rig, change, message):
    with pytest.raises(ValueError, match=message):
        rig.command(**change)
    assert rig.arm.calls == []
    assert rig.gripper.wanted == []
    assert rig.mode == Mode.HOLDING


def test_silence_halts_the_arm_once_where_it_is(rig):
    rig.command(HOME + 0.1)
    rig.arm.positions = HOME + 0.07
    rig.run(0.39)
    assert rig.mode == Mode.FOLLOWING
    rig.run(0.5)
    assert (rig.mode, rig.reason) == (Mode.HOLDING, "no command for 0.4 s")
    assert [call[0] for call in rig.arm.calls] == ["make_for", "halt"]
    np.testing.assert_array_equal(rig.arm.calls[-1][1], HOME + 0.07)


def test_a_reflex_stays_until_it_is_cleared_and_is_never_cleared_by_itself(rig):
    rig.command()
    rig.arm.trouble = "motion aborted by reflex"
    assert rig.run(0.01) is not None  # where the arm is stays known
    assert (rig.mode, rig.reason) == (Mode.FAULT, "motion aborted by reflex")
    rig.arm.trouble = ""
    rig.run(2.0)
    assert rig.mode == Mode.FAULT
    assert "recover" not in [call[0] for call in rig.arm.calls]
    for refused in (rig.command, rig.robot.release):
        with pytest.raises(ValueError, match="clear"):
            refused()
    rig.robot.take_back()
    rig.robot.hold("other")
    assert rig.mode == Mode.FAULT
    rig.arm.recovery = ValueError("release its stop button")
    with pytest.raises(ValueError, match="stop button"):
        rig.robot.clear_fault()
    assert rig.mode == Mode.FAULT
    rig.arm.recovery = None
    rig.robot.clear_fault()
    assert (rig.mode, rig.reason) == (Mode.HOLDING, "fault cleared; no command since")
    rig.command()
    assert rig.mode == Mode.FOLLOWING
    with pytest.raises(ValueError, match="no fault to clear"):
        rig.robot.clear_fault()


def test_states_that_stop_are_a_fault_while_it_moves_and_a_hold_otherwise(rig):
    rig.arm.silent = True
    rig.run(0.3)
    assert rig.mode == Mode.HOLDING
    assert rig.reason == "no state of the arm for more than 0.2 s"
    with pytest.raises(ValueError, match="no state of the arm"):
        rig.command()
    rig.arm.silent = False
    rig.run(0.02)
    assert (rig.mode, rig.reason) == (Mode.HOLDING, "states again; no command since")
    rig.command()
    rig.arm.silent = True
    assert rig.run(0.3) is None
    assert (rig.mode, rig.reason) == (Mode.FAULT, "no state of the arm for more than 0.2 s")
    assert rig.arm.calls[-1][0] == "halt"


def test_a_slow_gripper_is_not_stale_and_a_lost_one_is(rig):
    rig.command()
    for _ in range(10):
        rig.run(0.06, gripper=False)
        rig.gripper.measured = (0.3, rig.now_ns)
        rig.command()
    assert rig.mode == Mode.FOLLOWING
    for _ in range(12):
        rig.run(0.1, gripper=False)
        if rig.mode == Mode.FOLLOWING:
            rig.command()
    assert (rig.mode, rig.reason) == (Mode.FAULT, "no state of the gripper for more than 1 s")


def test_before_the_first_state_it_holds_and_refuses(rig):
    fresh = Rig()
    fresh.arm.silent = True
    assert fresh.run(0.1) is None
    assert fresh.reason == "no state of the arm yet"
    with pytest.raises(ValueError, match="no state of the arm yet"):
        fresh.command()


@pytest.mark.parametrize("where", ["advance", "command", "gripper"])
def test_whatever_the_hardware_throws_becomes_a_latched_fault(rig, where):
    rig.command()
    if where == "gripper":
        rig.gripper.breaks = "the hand is gone"
    else:
        rig.arm.breaks = "UDP receive: Timeout"
    if where == "command":
        with pytest.raises(ValueError, match="the robot has failed: UDP"):
            rig.command()
    else:
        rig.run(0.01)
    assert rig.mode == Mode.FAULT
    rig.arm.breaks = None
    rig.run(0.1)
    rig.robot.clear_fault()
    assert rig.mode == Mode.HOLDING


def test_letting_go_and_taking_back(rig):
    rig.command()
    with pytest.raises(ValueError, match="commands are being followed"):
        rig.robot.release()
    rig.run(0.5)
    assert rig.robot.release() == "push it"
    with pytest.raises(ValueError, match="take it back"):
        rig.command()
    rig.arm.positions = HOME + 0.5  # by hand
    rig.run(0.5)
    assert (rig.mode, rig.reason) == (Mode.RELEASED, "push it")
    rig.robot.take_back()
    assert rig.mode == Mode.HOLDING
    np.testing.assert_array_equal(rig.arm.calls[-1][1], HOME + 0.5)


def test_another_robots_layout_is_refused():
    with pytest.raises(ValueError, match="7 revolute joints and a gripper"):
        FrankaRobot(
            embodiments.get("yam"), FR3, FakeArm(), FakeGripper(), Margins(0.4, 0.2, 1, 0.3), 0
        )
