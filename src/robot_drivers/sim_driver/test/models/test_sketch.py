"""A robot without a scene of its own: every robot of ours can be sketched, moves and goes round."""

from dataclasses import replace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import WireScale
from dreamzero_policy.observation.proprioception import StateAssembler
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots
from sim_driver.models.sketch import sketch

MS = 1_000_000
ROBOTS = embodiments.names()


def wire_of(layout, values):
    return [layout.joint(n).command_wire.to_wire(v) for n, v in values.items()]


def home_of(layout):
    return dict(zip(layout.state_joints, layout.state_at_home().tolist(), strict=True))


def state_of(layout, robot):
    assembler = StateAssembler(layout, max_age_ns=10**9)
    assembler.update("joint_states", 1, robot.joint_names, robot.read().positions)
    return dict(zip(layout.state_joints, assembler.at(1).positions.tolist(), strict=True))


@pytest.mark.parametrize("name", ROBOTS)
def test_has_the_robot_s_joints_and_cameras(name):
    layout = embodiments.get(name)
    made = sketch(layout)
    assert {joint.name for joint in made.joints} == set(layout.state_joints)
    assert [view.name for view in made.views] == [view.name for view in layout.views]
    assert (made.base is not None) == any(joint.kind == "base" for joint in layout.joints)
    assert "not its shape" in made.note


@pytest.mark.parametrize("name", ROBOTS)
def test_stays_at_home_then_goes_where_it_is_told(name):
    layout = embodiments.get(name)
    robot = SimulatedRobot(sketch(layout), seed=0, now_ns=0)
    robot.advance(200 * MS)
    home = home_of(layout)
    for joint, value in state_of(layout, robot).items():
        assert value == pytest.approx(home[joint], abs=2e-3), joint
    target = {
        joint: 0.9 * value + 0.1 * (layout.joint(joint).lower + layout.joint(joint).upper) / 2
        for joint, value in home.items()
    }
    names = tuple(target)
    for now in range(200, 4200, 20):
        robot.command(names, wire_of(layout, target), now * MS)
        robot.advance((now + 20) * MS)
    for joint, value in state_of(layout, robot).items():
        assert value == pytest.approx(target[joint], abs=5e-3), joint


@pytest.mark.parametrize("name", ROBOTS)
def test_wire_and_model_go_round(name):
    layout = embodiments.get(name)
    robot = SimulatedRobot(sketch(layout), seed=0, now_ns=0)
    lower, upper = np.transpose([(joint.lower, joint.upper) for joint in robot.robot.joints])
    for pose in (lower, upper, (lower + 2 * upper) / 3):
        robot._data.qpos[robot._positions] = pose
        model = state_of(layout, robot)
        by_name = {joint: model[joint] for joint in robot.joint_names}
        back = robot._servo.check(robot.joint_names, wire_of(layout, by_name))
        np.testing.assert_allclose(back, pose, rtol=0, atol=1e-6)


def test_a_base_that_no_driver_could_be_told_of_is_refused():
    layout = embodiments.get("agibot_g1")
    joints = tuple(
        replace(joint, name="base_sideways") if joint.name == "base_yaw" else joint
        for joint in layout.joints
    )
    with pytest.raises(ValueError, match="expected base joints base_forward, base_yaw, got"):
        sketch(replace(layout, joints=joints))


def test_a_gripper_of_any_range_and_polarity():
    layout = embodiments.get("yam")
    joints = tuple(
        replace(
            joint, lower=-0.5, upper=0.5, state_wire=WireScale(120.0, 35.0),
            command_wire=WireScale(1.0, -1.0), open_at=0.5,
        ) if joint.kind == "gripper" else joint
        for joint in layout.joints
    )  # fmt: skip
    home = tuple(min(value, 0.5) for value in layout.home)
    layout = replace(layout, joints=joints, home=home)
    robot = SimulatedRobot(sketch(layout), seed=0, now_ns=0)
    assert state_of(layout, robot)["left_gripper"] == pytest.approx(0.5, abs=2e-3)


OWN = """
from dataclasses import replace
from dreamzero_policy.embodiments.droid import DROID as other
WIDGET = replace(other, name="widget", tag="widget")
del other
"""
SCENE = """
from dataclasses import replace
from sim_driver.models.franka import FRANKA as other
WIDGET = replace(other, name="widget")
del other
"""


def test_an_own_robot_has_its_own_scene_where_there_is_one(tmp_path):
    path = tmp_path / "widget.py"
    path.write_text(OWN)
    assert robots.get(str(path)).note
    (tmp_path / "widget_sim.py").write_text(SCENE)
    assert robots.get(str(path)).add_to is robots.get("droid").add_to


def test_a_scene_of_another_robot_is_refused(tmp_path):
    path = tmp_path / "widget.py"
    path.write_text(OWN)
    (tmp_path / "widget_sim.py").write_text(
        SCENE.replace('name="widget"', 'name="widget", joints=other.joints[:7]')
    )
    with pytest.raises(ValueError, match=r"widget_sim\.py: joints: expected .* as the robot has"):
        robots.get(str(path))
