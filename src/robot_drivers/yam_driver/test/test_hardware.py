"""Two arms as one robot: hold, follow, float, faults, the end."""

import numpy as np
import pytest
from fake_i2rt import CYCLE_S, KP, TIMEOUT_S, FakeArm
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.embodiments.yam import YAM
from dreamzero_policy.ros.driver_robot import Mode
from yam_driver.arm import Arm
from yam_driver.hardware import YamRobot

MS = 1_000_000
POSE = np.array([0.1, 0.5, 0.6, -0.2, 0.1, 0.3, 0.8])
NAMES = [joint.name for joint in YAM.joints]
TIMEOUT = 0.2


class Station:
    """Two fakes and the driver's robot, in virtual time."""

    def __init__(self, left=POSE, right=POSE, largest_distance=0.5):
        self.now_ns = 1_000_000_000
        self.fakes = [FakeArm("can_left", left), FakeArm("can_right", right)]
        self.left, self.right = self.fakes
        arms = [
            Arm(fake, side, f"can_{side}", "linear_4310", YAM.joints[7 * i : 7 * i + 7])
            for i, (fake, side) in enumerate(zip(self.fakes, ("left", "right"), strict=True))
        ]
        self.robot = YamRobot(arms, TIMEOUT, largest_distance, self.now_ns)

    def run(self, seconds, target=None, period=0.01):
        """Rounds of the driver, with commands where there is a target."""
        readings = []
        for _ in range(round(seconds / period)):
            for fake in self.fakes:
                fake.step(period)
            self.now_ns += round(period * 1e9)
            readings.append(self.robot.advance(self.now_ns, self.now_ns + 5))
            if target is not None:
                self.robot.command(NAMES, target, self.now_ns)
        return readings

    @property
    def pose(self):
        return np.concatenate([self.left.pose, self.right.pose])

    @property
    def mode(self):
        return self.robot.state[0]


def near(**joints):
    target = np.tile(POSE, 2)
    for name, value in joints.items():
        target[NAMES.index(name)] = value
    return target


def test_it_begins_by_holding_what_it_measures():
    station = Station()
    reading = station.run(0.5)[-1]
    assert station.robot.state == (Mode.HOLDING, "no command yet")
    np.testing.assert_allclose(reading.positions, np.tile(POSE, 2), atol=1e-9)
    assert reading.stamp_ns == station.now_ns + 5
    assert station.robot.joint_names == tuple(NAMES)
    assert not reading.positions.flags.writeable
    assert station.left.calls == station.right.calls == ["command_joint_pos"]


def test_it_follows_by_name_each_arm_its_own():
    station = Station()
    target = near(left_joint2=0.8, right_joint2=0.3, left_gripper=0.1, right_gripper=0.9)
    order = np.random.default_rng(0).permutation(len(NAMES))
    for _ in range(60):
        station.run(0.01)
        station.robot.command([NAMES[i] for i in order], target[order], station.now_ns)
    assert station.robot.state == (Mode.FOLLOWING, "")
    np.testing.assert_allclose(station.pose, target, atol=1e-2)
    np.testing.assert_array_equal(station.left.target, target[:7])
    np.testing.assert_array_equal(station.right.target, target[7:])


def test_silence_holds_the_measured_pose_though_i2rt_sends_on_for_ever():
    station = Station()
    station.run(0.05, near(left_joint1=0.5))
    moving = station.pose
    assert 0.1 < moving[0] < 0.45
    station.left.load(0, 0.2)  # something is in its way
    station.run(TIMEOUT + 0.02)
    assert station.robot.state == (Mode.HOLDING, "no command for 0.2 s")
    held = station.pose
    target = station.left.target
    assert held[0] < 0.35
    np.testing.assert_allclose(target[0], held[0], atol=0.06)
    station.left.load(0, 0.0)
    sent, calls = len(station.left.sent), list(station.left.calls)
    station.run(1.0)
    assert len(station.left.sent) == pytest.approx(sent + 1.0 / CYCLE_S, abs=2)  # i2rt, not us
    assert station.left.calls == calls  # the hold was sent once
    np.testing.assert_array_equal(station.left.target, target)


def test_a_hold_does_not_sink_with_the_arm():
    """Each measured below the target: a hold that measured anew each time would creep down."""
    station = Station()
    station.run(0.3, near())
    station.left.load(1, 0.05)
    station.run(0.5)
    station.robot.hold("first")
    target = station.left.target
    for _ in range(50):
        station.run(0.02)
        station.robot.hold("again")
    np.testing.assert_array_equal(station.left.target, target)
    assert station.robot.state == (Mode.HOLDING, "again")


def test_a_gripper_keeps_what_it_holds():
    station = Station()
    station.run(0.1, near(left_gripper=0.0))
    station.left.load(6, -0.4)  # something between the jaws
    station.run(0.5)
    assert station.pose[6] > 0.3
    assert station.mode == Mode.HOLDING
    assert station.left.target[6] == 0.0
    station.robot.release()
    assert station.left.target[6] == 0.0
    assert station.left.stiffness[6] == KP[6]
    station.robot.take_back()
    assert station.left.target[6] == 0.0


