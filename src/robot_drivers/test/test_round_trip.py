"""Wire, dataset units and model vector, there and back, for every joint of every robot.

The one table of what stands on every wire. Its numbers are typed from what makers and clients
publish (design: robots.md), and not computed with the scales under test; a joint without a row has
one number in all three places, which is tested too.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import WireScale
from dreamzero_policy.normalize import ModelVectors
from dreamzero_policy.observation.proprioception import StateAssembler
from dreamzero_policy.weights import untrained

TO = {"rtol": 0.0, "atol": 1e-6}

# joint, dataset and model, what is read on our topics, what is commanded there
WIRE = {
    "droid": [
        ("panda_finger_joint1", 0.0, 0.04, 0.04),  # open: a finger 0.04 m from the middle
        ("panda_finger_joint1", 1.0, 0.0, 0.0),  # closed
        ("panda_finger_joint1", 0.25, 0.03, 0.03),
    ],
    "agibot_g1": [
        ("left_gripper_joint1", 0.0, 35.0, 0.0),  # open; raw readings, commands of 0 to 1
        ("left_gripper_joint1", 1.0, 120.0, 1.0),  # closed
        ("left_gripper_joint1", 0.5, 77.5, 0.5),
        ("right_gripper_joint1", 0.0, 35.0, 0.0),
        ("right_gripper_joint1", 1.0, 120.0, 1.0),
        ("waist_lift_joint", 0.42, 0.42, 42.0),  # read in m, commanded in cm
        ("waist_lift_joint", 0.003, 0.003, 0.3),
        ("waist_lift_joint", 0.5, 0.5, 50.0),
    ],
    "yam": [  # the maker's 0 closed to 1 open, everywhere
        ("left_gripper", 0.0, 0.0, 0.0),
        ("left_gripper", 1.0, 1.0, 1.0),
        ("right_gripper", 0.25, 0.25, 0.25),
    ],
}

# What lies behind the droid driver's topic: gripper, its own number, dataset and model, our wire.
GRIPPERS = [
    ("Franka Hand through ROS, half of the width [m]", (0.04, 0.0), 0.04, 0.0, 0.04),
    ("Franka Hand through ROS, half of the width [m]", (0.04, 0.0), 0.0, 1.0, 0.0),
    ("Franka Hand through ROS, half of the width [m]", (0.04, 0.0), 0.01, 0.75, 0.01),
    ("Robotiq 2F-85's knuckle [rad]", (0.0, 0.7929), 0.0, 0.0, 0.04),
    ("Robotiq 2F-85's knuckle [rad]", (0.0, 0.7929), 0.7929, 1.0, 0.0),
    ("Robotiq 2F-85's knuckle [rad]", (0.0, 0.7929), 0.198225, 0.25, 0.03),
]

ROBOTS = sorted(WIRE)
ROWS = [(name, *row) for name, rows in WIRE.items() for row in rows]


def vectors(layout):
    """The model's vectors, by statistics that span every joint's range."""
    return ModelVectors(
        layout, untrained.state_statistics(layout), untrained.action_statistics(layout)
    )


def state_of(layout, names, wire):
    """[S] in dataset units of what a driver's topic carries."""
    assembler = StateAssembler(layout, max_age_ns=10**9)
    assembler.update("joint_states", 1, names, wire)
    return assembler.at(1).positions


def through_the_model(layout, state):
    """A state as the targets that the model would have given for staying there, by joint name.

    Through the normalised vectors of both sides, relative keys included.
    """
    pair = vectors(layout)
    normalised = pair.state(state)
    measured = dict(zip(layout.state_joints, state, strict=True))
    target = [[measured.get(name, 0.0) for name in layout.action_joints]]
    back = pair.actions(pair.normalised_actions(np.array(target), state), state)[0]
    for column, name in enumerate(layout.state_joints):  # the state's own way back
        joint = layout.joint(name)
        middle, half = (joint.lower + joint.upper) / 2, (joint.upper - joint.lower) / 2
        np.testing.assert_allclose(normalised[column] * half + middle, measured[name], **TO)
    return dict(zip(layout.action_joints, back, strict=True))


def commands_of(layout, names, values):
    """What the controller puts on the driver's topic."""
    return [layout.joint(name).command_wire.to_wire(values[name]) for name in names]


def test_every_robot_is_in_the_table():
    assert set(WIRE) == set(embodiments.names())


@pytest.mark.parametrize(("name", "joint", "model", "read", "told"), ROWS)
def test_our_topics_carry_the_table_s_numbers(name, joint, model, read, told):
    layout = embodiments.get(name)
    home = dict(zip(layout.action_joints, layout.home, strict=True))
    names = layout.state_joints
    wire = [layout.joint(each).state_wire.to_wire(home[each]) for each in names]
    wire[names.index(joint)] = read
    state = state_of(layout, names, wire)
    np.testing.assert_allclose(state[names.index(joint)], model, **TO)
    back = through_the_model(layout, state)
    np.testing.assert_allclose(commands_of(layout, [joint], {joint: back[joint]}), [told], **TO)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_joint_without_a_row_has_one_number_everywhere(name):
    scaled = {row[0] for row in WIRE[name]} | {
        joint.name for joint in embodiments.get(name).joints if joint.kind == "gripper"
    }
    for joint in embodiments.get(name).joints:
        if joint.name not in scaled:
            for value in (joint.lower, joint.upper):
                assert joint.state_wire.to_model(value) == value
                assert joint.command_wire.to_wire(value) == value


