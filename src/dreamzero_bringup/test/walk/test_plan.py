"""The walk's motions: small, slow, inside every limit, back where they began."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.walk.plan import AMOUNTS, Move, mirrored, plan, side
from dreamzero_policy import embodiments
from dreamzero_policy.control.limits import Limits

ROBOTS = [embodiments.get(name) for name in embodiments.names()]


@given(robot=st.sampled_from(ROBOTS), seed=st.integers(0, 2**32 - 1), scale=st.floats(0.05, 1.0))
@settings(max_examples=60, deadline=None)
def test_every_motion_is_small_and_keeps_the_limits(robot, seed, scale):
    limits = Limits.of(robot).tighten(scale=scale)
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 1.0, 0.5, rng.random()], len(robot.joints))
    pose = limits.lower + share * (limits.upper - limits.lower)
    planned = plan(robot, limits, pose)
    assert list(planned) == list(robot.action_joints)
    for column, move in enumerate(planned.values()):
        if isinstance(move, str):
            assert "no room" in move
            continue
        kind = move.joint.kind
        at = np.linspace(0.0, move.duration, 2000)
        path = np.array([move.at(t) for t in at])
        step = at[1]
        rates = [np.abs(np.diff(path, n) / step**n).max() for n in (1, 2, 3)]
        bounds = [limits.velocity[column], limits.acceleration[column], limits.jerk[column]]
        if kind == "base":
            assert abs(path.sum() * step) < 1e-6  # back where it was
            rates, bounds = [np.abs(path).max(), *rates[:2]], [limits.upper[column], *bounds[:2]]
        else:
            assert np.abs(path - move.start).max() <= AMOUNTS[kind] + 1e-12
            assert path[[0, -1]] == pytest.approx(move.start, abs=1e-12)
        for rate, bound, most in zip(rates, bounds, (0.2, 0.3, 0.3), strict=True):
            assert rate <= most * bound * 1.01
        assert (path >= limits.lower[column] - 1e-12).all()
        assert (path <= limits.upper[column] + 1e-12).all()


@pytest.mark.parametrize("robot", ROBOTS, ids=lambda robot: robot.name)
def test_every_joint_can_move_from_home_towards_where_there_is_room(robot):
    limits = Limits.of(robot)
    for column, move in enumerate(plan(robot, limits, np.array(robot.home)).values()):
        assert isinstance(move, Move), move
        if move.joint.kind != "base":
            lower, upper = limits.lower[column], limits.upper[column]
            share = (move.start - lower) / (upper - lower)
            assert share < 0.55 if move.amount > 0.0 else share > 0.5


def test_a_joint_without_room_says_so():
    robot = embodiments.get("droid")
    limits = Limits.of(robot).tighten({"panda_joint1": {"lower": -0.01, "upper": 0.01}})
    assert (
        "no room at 0.000 in [-0.01, 0.01]"
        in plan(robot, limits, np.array(robot.home))["panda_joint1"]
    )


def test_a_joint_outside_the_controllers_limits_is_left_alone():
    robot = embodiments.get("yam")
    limits, pose = Limits.of(robot).tighten(margin=0.1), np.array(robot.home)
    assert "outside the controller's" in plan(robot, limits, pose)["left_joint2"]
    pose[1] = 0.0999
    assert isinstance(plan(robot, limits, pose)["left_joint2"], Move)
    pose[1] = np.nan
    assert "outside the controller's" in plan(robot, limits, pose)["left_joint2"]


def test_sides_and_twins_by_name():
    assert (side("left_arm_joint1"), side("hand_right"), side("panda_joint1")) == (
        "left", "right", "",
    )  # fmt: skip
    assert mirrored("left_arm_joint1") == "right_arm_joint1"
    assert mirrored("head_yaw_joint") == "head_yaw_joint"