@pytest.mark.parametrize(
    ("names", "positions", "match"),
    [
        (NAMES[:7], POSE, "missing: right_joint1"),
        ([*NAMES[:-1], "elbow"], near(), "unknown: elbow; missing: right_gripper"),
        ([*NAMES[:-1], NAMES[0]], near(), "left_joint1 twice"),
        (NAMES, near()[:-1], "14 names but 13 positions"),
        (NAMES, near(right_joint3=np.nan), "right_joint3: command is nan"),
        (NAMES, near(right_joint2=-0.16), "right_joint2: .* cut it off in silence"),
        (NAMES, near(right_gripper=1.1), "right_gripper"),
        (NAMES, near(left_joint1=0.61), "left_joint1: .* 0.51 rad from the measured 0.1.*0.5"),
    ],
)
def test_a_bad_command_changes_nothing(names, positions, match):
    station = Station()
    station.run(0.1, near())
    before = [list(fake.calls) for fake in station.fakes]
    with pytest.raises(ValueError, match=match):
        station.robot.command(names, positions, station.now_ns)
    assert [fake.calls for fake in station.fakes] == before
    station.run(TIMEOUT + 0.02)  # nor did it feed the watchdog
    assert station.mode == Mode.HOLDING


def test_a_gripper_may_go_all_the_way_at_once():
    station = Station()
    station.run(0.1, near(left_gripper=0.0, right_gripper=1.0))
    assert station.mode == Mode.FOLLOWING


def test_letting_go_needs_rest_and_taking_back_does_not_jump():
    station = Station()
    station.run(0.05, near())
    with pytest.raises(ValueError, match="commands are being followed"):
        station.robot.release()
    station.run(0.3)
    said = station.robot.release()
    assert "float" in said
    assert station.robot.state == (Mode.RELEASED, said)
    assert "zero_torque_mode" not in station.left.calls
    station.run(0.1)
    station.left.push(1, 0.6)
    station.right.push(3, -0.3)
    station.run(0.1)
    moved = station.pose
    with pytest.raises(ValueError, match="take it back"):
        station.robot.command(NAMES, near(), station.now_ns)
    station.robot.hold("whatever")
    station.run(1.0)
    assert station.mode == Mode.RELEASED
    np.testing.assert_allclose(station.pose[:6], moved[:6], atol=1e-9)

    station.robot.take_back()
    assert station.robot.state == (Mode.HOLDING, "taken back; no command since")
    np.testing.assert_array_equal(station.left.stiffness, KP)
    worst = 0.0
    for _ in range(50):
        station.run(0.01)
        worst = max(worst, np.abs(station.pose - moved).max())
    assert worst < 1e-9
    station.robot.take_back()  # nothing to take back
    assert station.mode == Mode.HOLDING


@pytest.mark.parametrize("lose", ["fail_bus", "stall"])
def test_a_lost_arm_is_a_fault_that_stays_and_the_other_holds(lose):
    station = Station()
    station.run(0.1, near(left_joint1=0.3, right_joint1=0.3))
    getattr(station.right, lose)()
    readings = station.run(0.3)
    assert readings[-1] is None  # nothing is published of what is not known
    mode, reason = station.robot.state
    assert mode == Mode.FAULT
    assert reason.startswith("right arm")
    assert "can_right" in reason
    held = station.left.pose
    np.testing.assert_allclose(station.left.target[:6], held[:6], atol=0.05)
    np.testing.assert_array_equal(station.left.stiffness, KP)
    with pytest.raises(ValueError, match="the robot has a fault; driver/clear_fault"):
        station.robot.command(NAMES, near(), station.now_ns)
    with pytest.raises(ValueError, match="the fault is still there: right arm"):
        station.robot.clear_fault()
    with pytest.raises(ValueError, match="clear the fault first"):
        station.robot.release()
    station.robot.hold("x")
    station.robot.take_back()
    station.run(2.0)
    assert station.robot.state == (Mode.FAULT, reason)


def test_the_motors_of_a_lost_arm_damp_after_their_own_timeout():
    station = Station()
    station.right.fail_bus()
    station.run(0.5)
    assert station.right.damping_s > TIMEOUT_S
    assert station.left.damping_s == 0.0


def test_a_fault_whose_cause_is_gone_is_cleared_by_hand_only():
    station = Station()
    station.run(0.1, near())
    station.left.set_reading(6, 1.5)
    station.left.load(6, -1.0)  # keeps it there
    station.run(0.05)
    mode, reason = station.robot.state
    assert mode == Mode.FAULT
    assert "left_gripper reads" in reason
    station.left.load(6, 0.0)
    station.left.set_reading(6, 0.8)
    assert station.run(1.0)[-1] is not None  # measured again
    assert station.robot.state == (Mode.FAULT, reason)
    station.robot.clear_fault()
    assert station.robot.state == (Mode.HOLDING, "fault cleared; no command since")
    np.testing.assert_allclose(station.left.target[:6], station.left.pose[:6], atol=1e-6)
    with pytest.raises(ValueError, match="no fault"):
        station.robot.clear_fault()


