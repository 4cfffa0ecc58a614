"""Jogging: whatever is held, every target is within limits and a bounded step from the last."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.teleop import arms
from dreamzero_bringup.teleop.asked import Asked
from dreamzero_bringup.teleop.jog import LEAD, LEAD_M, SPEEDS, Jog
from dreamzero_bringup.teleop.kinematics import SHARE
from dreamzero_policy import embodiments

ROBOTS = ("droid", "yam", "agibot_g1")
DT_S = 0.02

value = st.floats(-1.0, 1.0)
triple = st.tuples(value, value, value)
sticks = st.builds(
    Asked,
    linear=triple,
    angular=triple,
    gripper=value,
    lift=value,
    wheels=st.tuples(value, value),
    words=st.lists(st.sampled_from(["other arm", "faster", "slower", "frame"]), max_size=2).map(
        tuple
    ),
)


@functools.cache
def jog_of(robot):
    return Jog(embodiments.get(robot))


def fresh(robot):
    jog = jog_of(robot)
    jog.arm, jog.speed, jog.in_hand = arms.of(robot)[0], len(SPEEDS) - 1, False
    return jog, embodiments.get(robot)


def limits(robot):
    joints = embodiments.get(robot).joints
    return (np.array([getattr(joint, name) for joint in joints])
            for name in ("lower", "upper", "velocity"))  # fmt: skip


@pytest.mark.parametrize("robot", ROBOTS)
@settings(max_examples=30, deadline=None)
@given(
    start=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**32 - 1),
    held=st.lists(st.tuples(sticks, st.integers(1, 15)), min_size=1, max_size=6),
    follows=st.booleans(),
)
def test_every_target_is_within_limits_and_a_bounded_step(robot, start, seed, held, follows):
    jog, embodiment = fresh(robot)
    lower, upper, velocity = limits(robot)
    base = np.array([joint.kind == "base" for joint in embodiment.joints])
    lead = np.array([LEAD_M if joint.kind == "prismatic" else LEAD for joint in embodiment.joints])
    arm = np.array([joint.kind in ("revolute", "prismatic") for joint in embodiment.joints])
    columns = [embodiment.action_joints.index(name) for name in embodiment.state_joints]
    ends = np.random.default_rng(seed).choice([0.0, 1.0, 0.5], len(columns))
    mixed = lower[columns] + (upper - lower)[columns] * ends
    state = embodiment.state_at_home() * (1 - start) + mixed * start  # home, ends and between
    before = jog.begin(state)
    for asked, ticks in held:
        for word in asked.words:
            jog.say(word)
        for _ in range(ticks):
            target = jog.step(asked, state, DT_S)
            assert np.isfinite(target).all()
            assert (target[~base] >= lower[~base]).all()
            assert (target[~base] <= upper[~base]).all()
            assert (np.abs(target[base]) <= SHARE * velocity[base] + 1e-9).all()
            step = np.abs(target - before)[~base]
            assert (step <= SHARE * velocity[~base] * DT_S + 1e-9).all()
            assert (np.abs(target - jog.pose(state))[arm] <= lead[arm] + 1e-9).all()
            before = target
            if follows:
                state = target[columns]


@pytest.mark.parametrize("robot", ROBOTS)
def test_nothing_held_is_no_motion_at_once(robot):
    jog, embodiment = fresh(robot)
    state = embodiment.state_at_home()
    jog.begin(state)
    for _ in range(20):
        jog.step(Asked(linear=(1.0, 0.0, 1.0)), state, DT_S)
    rest = jog.target
    assert np.abs(rest - jog.pose(state)).max() > 0.01
    for _ in range(5):
        np.testing.assert_array_equal(jog.step(Asked(), state, DT_S), rest)


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_the_hand_goes_where_it_is_asked(robot, axis, which):
    jog, embodiment = fresh(robot)
    if which >= len(arms.of(robot)):
        pytest.skip("one arm")
    jog.arm, jog.speed = arms.of(robot)[which], 1
    columns = [embodiment.action_joints.index(name) for name in embodiment.state_joints]
    state = embodiment.state_at_home()
    if robot == "yam":  # folded at home, where the arm is singular
        for name, angle in (("joint2", 1.2), ("joint3", 1.2), ("joint4", 0.3)):
            state[embodiment.state_joints.index(f"{jog.arm.name}_{name}")] = angle
    target = jog.begin(state)
    begin, turned = jog._kinematics.hand(target, jog.arm)
    direction = np.eye(3)[axis]
    for _ in range(25):
        target = jog.step(Asked(linear=tuple(direction)), target[columns], DT_S)
    moved = jog._kinematics.hand(target, jog.arm)
    shift = moved[0] - begin
    assert shift @ direction == pytest.approx(0.25 * 0.25 * 0.5, rel=0.25)
    assert np.linalg.norm(shift - (shift @ direction) * direction) < 0.006
    np.testing.assert_allclose(moved[1], turned, atol=0.05)  # it does not turn meanwhile
    others = [c for c in columns if embodiment.action_joints[c] not in jog.arm.joints]
    np.testing.assert_array_equal(target[others], jog.pose(state)[others])


def test_directions_of_the_hand_turn_with_it():
    jog, embodiment = fresh("droid")
    state = embodiment.state_at_home()
    for in_hand, expected in ((False, [0, 0, 1]), (True, None)):
        target = jog.begin(state)
        jog.in_hand = in_hand
        begin, turn = jog._kinematics.hand(target, jog.arm)
        for _ in range(20):
            target = jog.step(Asked(linear=(0.0, 0.0, 1.0)), target[:8], DT_S)
        shift = jog._kinematics.hand(target, jog.arm)[0] - begin
        wanted = np.array(expected) if expected else turn[:, 2]
        assert shift @ wanted / np.linalg.norm(shift) > 0.97


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_gripper_closes_and_opens(robot):
    jog, embodiment = fresh(robot)
    state = embodiment.state_at_home()
    column = embodiment.action_joints.index(jog.arm.gripper)
    closed = 1.0 if jog.arm.closes > 0 else 0.0  # as embodiments say of their own units
    jog.begin(state)
    for sign, end in ((1.0, closed), (-1.0, 1.0 - closed)):
        for _ in range(200):
            target = jog.step(Asked(gripper=sign), state, DT_S)
        assert target[column] == pytest.approx(end)


def test_the_lift_moves_only_where_there_is_one():
    jog, embodiment = fresh("agibot_g1")
    state = embodiment.state_at_home()
    column = embodiment.action_joints.index("waist_lift_joint")
    before = jog.begin(state)[column]
    for _ in range(20):
        target = jog.step(Asked(lift=-1.0), state, DT_S)
    assert before - 0.03 - 1e-9 <= target[column] < before - 0.01
    jog, embodiment = fresh("droid")
    rest = jog.begin(embodiment.state_at_home())
    moved = jog.step(Asked(lift=1.0), embodiment.state_at_home(), DT_S)
    np.testing.assert_array_equal(moved, rest)


def test_a_stretched_arm_slows_down_and_never_jumps():
    """Outwards into the singularity of a straight arm: the hand stops, the joints stay calm."""
    jog, embodiment = fresh("droid")
    state = embodiment.state_at_home()
    target = jog.begin(state)
    hands = []
    for _ in range(400):
        target = jog.step(Asked(linear=(1.0, 0.0, 0.0)), target[:8], DT_S)
        hands.append(jog._kinematics.hand(target, jog.arm)[0])
    hands = np.array(hands)
    speeds = np.diff(hands[:, 0]) / DT_S
    assert hands[-1, 0] > hands[0, 0] + 0.2
    assert np.abs(speeds[-50:]).max() < 0.02
    assert speeds.max() <= 0.3
    assert np.abs(hands[:, 1:] - hands[0, 1:]).max() < 0.015  # and it keeps to its way
    back = [jog.step(Asked(linear=(-1.0, 0.0, 0.0)), target[:8], DT_S)]
    for _ in range(60):
        back.append(jog.step(Asked(linear=(-1.0, 0.0, 0.0)), back[-1][:8], DT_S))
    assert jog._kinematics.hand(back[-1], jog.arm)[0][0] < hands[-1, 0] - 0.04


def test_an_unknown_robot_is_named():
    with pytest.raises(ValueError, match="no arms are known of 'pr2'; there are: agibot_g1, droid"):
        arms.of("pr2")


def test_wheels_turn_while_their_keys_are_held_and_no_longer():
    jog, embodiment = fresh("agibot_g1")
    state = embodiment.state_at_home()
    forward, yaw = (embodiment.action_joints.index(n) for n in ("base_forward", "base_yaw"))
    jog.begin(state)
    target = jog.step(Asked(wheels=(1.0, -1.0)), state, DT_S)
    most = {joint.name: SHARE * joint.velocity for joint in embodiment.joints}
    assert target[forward] == pytest.approx(most["base_forward"])
    assert target[yaw] == pytest.approx(-most["base_yaw"])
    assert jog.step(Asked(), state, DT_S)[[forward, yaw]].tolist() == [0.0, 0.0]
