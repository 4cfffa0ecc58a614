"""Every simulated robot: it is its embodiment, it settles and it follows.

That its wire is the maker's, and goes round, is in ``robot_drivers/test/test_round_trip.py``.
"""

import numpy as np
import pytest

from dreamzero_policy.embodiments import get as embodiment
from dreamzero_policy.observation.proprioception import StateAssembler
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots

MS = 1_000_000
PERIOD = 33_333_333  # ns, the controller's 30 Hz

ROBOTS = robots.names()


def make(name, seed=0):
    return SimulatedRobot(robots.get(name), seed, now_ns=0)


def command_of(layout, model):
    """What the controller sends for ``model`` values by joint name."""
    return [layout.joint(name).command_wire.to_wire(value) for name, value in model.items()]


def home_of(layout):
    """Model values at home by the name of every measured joint."""
    return dict(zip(layout.state_joints, layout.state_at_home().tolist(), strict=True))


def model_state(layout, robot):
    """The state vector that the stack makes of what the driver reads, by joint name."""
    assembler = StateAssembler(layout, max_age_ns=10**9)
    assembler.update("joint_states", 1, robot.joint_names, robot.read().positions)
    return dict(zip(layout.state_joints, assembler.at(1).positions.tolist(), strict=True))


@pytest.mark.parametrize("name", ROBOTS)
def test_agrees_with_the_embodiment(name):
    robot, layout = robots.get(name), embodiment(name)
    measured = [joint.name for joint in layout.joints if joint.kind != "base"]
    assert [joint.name for joint in robot.joints] == measured
    assert [view.name for view in robot.views] == [view.name for view in layout.views]
    assert {(view.height, view.width) for view in robot.views} == {layout.native_size}
    for joint in robot.joints:
        policy = layout.joint(joint.name)
        home = layout.home[layout.action_joints.index(joint.name)]
        assert joint.commanded.to_wire(joint.home) == pytest.approx(
            policy.command_wire.to_wire(home), abs=1e-9
        )
        assert joint.grips == (policy.kind == "gripper")
        ends = sorted(
            joint.commanded.to_model(policy.command_wire.to_wire(end))
            for end in (policy.lower, policy.upper)
        )
        assert joint.lower - 1e-9 <= ends[0] < ends[1] <= joint.upper + 1e-9
        speed = policy.velocity * abs((ends[1] - ends[0]) / (policy.upper - policy.lower))
        assert joint.grips or joint.velocity >= speed  # it can do what the gate lets through


@pytest.mark.parametrize("name", ROBOTS)
def test_velocities_are_in_the_units_of_the_wire(name):
    """What is read a moment later is what the velocity said."""
    layout, robot = embodiment(name), make(name)
    home = home_of(layout)
    ends = {joint: layout.joint(joint) for joint in robot.joint_names}
    away = {
        joint: home[joint]
        + 0.3 * (max((end.lower, end.upper), key=lambda e: abs(e - home[joint])) - home[joint])
        for joint, end in ends.items()
    }
    robot.command(robot.joint_names, command_of(layout, away), 0)
    robot.advance(100 * MS)
    before = robot.read()
    robot.advance(102 * MS)
    after = robot.read()
    slope = (after.positions - before.positions) / 0.002
    span = [abs(end.state_wire.one - end.state_wire.zero) for end in ends.values()]
    assert np.all(np.abs(slope) > 0.02 * np.array(span))  # every joint is on its way
    np.testing.assert_allclose(after.velocities, slope, rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("seed", [0, 5])
def test_settles_at_home_with_its_blocks_on_the_table(name, seed):
    layout, robot = embodiment(name), make(name, seed)
    start = robot.scene_state()
    for now in range(0, 1000 * MS, 100 * MS):
        robot.advance(now)
    home = home_of(layout)
    for joint, value in model_state(layout, robot).items():
        assert value == pytest.approx(home[joint], abs=2e-3), joint
    np.testing.assert_allclose(robot.read().velocities, 0, atol=2e-3)
    np.testing.assert_allclose(robot.scene_state(), start, atol=2e-3)
    table = robot.robot.table
    blocks = [p for body, p in robot.body_positions.items() if body.endswith("_block")]
    assert len(blocks) == 5
    for place in blocks:
        assert table.blocks_x[0] - 0.01 < place[0] < table.blocks_x[1] + 0.01
        assert table.blocks_y[0] - 0.01 < place[1] < table.blocks_y[1] + 0.01
        assert 0.019 < place[2] < 0.028


@pytest.mark.parametrize("name", ROBOTS)
def test_follows_what_the_gate_lets_through(name):
    """A sine as fast as the embodiment's limits allow is followed closely, all joints at once."""
    layout, robot = embodiment(name), make(name)
    joints = [layout.joint(name) for name in robot.joint_names]
    home = np.array([home_of(layout)[joint.name] for joint in joints])
    lower, upper = np.transpose([(joint.lower, joint.upper) for joint in joints])
    rate = 2 * np.pi * 0.4
    reach = np.array([0.9 * min(j.velocity / rate, j.acceleration / rate**2, 0.5) for j in joints])
    reach = np.minimum(reach, (upper - lower) / 2)
    middle = np.clip(home, lower + reach, upper - reach)
    wave = np.sign(np.arange(len(joints)) % 2 - 0.5) * reach

    def target(t):
        ease = min(1.0, t / 2.0)
        return home + ease * (middle - home + wave * np.sin(rate * t))

    now, worst = 0, np.zeros(len(joints))
    while now < 6e9:
        model = dict(zip(robot.joint_names, target(now / 1e9), strict=True))
        robot.command(robot.joint_names, command_of(layout, model), now)
        for tick in (10, 20, 30):
            robot.advance(now + tick * MS)
            state = model_state(layout, robot)
            got = np.array([state[joint.name] for joint in joints])
            late = target((now + tick * MS) / 1e9 - 0.04)
            worst = np.maximum(worst, np.abs(got - late) if now > 2e9 else 0.0)
        now += PERIOD
        robot.advance(now)
    limit = [
        0.06 if j.kind == "gripper" else 0.004 if j.kind == "prismatic" else 0.02 for j in joints
    ]
    assert np.all(worst < limit), dict(zip(robot.joint_names, worst.round(4), strict=True))
