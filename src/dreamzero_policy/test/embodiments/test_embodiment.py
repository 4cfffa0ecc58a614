from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import (
    EndSlowdown,
    Joint,
    Key,
    TimeBase,
    View,
    WireScale,
)

DROID = embodiments.get("droid")


@pytest.fixture(params=embodiments.names())
def robot(request):
    return embodiments.get(request.param)


def test_every_robot_can_make_an_example_of_itself(robot):
    seen = robot.example(seed=1, frames=9)
    assert seen.canvases.shape == (9, *robot.canvas_size, 3)
    assert np.diff(seen.stamps_ns).tolist() == [robot.time_base.frame_ns] * 8
    for value, name in zip(seen.state, robot.state_joints, strict=True):
        assert robot.joint(name).lower <= value <= robot.joint(name).upper
    np.testing.assert_array_equal(seen.canvases, robot.example(seed=1, frames=9).canvases)
    assert not np.array_equal(seen.state, robot.example(seed=2).state)


def test_every_robot_states_its_time_base_and_home(robot):
    base = robot.time_base
    assert base.chunk_ns == base.frames_per_chunk * base.frame_ns
    assert base.row_ns * base.rows_per_chunk == pytest.approx(
        base.chunk_ns, abs=base.rows_per_chunk
    )
    home = robot.state_at_home()
    for value, name in zip(home, robot.state_joints, strict=True):
        assert robot.joint(name).lower <= value <= robot.joint(name).upper


def test_every_joint_scale_has_its_inverse(robot):
    for joint in robot.joints:
        for scale in (joint.state_wire, joint.command_wire):
            for value in np.linspace(joint.lower, joint.upper, 7):
                assert abs(scale.to_model(scale.to_wire(value)) - value) < 1e-12


def test_droid_is_as_its_checkpoints_know_it():
    assert DROID.canvas_size == (352, 640)
    assert [view.key for view in DROID.views] == [
        "exterior_image_1_left",
        "exterior_image_2_left",
        "wrist_image_left",
    ]
    assert [(key.name, key.width, key.relative) for key in DROID.action_keys] == [
        ("joint_position", 7, True),
        ("gripper_position", 1, False),
    ]
    assert (DROID.time_base.chunk_ns, DROID.time_base.frame_ns) == (1_600_000_000, 200_000_000)


def test_droid_limits_are_inside_those_of_both_arms():
    """The makers' tables: FER and FR3, position and velocity."""
    fer = [2.8973, 1.7628, 2.8973, (-3.0718, -0.0698), 2.8973, (-0.0175, 3.7525), 2.8973]
    fr3 = [2.7437, 1.7837, 2.9007, (-3.0421, -0.1518), 2.8065, (0.5445, 4.5169), 3.0159]
    velocity = [2.175] * 4 + [2.61] * 3
    for table in (fer, fr3):
        for joint, limit in zip(DROID.joints, table, strict=False):
            low, high = limit if isinstance(limit, tuple) else (-limit, limit)
            # DROID's own soft range of joint 6 on the FR3 starts below the maker's 0.5445.
            assert joint.lower >= low or joint.name == "panda_joint6"
            assert joint.upper <= high
    for joint, limit in zip(DROID.joints, velocity, strict=False):
        assert joint.velocity < limit


def test_droid_slows_down_towards_its_ends_as_the_fr3_demands():
    """libfranka's numbers: half of its factors are the accelerations."""
    offsets = (0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35)
    factors = (12.0, 5.17, 7.0, 8.0, 34.0, 11.0, 34.0)
    ends = ((-2.7501, 2.7501), (-1.7918, 1.7918), (-2.9065, 2.9065), (-3.0481, -0.1458))
    ends += ((-2.8101, 2.8101), (0.54092, 4.5205), (-3.0196, 3.0196))
    for joint, offset, factor, (low, high) in zip(DROID.joints, offsets, factors, ends):
        assert joint.slowdown == EndSlowdown(offset, factor / 2.0, low, high)
        for end, way in ((joint.lower - low, -1), (high - joint.upper, 1)):
            assert -offset + np.sqrt(factor * end) > 0.0, f"{joint.name} could not reach {way}"
    assert DROID.joints[7].slowdown is None


def test_a_range_that_reaches_where_no_motion_is_allowed_is_refused():
    with pytest.raises(ValueError, match="reaches where its slowdown allows no motion"):
        replace(DROID.joints[5], lower=0.55)


def test_one_view_alone_is_not_tiled():
    assert replace(DROID, views=DROID.views[:1]).canvas_size == DROID.view_size


def test_an_unknown_robot_is_named_beside_the_known():
    with pytest.raises(ValueError, match=r"unknown robot 'droyd'; known robots: .*droid"):
        embodiments.get("droyd")
    with pytest.raises(ValueError, match="droid has no joint 'elbow'; its joints are panda_joint1"):
        DROID.joint("elbow")


def test_a_robot_does_not_change():
    with pytest.raises(FrozenInstanceError):
        DROID.name = "other"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": (*DROID.joints[:7], DROID.joints[0])}, "a joint name stands twice"),
        ({"views": (DROID.views[0],) * 2}, "a view name stands twice"),
        ({"state_keys": (Key("joint_position", 7),)}, "state keys cover 7 of 8"),
        ({"action_keys": (Key("joint_position", 9),)}, "action keys cover 9 of 8"),
        ({"state_joints": (*DROID.state_joints[:7], "x")}, r"state joints \['x'\] are not among"),
        (
            {
                "state_joints": DROID.state_joints[:7],
                "state_keys": DROID.state_keys[:1],
            },
            r"without a measurement: \['panda_finger_joint1'\]",
        ),
        (
            {"action_keys": (Key("a", 7, relative=True), Key("gripper_position", 1))},
            "relative action key a has no state key",
        ),
        ({"home": (0.0,) * 7}, "home has 7 values for 8 joints"),
        ({"home": (9.0, *DROID.home[1:])}, "home of panda_joint1 is 9.0, outside"),
        ({"prompt": "A robot"}, "no {} for the instruction"),
    ],
)
def test_a_robot_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(DROID, **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WireScale(1.0, 1.0), "two different finite values"),
        (lambda: WireScale(float("nan"), 1.0), "two different finite values"),
        (lambda: Joint("a", "revolute", 0.0, 1.0, 0.0, 1.0, 1.0), "a: velocity, acceleration"),
        (lambda: Joint("a", "revolute", 1.0, 1.0, 1.0, 1.0, 1.0), r"a: range \[1.0, 1.0\]"),
        (lambda: TimeBase(15, 3, 23), "but a chunk has 23"),
        (lambda: TimeBase(0, 3, 24), "must be at least 1"),
        (lambda: Key("waist", 2, parts=("pitch",)), "key waist: expected 2 parts"),
    ],
)
def test_parts_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_views_have_places_of_their_own(robot):
    """No two views share a quarter of the canvas."""

    def quarters(view: View):
        return {(view.row, c) for c in ((0, 1) if view.full_width else (view.column,))}

    taken = [quarter for view in robot.views for quarter in quarters(view)]
    assert len(set(taken)) == len(taken)
