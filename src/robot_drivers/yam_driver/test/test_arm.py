"""One arm: what i2rt does in silence is copied, refused or noticed."""

import numpy as np
import pytest
from fake_i2rt import CLIP, FLOAT_KD, KD, KP, RANGES, FakeArm

from dreamzero_policy.embodiments.yam import YAM
from yam_driver.arm import STALE_NS, Arm, ArmError

MS = 1_000_000
POSE = np.array([0.1, 0.5, 0.6, -0.2, 0.1, 0.3, 0.8])


def make(fake=None, gripper="linear_4310", side="left"):
    fake = fake or FakeArm("can_left", POSE)
    return Arm(fake, side, "can_left", gripper, YAM.joints[:7]), fake


def test_the_layout_is_inside_what_i2rt_allows():
    arm, _ = make()
    layout = np.array([(joint.lower, joint.upper) for joint in YAM.joints[:6]])
    np.testing.assert_array_equal(layout, RANGES)
    np.testing.assert_allclose(arm.clip, layout + [-CLIP, CLIP])
    assert arm.gripper_limits == (6.57, 0.0)


def test_what_it_returns_is_the_drivers_own():
    arm, fake = make()
    positions, velocities = arm.read(0)
    np.testing.assert_array_equal(positions, POSE)
    assert velocities.shape == (7,)
    positions[:] = 9.0
    velocities[:] = 9.0
    arm.clip[:] = 9.0
    np.testing.assert_array_equal(fake.pose, POSE)
    np.testing.assert_allclose(fake.get_robot_info()["joint_limits"], RANGES + [-CLIP, CLIP])


def test_what_it_is_given_stays_the_drivers_own():
    """[robot] the clip works on the caller's array, the gains are kept as they come."""
    arm, fake = make()
    target = POSE.copy()
    arm.send(target)
    fake.step()
    np.testing.assert_array_equal(target, POSE)
    arm.let_float(target)
    fake.step()
    np.testing.assert_array_equal(target, POSE)
    np.testing.assert_array_equal(fake.get_robot_info()["kp"], KP)
    beyond = np.append(POSE[:6] - 9.0, 1.05)  # a measured pose that is to be held
    arm.send(beyond)
    np.testing.assert_array_equal(beyond, np.append(POSE[:6] - 9.0, 1.05))
    np.testing.assert_allclose(fake.target, [*arm.clip[:, 0], 1.0])


@pytest.mark.parametrize("joint", range(6))
@pytest.mark.parametrize("end", [0, 1])
def test_a_target_that_would_be_cut_off_is_refused_by_name(joint, end):
    arm, fake = make()
    away = -0.001 if end == 0 else 0.001
    target = POSE.copy()
    target[joint] = arm.clip[joint, end] + away
    with pytest.raises(
        ValueError, match=f"left_joint{joint + 1}: command .* cut it off in silence"
    ):
        arm.check(target)
    target[joint] = arm.clip[joint, end] - away
    arm.check(target)
    assert not fake.cut


@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_a_gripper_goes_from_0_to_1(value):
    arm, _ = make()
    with pytest.raises(ValueError, match=r"left_gripper: command .* is outside \[0, 1\]"):
        arm.check(np.append(POSE[:6], value))


def test_a_cut_that_slipped_through_is_an_error():
    """Another i2rt with a tighter clip than the one it reported."""
    arm, fake = make()
    fake.get_robot_info()["joint_limits"][0] = (-0.05, 0.05)
    with pytest.raises(ArmError, match=r"i2rt cut .* off to"):
        arm.send(POSE)


def test_a_loop_that_ended_is_an_error_though_calls_go_on():
    arm, fake = make()
    arm.read(0)
    fake.fail_bus()
    fake.command_joint_pos(POSE.copy())  # i2rt says nothing
    with pytest.raises(ArmError, match="left arm: its loop on can_left has ended"):
        arm.read(1)


def test_measurements_that_stand_still_are_an_error():
    """[robot] its server thread may end alone; the chain then sends the last command for ever."""
    arm, fake = make()
    arm.read(0)
    fake.step()
    arm.read(10 * MS)
    fake.stall()
    fake.step()
    arm.read(10 * MS + STALE_NS)
    with pytest.raises(ArmError, match=r"nothing new from can_left for 0\.1"):
        arm.read(11 * MS + STALE_NS)
    fake.resume()
    fake.step()
    arm.read(20 * MS + STALE_NS)


def test_an_arm_that_stands_still_is_not_lost():
    arm, fake = make()
    for now in range(0, 1000, 10):
        fake.step()
        positions, _ = arm.read(now * MS)
    np.testing.assert_allclose(positions, POSE)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_reading_that_is_not_finite_is_an_error(value):
    arm, fake = make()
    fake.set_reading(2, value)
    with pytest.raises(ArmError, match="not finite"):
        arm.read(0)


