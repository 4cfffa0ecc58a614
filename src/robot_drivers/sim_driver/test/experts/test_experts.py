"""Scripted experts in virtual time: they do the tasks, within the limits, and repeatably."""

import numpy as np
import pytest

from sim_driver import tasks
from sim_driver.commands import Commands
from sim_driver.models import robots
from sim_driver.virtual import VirtualRobot

# Where every robot has been seen to succeed; the slow arms of the G1 do two of their tasks here.
CASES = [
    *(("droid", task) for task in ("reach", "hover", "pick_place", "stack", "wipe", "push")),
    *(("yam", task) for task in ("reach", "hover", "pick_place", "stack", "wipe", "push", "carry")),
    ("agibot_g1", "reach"),
    ("agibot_g1", "hover"),
    ("agibot_g1", "pick_place"),
    ("agibot_g1", "carry"),
]


def attempt(name, task, seed, habits=0, choice=-1):
    """Runs an expert to its end; the robot and every command [n, A]."""
    robot = VirtualRobot(name, task, seed, choice)
    expert = robot.expert(habits)
    commands = []
    while not expert.finished and robot.seconds < robot.verdict.time_limit_s:
        commands.append(expert.act(robot.scene_state, robot.seconds))
        robot.step(commands[-1])
    assert expert.trouble == ""
    return robot, np.array(commands)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_expert_does_it_within_the_embodiments_limits(name, task):
    robot, commands = attempt(name, task, seed=1)
    assert robot.verdict.success, robot.verdict
    joints = robot.embodiment.joints
    rates = commands
    for rate in ("velocity", "acceleration", "jerk"):
        rates = np.diff(rates, axis=0) * 30.0
        most = np.array([getattr(joint, rate) for joint in joints])
        worst = np.abs(rates).max(axis=0) / most
        assert worst.max() <= 1.0, (rate, joints[int(np.argmax(worst))].name, worst.max())
    lower = np.array([joint.lower for joint in joints])
    upper = np.array([joint.upper for joint in joints])
    assert (commands >= lower - 1e-6).all()
    assert (commands <= upper + 1e-6).all()
    described, judge = robots.get(name), robot.judge
    start = judge.task.start(described, judge.layout)
    begins = Commands(described, robot.embodiment).of(start)
    np.testing.assert_allclose(commands[0], begins, atol=1e-9)


@pytest.mark.parametrize("name", robots.names())
def test_who_reaches_begins_with_one_arm_ready_and_all_else_at_home(name):
    robot, described = VirtualRobot(name, "reach", 1), robots.get(name)
    layout = robot.judge.layout
    start = robot.judge.task.start(described, layout)
    (arm,) = (described.arms[index] for index in layout.arms)
    ready = dict(zip(arm.joints, arm.ready, strict=True))
    for joint, at in zip(described.joints, start, strict=True):
        assert at == ready.get(joint.name, joint.home), joint.name
    home = dict(zip(robot.embodiment.action_joints, robot.embodiment.home, strict=True))
    at_home = [home[joint] for joint in robot.embodiment.state_joints]
    pushing = VirtualRobot(name, "push", 1)
    np.testing.assert_allclose(pushing.state, at_home, atol=0.02)
    far = np.abs(robot.state - at_home).max()
    assert far < 0.02 if name == "droid" else far > 0.5, "droid is ready at home"


def test_it_does_what_the_instruction_says_and_not_what_the_picture_suggests():
    """One scene, every instruction of it."""
    robot = VirtualRobot("droid", "push", 3)
    for index in range(len(robot.judge.layout.choices)):
        done, _ = attempt("droid", "push", 3, choice=index)
        assert done.judge.index == index
        assert done.verdict.success


@pytest.mark.parametrize("task", ["reach", "hover"])
@pytest.mark.parametrize("name", robots.names())
def test_who_reaches_waits_for_nothing_until_it_is_there(name, task):
    """A policy that learns a wait, and is asked again before it is over, waits for ever."""
    robot, commands = attempt(name, task, seed=1)
    arms = [index for index, joint in enumerate(robot.embodiment.joints) if joint.kind != "gripper"]
    moves = np.abs(np.diff(commands[:, arms], axis=0)).max(axis=1) > 5e-4
    way = moves[: np.flatnonzero(moves)[-1]]
    rests = np.diff(np.flatnonzero(np.r_[True, way, True]))
    assert rests.max() / 30.0 < 0.6, "as long as between two chunks"


def test_who_is_asked_for_another_thing_on_the_way_goes_on_from_there():
    robot = VirtualRobot("yam", "reach", 1, 0)
    first, commands = robot.expert(), []
    for _ in range(25):
        commands.append(first.act(robot.scene_state, robot.seconds))
        robot.step(commands[-1])
    assert not first.finished
    assert np.abs(np.diff(commands[-2:], axis=0)).max() > 0.01  # it is on its way
    robot.ask(1)
    second, began = robot.expert(after=first), robot.seconds
    while not second.finished:
        commands.append(second.act(robot.scene_state, robot.seconds - began))
        robot.step(commands[-1])
    assert robot.verdict.success
    np.testing.assert_allclose(commands[25], commands[24], atol=1e-9)


def test_the_same_seeds_are_the_same_motion_and_other_habits_are_another():
    one, first = attempt("droid", "push", 2)
    two, second = attempt("droid", "push", 2)
    assert first.tobytes() == second.tobytes()
    assert one.scene_state.tobytes() == two.scene_state.tobytes()
    _, other = attempt("droid", "push", 2, habits=7)
    assert len(other) != len(first) or np.abs(other - first).max() > 0.01


def test_what_slips_away_is_gone_after():
    """The block is taken out of the hand on the way; the expert takes it up again."""
    robot = VirtualRobot("droid", "pick_place", 0)
    expert, stolen = robot.expert(), False
    thing = robot.judge.choice.thing
    sim = robot._robot
    joint = sim.model.joint(thing.name)
    while not expert.finished and robot.seconds < robot.verdict.time_limit_s:
        robot.step(expert.act(robot.scene_state, robot.seconds))
        if not stolen and sim.body_positions[thing.name][2] > 0.06:
            stolen = True
            sim._data.qpos[joint.qposadr[0] :][:3] = [thing.x, thing.y, thing.half[2]]
            sim._data.qvel[joint.dofadr[0] :][:6] = 0.0
    assert stolen
    assert robot.verdict.success


def test_what_cannot_be_reached_ends_the_attempt_with_a_reason():
    robot = VirtualRobot("droid", "push", 0)
    expert = robot.expert()
    state = robot.scene_state.copy()
    address = robot._robot.model.joint(robot.judge.choice.thing.name).qposadr[0]
    state[address : address + 2] = [1.6, 0.9]
    seconds = 0.0
    while not expert.finished and seconds < 20.0:
        expert.act(state, seconds)
        seconds += 1 / 30
    assert "arm cannot reach" in expert.trouble


def test_every_task_has_an_expert():
    for name in robots.names():
        for task in tasks.names(robots.get(name)):
            VirtualRobot(name, task, 0).expert()