def test_a_call_that_raises_is_a_fault_and_the_other_arm_holds():
    station = Station()
    station.run(0.05, near())
    station.right.fail_calls = RuntimeError("bus off")
    with pytest.raises(ValueError, match=r"right arm: RuntimeError: bus off"):
        station.robot.command(NAMES, near(left_joint1=0.3), station.now_ns)
    assert station.mode == Mode.FAULT
    np.testing.assert_allclose(station.left.target[:6], POSE[:6], atol=1e-2)


def test_arms_that_float_are_not_stiffened_by_a_fault():
    station = Station()
    station.robot.release()
    station.right.fail_bus()
    station.run(0.05)
    assert station.mode == Mode.FAULT
    np.testing.assert_array_equal(station.left.stiffness[:6], 0.0)


def test_an_arm_lost_while_it_is_let_go_or_taken_back_is_a_fault():
    station = Station()
    station.right.fail_calls = OSError("no buffer space")
    with pytest.raises(ValueError, match="no buffer space"):
        station.robot.release()
    assert station.mode == Mode.FAULT
    station = Station()
    station.robot.release()
    station.left.fail_bus()
    with pytest.raises(ValueError, match="left arm"):
        station.robot.take_back()
    assert station.mode == Mode.FAULT


def test_the_end_holds_first_and_closes_last():
    station = Station()
    station.run(0.1, near(left_joint1=0.3))
    station.robot.close()
    for fake in station.fakes:
        assert fake.calls[-2:] == ["command_joint_pos", "close"]
        np.testing.assert_array_equal(fake.stiffness, KP)
        assert "zero_torque_mode" not in fake.calls


def test_the_end_of_floating_arms_does_not_stiffen_them():
    station = Station()
    station.robot.release()
    station.robot.close()
    for fake in station.fakes:
        assert fake.calls[-2:] == ["command_joint_state", "close"]


def test_an_arm_that_does_not_close_keeps_nobody():
    station = Station()
    station.left.close = lambda: __import__("time").sleep(5)
    station.robot.close()
    assert station.right.closed


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.left.set_reading(1, -0.3), "left_joint2 is at -0.300"),
        (lambda s: s.right.fail_bus(), "right arm: its loop"),
        (lambda s: s.right.set_reading(6, 3.0), "right_gripper reads 3.000"),
    ],
)
def test_a_bad_start_is_refused(change, match):
    station = Station()
    change(station)
    with pytest.raises(ValueError, match=match):
        YamRobot(station.robot._arms, TIMEOUT, 0.5, station.now_ns)


def test_bad_settings_are_refused():
    arms = Station().robot._arms
    with pytest.raises(ValueError, match="command_timeout_s"):
        YamRobot(arms, 0.0, 0.5, 0)
    with pytest.raises(ValueError, match="largest_distance"):
        YamRobot(arms, 0.2, 0.0, 0)


def test_resting_is_being_folded():
    assert Station(left=[0.0] * 6 + [1.0], right=[0.1] * 6 + [0.0]).robot.resting
    assert not Station().robot.resting


ACTION = st.one_of(
    st.tuples(st.just("command"), st.floats(-3.5, 4.5) | st.just(np.nan)),
    st.sampled_from(
        [("hold",), ("release",), ("take_back",), ("clear_fault",), ("wait", 0.05), ("wait", 0.3),
         ("stall",), ("resume",)]
    ),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTION, max_size=12))
def test_no_order_of_events_clips_goes_limp_or_clears_a_fault(actions):
    """Nothing is ever cut off; stiff unless released; a fault ends only by ``clear_fault``."""
    station = Station()
    for kind, *argument in actions:
        before = station.mode
        try:
            if kind == "command":
                target = near(left_joint1=argument[0], right_joint2=argument[0])
                station.robot.command(NAMES, target, station.now_ns)
            elif kind == "wait":
                station.run(argument[0])
            elif kind in ("stall", "resume"):
                getattr(station.left, kind)()
            elif kind == "hold":
                station.robot.hold("test")
            else:
                getattr(station.robot, kind)()
        except ValueError:
            pass
        if before == Mode.FAULT and kind != "clear_fault":
            assert station.mode == Mode.FAULT
        assert not station.left.cut
        assert not station.right.cut
        limp = (station.right.stiffness[:6] == 0).any()
        assert limp <= (Mode.RELEASED in (before, station.mode) or before == Mode.FAULT)
        assert (station.right.stiffness[6] > 0).all()
        if station.mode in (Mode.HOLDING, Mode.FOLLOWING):
            np.testing.assert_array_equal(station.right.stiffness, KP)