@pytest.mark.parametrize("value", [-0.2, 1.2, 57.0])
def test_a_gripper_outside_its_range_is_an_error_with_numbers(value):
    arm, fake = make()
    fake.set_reading(6, value)
    with pytest.raises(ArmError, match=rf"left_gripper reads {value:.3f}, expected 0 to 1.*6\.570"):
        arm.read(0)


@pytest.mark.parametrize("value", [-0.05, 1.05])
def test_a_gripper_may_read_a_little_beyond(value):
    arm, fake = make()
    fake.set_reading(6, value)
    arm.read(0)


@pytest.mark.parametrize(
    ("gripper", "limits", "match"),
    [
        ("linear_4310", (0.083, 0.0), "motor travel 0.083 rad.*expected about 6.57"),
        ("linear_3507", (3.0, 0.0), "motor travel 3.000"),
        ("crank_4310", (1.2, 0.0), "expected about 2.83"),
        ("linear_4310", (np.nan, 0.0), "motor travel nan"),
        ("linear_4310", (0.0, 6.5), "wrong way round for a linear_4310.*falls"),
        ("flexible_4310", (6.5, 0.0), "wrong way round for a flexible_4310.*rises"),
    ],
)
def test_a_calibration_that_cannot_be_right_is_refused(gripper, limits, match):
    with pytest.raises(ValueError, match=match):
        make(FakeArm("can_left", POSE, gripper_limits=limits), gripper)


@pytest.mark.parametrize(
    ("gripper", "limits"),
    [("linear_4310", (5.9, -0.4)), ("flexible_4310", (-0.4, 5.9)), ("crank_4310", (2.7, 0.0))],
)
def test_a_plausible_calibration_is_taken(gripper, limits):
    arm, _ = make(FakeArm("can_left", POSE, gripper_limits=limits), gripper)
    assert arm.gripper_limits == limits


@pytest.mark.parametrize(
    ("gripper", "ambiguous"), [(0.0, True), (0.1, True), (0.3, False), (0.7, False), (0.96, True)]
)
def test_a_gripper_near_an_end_may_be_a_turn_off(gripper, ambiguous):
    """[open] pinned limits are of another run's whole turns; the travel is a little over one."""
    arm, _ = make()
    assert arm.may_be_a_turn_off(gripper) == ambiguous


def test_a_gripper_of_less_than_a_turn_is_never_a_turn_off():
    arm, _ = make(FakeArm("can_left", POSE, gripper_limits=(2.83, 0.0)), "crank_4310")
    assert not any(arm.may_be_a_turn_off(value) for value in np.linspace(0, 1, 11))


def test_another_variant_is_refused_side_by_side():
    fake = FakeArm("can_left", POSE)
    fake.get_robot_info()["joint_limits"][1] = (-0.15, 3.0)
    with pytest.raises(ValueError, match=r"left_joint2 layout \[0.000, 3.665\] i2rt \[-0.150, 3.0"):
        make(fake)


def test_an_arm_without_gripper_is_refused():
    with pytest.raises(ValueError, match="expected 6 joints and a gripper on can_left, got 6"):
        make(FakeArm("can_left", POSE[:6], motors=6))


def test_gains_that_somebody_zeroed_are_refused():
    """[robot] zero_torque_mode: commands would be taken and do nothing."""
    fake = FakeArm("can_left", POSE)
    fake.get_robot_info()["kp"][:] = 0.0
    with pytest.raises(ValueError, match="would not hold it"):
        make(fake)


def test_a_lost_zero_is_refused_before_i2rt_stops_the_arm():
    arm, fake = make()
    arm.check_pose(0)
    fake.set_reading(1, -0.24)
    with pytest.raises(ValueError, match=r"left_joint2 is at -0.240 rad.*power off and on"):
        arm.check_pose(1)


def test_floating_keeps_the_gripper_and_the_gains():
    arm, fake = make()
    arm.let_float(np.append(POSE[:6], 0.3))
    assert fake.calls == ["command_joint_state"]
    np.testing.assert_array_equal(fake.stiffness, [0, 0, 0, 0, 0, 0, KP[6]])
    np.testing.assert_array_equal(np.array(fake._commands[2]), [*FLOAT_KD[:6], KD[6]])
    assert fake.target[6] == 0.3
    arm.send(POSE)
    np.testing.assert_array_equal(fake.stiffness, KP)


def test_whatever_i2rt_raises_is_one_kind_of_error():
    arm, fake = make()
    for error in (AssertionError("a"), RuntimeError("b"), OSError("c"), KeyError("d")):
        fake.fail_calls = error
        for call in (lambda: arm.send(POSE), lambda: arm.let_float(POSE)):
            with pytest.raises(ArmError, match=f"left arm: {type(error).__name__}"):
                call()
