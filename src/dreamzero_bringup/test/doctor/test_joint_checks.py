"""Joint states are spoilt one fact at a time."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.doctor.joint_checks import check, side_by_side
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.live_facts import Joints, Stream
from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.embodiments.droid import DROID

NAMES = DROID.state_joints


def wire(embodiment, degrees=False):
    home = dict(zip(embodiment.action_joints, embodiment.home, strict=True))
    values = []
    for name in embodiment.state_joints:
        joint = embodiment.joint(name)
        value = joint.state_wire.to_wire(home[name])
        values.append(math.degrees(value) if degrees and joint.kind == "revolute" else value)
    return tuple(values)


def test_sound_joint_states_are_one_row(joints, expected):
    (row,) = check("joint_states", joints(), expected)
    assert row.level is Level.PASS
    assert row.found.startswith("8 joints as the layout has them, 100.0 Hz")


def test_two_joints_in_each_others_place_are_shown(joints, expected, complaints):
    names = (NAMES[1], NAMES[0], *NAMES[2:])
    complaint = complaints(check("joint_states", joints(names=names, positions=wire(DROID)),
                                 expected))  # fmt: skip
    row = complaint["joint_states: joints"]
    assert row.level is Level.WARN
    assert "panda_joint1         panda_joint1   < number 2\n" in row.found
    assert "panda_joint2         panda_joint2   < number 1\n" in row.found
    assert "panda_joint3         panda_joint3\n" in row.found


def test_missing_and_unknown_joints_are_shown_beside_the_layout(joints, expected, complaints):
    names = (*NAMES[:7], "finger", "extra")
    changed = joints(names=names, positions=(*wire(DROID), 0.0))
    row = complaints(check("joint_states", changed, expected))["joint_states: joints"]
    assert row.level is Level.FAIL
    assert row.found.startswith("missing: panda_finger_joint1; unknown: finger, extra\nlayout")
    assert "panda_joint7         panda_joint7\n" in row.found
    assert "panda_finger_joint1  -   < missing\n" in row.found
    assert row.found.endswith("-                    extra   < unknown")
    assert "correct the joint names of /driver" in row.fix


def test_a_joint_too_many_can_be_ignored(joints, expected, complaints):
    names, positions = (*NAMES, "panda_finger_joint2"), (*wire(DROID), 0.04)
    changed = joints(names=names, positions=positions)
    row = complaints(check("joint_states", changed, expected))["joint_states: joints"]
    assert "proprioception.ignored_joints: [panda_finger_joint2]" in row.fix
    ignoring = replace(expected, ignored_joints=frozenset({"panda_finger_joint2"}))
    assert not complaints(check("joint_states", changed, ignoring))


@pytest.mark.parametrize(
    ("changes", "what", "level", "found"),
    [
        ({"names": (NAMES[0], *NAMES[:7])}, "joints", Level.FAIL, "panda_joint1 more than once"),
        ({"positions": wire(DROID)[:5]}, "positions", Level.FAIL, "5 positions for 8 names"),
        ({"positions": (*wire(DROID)[:7], math.nan)}, NAMES[7], Level.FAIL, "nan"),
        ({"positions": (*wire(DROID)[:7], 1.0)}, NAMES[7], Level.FAIL, "in shares of 1?"),
        ({"positions": (*wire(DROID)[:7], 40.0)}, NAMES[7], Level.FAIL, "in mm?"),
        ({"positions": (*wire(DROID)[:7], -3.0)}, NAMES[7], Level.FAIL, "another scale"),
        ({"positions": (90.0, *wire(DROID)[1:])}, NAMES[0], Level.FAIL, "in degrees?"),
        ({"positions": (3.14159 * 100, *wire(DROID)[1:])}, NAMES[0], Level.WARN, "outside"),
        ({"spoilt": {"rate_hz": 2.0}}, "rate", Level.FAIL, "2.0 Hz"),
        ({"spoilt": {"rate_hz": 20.0}}, "rate", Level.WARN, "20.0 Hz"),
        ({"spoilt": {"rate_hz": 100.0, "ages_s": (1.0, 1.0)}}, "stamps", Level.FAIL, "always"),
        (
            {"spoilt": {"rate_hz": 100.0, "publishers": ("/a", "/b")}},
            None,
            Level.FAIL,
            "2 publishers",
        ),
    ],
)
def test_one_fault_is_one_complaint(joints, expected, complaints, changes, what, level, found):
    complaint = complaints(check("joint_states", joints(**changes), expected))
    name = "joint_states" if what is None else f"joint_states: {what}"
    assert complaint[name].level == level
    assert found in complaint[name].found
    if what != "joints":  # a name that stands twice leaves another's place empty
        assert list(complaint) == [name]


def test_a_robot_in_degrees_is_found_joint_by_joint(joints, expected, complaints):
    changed = joints(positions=wire(DROID, degrees=True))
    complaint = complaints(check("joint_states", changed, expected))
    assert [what for what in complaint if "degrees" in complaint[what].found] == [
        f"joint_states: {NAMES[i]}" for i in (1, 3, 5)
    ]


def test_a_lift_in_another_unit(stream, complaints):
    """The waist of the G1 is read in m and commanded in cm: the mistake to make."""
    expected = Expected(AGIBOT_G1, sources={"joint_states": AGIBOT_G1.state_joints})
    lift = next(joint for joint in AGIBOT_G1.joints if joint.kind == "prismatic")
    values = dict(zip(AGIBOT_G1.state_joints, wire(AGIBOT_G1), strict=True))
    sound = stream("/joint_states", "sensor_msgs/msg/JointState", rate_hz=100.0)
    there = Joints(sound, names=tuple(values), positions=tuple(values.values()))
    assert not complaints(check("joint_states", there, expected))
    values[lift.name] = 100 * lift.state_wire.to_wire(lift.upper)
    there = Joints(sound, names=tuple(values), positions=tuple(values.values()))
    row = complaints(check("joint_states", there, expected))[f"joint_states: {lift.name}"]
    assert row.level is Level.FAIL
    assert "in cm?" in row.found


def test_missing_ones_do_not_shift_the_rest():
    lines = side_by_side(["a", "b", "c", "d"], ["a", "d", "c", "x"]).splitlines()
    assert lines == [
        "layout  topic",
        "a       a",
        "b       -   < missing",
        "c       c   < number 3",
        "d       d   < number 2",
        "-       x   < unknown",
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*NAMES, "other", ""]), max_size=12),
    st.lists(st.floats(), max_size=12),
    st.lists(st.floats(-10, 10), max_size=4),
)
def test_whatever_comes_is_judged(names, positions, ages):
    stream = Stream(
        "/joint_states",
        types=("sensor_msgs/msg/JointState",),
        publishers=("/driver",),
        count=len(ages) + 1,
        ages_s=tuple(ages),
    )
    heard = Joints(stream, names=tuple(names), positions=tuple(positions))
    expected = Expected(DROID, sources={"joint_states": NAMES})
    findings = check("joint_states", heard, expected)
    exact = sorted(names) == sorted(NAMES)
    assert any(f.what == "joint_states: joints" for f in findings) or exact
