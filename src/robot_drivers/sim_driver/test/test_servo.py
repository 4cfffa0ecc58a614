"""Commands are checked by name, and set-points move as a careful driver moves them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_driver.models import robots
from sim_driver.servo import RAMP_S, Servo

JOINTS = robots.get("droid").joints
NAMES = [joint.name for joint in JOINTS]
HOME = np.array([joint.home for joint in JOINTS])
STEP_S = 0.002


def test_order_is_by_name():
    order = list(range(8))[::-1]
    command = HOME - 0.01
    got = Servo(JOINTS, HOME).check([NAMES[i] for i in order], [command[i] for i in order])
    np.testing.assert_array_equal(got, command)


@pytest.mark.parametrize(
    ("names", "positions", "message"),
    [
        (NAMES, HOME[:7], "8 names but 7 positions"),
        (NAMES[:7], HOME[:7], "missing: panda_finger_joint1"),
        (["fr3_joint1", *NAMES[1:]], HOME, "unknown: fr3_joint1; missing: panda_joint1"),
        ([*NAMES, "panda_joint8"], [*HOME, 0.0], "unknown: panda_joint8"),
        ([*NAMES[:7], "panda_joint1"], HOME, "names panda_joint1 twice"),
        ([], [], "missing: panda_joint1"),
        (NAMES, [np.nan, *HOME[1:]], "panda_joint1: command is nan"),
        (NAMES, [*HOME[:7], np.inf], "panda_finger_joint1: command is inf"),
        (NAMES, [3.0, *HOME[1:]], r"panda_joint1: command 3 is outside .*\[-2.8973, 2.8973\]"),
        (NAMES, [*HOME[:7], 0.041], r"panda_finger_joint1: command 0.041 is outside .*\[0, 0.04\]"),
    ],
)
def test_bad_commands_are_named(names, positions, message):
    with pytest.raises(ValueError, match=message):
        Servo(JOINTS, HOME).check(names, positions)


def test_rounding_at_a_limit_is_accepted_and_removed():
    ends = np.array([joint.upper for joint in JOINTS])
    np.testing.assert_array_equal(Servo(JOINTS, HOME).check(NAMES, ends + 5e-7), ends)


def test_reaches_a_near_target_after_the_ramp():
    servo = Servo(JOINTS, HOME)
    servo.follow(HOME - 0.002)
    for _ in range(round(RAMP_S / STEP_S)):
        inputs = servo.step(STEP_S)
    lead = np.array([joint.lead_s for joint in JOINTS]) * -0.002 / RAMP_S
    np.testing.assert_allclose(inputs, HOME - 0.002 + lead, atol=1e-9)
    np.testing.assert_allclose(servo.step(STEP_S), HOME - 0.002, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=6))
def test_setpoint_keeps_speed_and_range(seeds):
    servo = Servo(JOINTS, HOME)
    lower = np.array([joint.lower for joint in JOINTS])
    upper = np.array([joint.upper for joint in JOINTS])
    fastest = np.array([joint.velocity for joint in JOINTS])
    lead = np.array([joint.lead_s for joint in JOINTS])
    before = HOME
    for seed in seeds:
        servo.follow(np.random.default_rng(seed).uniform(lower, upper))
        for _ in range(17):
            inputs = servo.step(STEP_S)
            # inputs = setpoint + lead * (setpoint - before) / dt, solved for the set-point
            setpoint = (inputs + lead / STEP_S * before) / (1 + lead / STEP_S)
            assert np.all(np.abs(setpoint - before) <= fastest * STEP_S + 1e-9)
            assert np.all(setpoint >= lower - 1e-9)
            assert np.all(setpoint <= upper + 1e-9)
            before = setpoint


def test_hold_takes_the_measured_pose_and_keeps_the_grip():
    servo = Servo(JOINTS, HOME)
    servo.follow(np.array([*(HOME[:7] + 0.1), 0.0]))
    measured = np.array([*(HOME[:7] + 0.05), 0.021])
    servo.hold(measured)
    np.testing.assert_array_equal(servo.target, [*measured[:7], 0.0])


def test_a_pose_taken_up_is_where_set_points_start():
    servo = Servo(JOINTS, HOME)
    servo.follow(np.array([*(HOME[:7] + 0.1), 0.0]))
    for _ in range(100):
        servo.step(STEP_S)
    measured = np.array([*(HOME[:7] - 0.5), 0.03])
    servo.take_up(measured)
    np.testing.assert_allclose(servo.step(STEP_S), [*measured[:7], 0.0], atol=1e-12)
