"""What a user says of a new robot, and what is refused of it."""

import pytest

from dreamzero_bringup.new_robot.plan import (
    USUAL_JOINTS,
    checked_name,
    parse_camera,
    parse_joints,
    parse_views,
    planned,
)

URDF = """<robot name="widget">
  <link name="a"/>
  <joint name="fixed" type="fixed"/>
  <joint name="shoulder" type="revolute"><limit lower="-2.5" upper="2.0" velocity="3.0"/></joint>
  <joint name="wheel" type="continuous"><limit velocity="0.2"/></joint>
  <joint name="rail" type="prismatic"><limit lower="0" upper="0.4" effort="1"/></joint>
  <joint name="follower" type="revolute"><mimic joint="rail"/><limit lower="0" upper="1"/></joint>
  <joint name="nowhere" type="revolute"><limit lower="0" upper="0"/></joint>
</robot>
"""


@pytest.fixture
def urdf(tmp_path):
    path = tmp_path / "widget.urdf"
    path.write_text(URDF)
    return path


def shown(joints):
    return [(j.name, j.kind) for j in joints]


def test_joints_are_a_number_or_names_with_kinds():
    assert shown(parse_joints("2")) == [("joint1", "revolute"), ("joint2", "revolute")]
    assert shown(parse_joints("a, rail:prismatic,left_gripper,finger_2,base_yaw:base")) == [
        ("a", "revolute"), ("rail", "prismatic"), ("left_gripper", "gripper"),
        ("finger_2", "gripper"), ("base_yaw", "base"),
    ]  # fmt: skip
    assert shown(parse_joints(USUAL_JOINTS))[-1] == ("gripper", "gripper")


def test_a_urdf_gives_ranges_and_slow_speeds(urdf):
    shoulder, wheel, rail = parse_joints("", urdf)
    assert (shoulder.lower, shoulder.upper, shoulder.velocity) == (-2.5, 2.0, 0.5)
    assert shoulder.source == "widget.urdf: range; it has 3 per s"
    assert (wheel.lower, wheel.velocity) == (-3.14, 0.2)
    assert (rail.kind, rail.upper, rail.velocity) == ("prismatic", 0.4, 0.05)
    joints = parse_joints("rail,shoulder,gripper", urdf)
    assert shown(joints) == [
        ("rail", "prismatic"),
        ("shoulder", "revolute"),
        ("gripper", "gripper"),
    ]
    assert joints[2].source == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,a", "expected every name once, got a, a"),
        ("a,,b", "expected names of letters"),
        ("a b", "expected names of letters"),
        ("0", "expected names of letters"),
        ("a:hinge", "a:hinge: expected a kind of revolute, .* got 'hinge'"),
        ("base:base", "expected a base's to be base_forward or base_yaw, got base"),
    ],
)
def test_joints_that_are_none_are_refused(text, expected):
    with pytest.raises(ValueError, match=expected):
        parse_joints(text)


def test_a_urdf_that_is_none_or_lacks_a_joint_is_refused(urdf, tmp_path):
    with pytest.raises(ValueError, match=r"has no joint 'elbow' with a range; it has shoulder"):
        parse_joints("shoulder,elbow", urdf)
    with pytest.raises(ValueError, match=r"urdf: expected a URDF file, got .*nowhere"):
        parse_joints("", tmp_path / "nowhere.urdf")
    for text in ("<robot/>", "<mujoco><joint name='a' type='revolute'/></mujoco>"):
        urdf.write_text(text)
        with pytest.raises(ValueError, match="expected joints with ranges"):
            parse_joints("", urdf)
    urdf.write_text("not xml")
    with pytest.raises(ValueError, match="urdf: expected a URDF file"):
        parse_joints("", urdf)
    urdf.write_text(URDF.replace('lower="-2.5"', 'lower="much"'))
    with pytest.raises(ValueError, match="joint shoulder: limits that are no numbers"):
        parse_joints("", urdf)


@pytest.mark.parametrize(
    "name", ["Widget", "2fast", "my-robot", "droid", "widget_sim", "class", ""]
)
def test_names_that_no_robot_can_have(name):
    with pytest.raises(ValueError, match="name: "):
        checked_name(name)


def test_views_and_camera():
    assert parse_views("front, wrist") == ("front", "wrist")
    assert parse_camera("640x480") == (640, 480)
    with pytest.raises(ValueError, match="expected 1 to 4 different names"):
        parse_views("a,b,c,d,e")
    for text in ("640", "640x", "8x8", "ax b"):
        with pytest.raises(ValueError, match="camera: expected WIDTHxHEIGHT"):
            parse_camera(text)


def test_neighbours_of_one_kind_and_side_are_one_key():
    joints = "left_1,left_2,left_gripper,right_1,right_gripper,lift:prismatic,tilt,base_yaw:base"
    plan = planned("duo", joints, ("top",), (640, 480), 30, driver=False)
    assert [(name, len(members)) for name, members in plan.groups] == [
        ("left_joint_position", 2), ("left_gripper_position", 1), ("right_joint_position", 1),
        ("right_gripper_position", 1), ("joint_position", 2), ("base_velocity", 1),
    ]  # fmt: skip
    plan = planned("odd", "a,gripper,b", ("top",), (640, 480), 30, driver=False)
    assert [name for name, _ in plan.groups] == [
        "joint_position",
        "gripper_position",
        "joint_position_2",
    ]


@pytest.mark.parametrize("hz", [0, 12, 500])
def test_a_rate_that_frames_do_not_divide_is_refused(hz):
    with pytest.raises(ValueError, match="control-hz: expected a multiple of the 5 frames"):
        planned("widget", "3", ("top",), (640, 480), hz, driver=False)