@pytest.mark.parametrize("name", ROBOTS)
def test_every_pose_goes_round_through_the_simulated_robot(name):
    """MuJoCo's pose, what is read, dataset, model vector, dataset, command, MuJoCo's pose."""
    pytest.importorskip("mujoco")
    from sim_driver.hardware import SimulatedRobot
    from sim_driver.models import robots

    layout = embodiments.get(name)
    robot = SimulatedRobot(robots.get(name), seed=0, now_ns=0)
    joints = [layout.joint(each) for each in robot.joint_names]
    ends = [[s.commanded.to_model(j.command_wire.to_wire(e)) for e in (j.lower, j.upper)]
            for s, j in zip(robot.robot.joints, joints, strict=True)]  # fmt: skip
    lower, upper = np.sort(ends).T
    rng = np.random.default_rng(0)
    for pose in (lower, upper, *rng.uniform(lower, upper, (20, len(lower)))):
        robot._data.qpos[robot._positions] = pose
        state = state_of(layout, robot.joint_names, robot.read().positions)
        told = commands_of(layout, robot.joint_names, through_the_model(layout, state))
        np.testing.assert_allclose(robot._servo.check(robot.joint_names, told), pose, **TO)


@pytest.mark.parametrize(("name", "joint", "model", "read", "told"), ROWS)
def test_the_simulated_robot_speaks_the_table_s_numbers(name, joint, model, read, told):
    pytest.importorskip("mujoco")
    from sim_driver.hardware import SimulatedRobot
    from sim_driver.models import robots

    layout = embodiments.get(name)
    robot = SimulatedRobot(robots.get(name), seed=0, now_ns=0)
    home = dict(zip(layout.action_joints, layout.home, strict=True))
    wire = commands_of(layout, robot.joint_names, home)
    index = robot.joint_names.index(joint)
    wire[index] = told
    robot._data.qpos[robot._positions] = robot._servo.check(robot.joint_names, wire)
    np.testing.assert_allclose(robot.read().positions[index], read, **TO)


@pytest.mark.parametrize(
    ("joint", "model", "read", "told"), WIRE["agibot_g1"] + [("head_yaw_joint", 0.3, 0.3, 0.3)]
)
def test_the_g1_s_bridge_speaks_the_table_s_numbers(joint, model, read, told):
    """Between the socket and the maker's SDK nothing is converted: the table's are the SDK's."""
    hardware = pytest.importorskip("agibot_driver.hardware")
    known = next(each for each in hardware.layout().joints if each.name == joint)
    np.testing.assert_allclose(known.measured(read), model, **TO)
    np.testing.assert_allclose(known.wanted(told), model, **TO)
    np.testing.assert_allclose(known.command(model), told, **TO)


@pytest.mark.parametrize(("gripper", "ends", "own", "model", "wire"), GRIPPERS)
def test_a_gripper_of_the_franka_driver_goes_round(gripper, ends, own, model, wire, monkeypatch):
    """The gripper's own joint, 0 open to 1 closed, our wire; and a command all the way back."""
    ros_grippers = pytest.importorskip("franka_driver.ros_grippers")
    message = SimpleNamespace(name=["jaw"], position=[own])
    monkeypatch.setattr(ros_grippers, "Polled", lambda *_: SimpleNamespace(take=lambda: message))
    sent = []
    made = ros_grippers.RosGripper(
        SimpleNamespace(resolve_topic_name=lambda name: name),
        SimpleNamespace(send=sent.append),
        joint="jaw",
        states_topic="states",
        scale=WireScale(*ends),
        step=0.0,
        now_ns=lambda: 0,
    )
    closed, _ = made.read()
    np.testing.assert_allclose(closed, model, **TO)
    finger = embodiments.get("droid").joint("panda_finger_joint1")
    np.testing.assert_allclose(finger.state_wire.to_wire(closed), wire, **TO)
    made.make_for(finger.command_wire.to_model(wire))
    np.testing.assert_allclose(sent, [own], **TO)


def test_the_yam_s_arms_are_read_and_told_as_they_are(monkeypatch):
    """i2rt's radians and 0 closed to 1 open, in its array's order, through the driver's arm."""
    yam_arm = pytest.importorskip("yam_driver.arm")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "yam_driver" / "test"))
    from fake_i2rt import FakeArm

    layout = embodiments.get("yam")
    pose = np.array([0.1, 0.5, 0.6, -0.2, 0.1, 0.3, 0.25])
    fake = FakeArm("can_left", pose)
    arm = yam_arm.Arm(fake, "left", "can_left", "linear_4310", layout.joints[:7])
    read, _ = arm.read(0)
    state = state_of(layout, layout.state_joints, [*read, *read])
    np.testing.assert_allclose(state, [*pose, *pose], **TO)
    names = [joint.name for joint in layout.joints[:7]]
    arm.send(np.array(commands_of(layout, names, through_the_model(layout, state))))
    np.testing.assert_allclose(fake.target, pose, **TO)
