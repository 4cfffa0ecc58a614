"""Every fault that a joint can show is told from the others, whatever moves and however noisy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.asking.remedies import REMEDIES
from dreamzero_bringup.walk.judge import alarm, judge
from dreamzero_bringup.walk.plan import mirrored, plan, still
from dreamzero_bringup.walk.trace import Trace
from dreamzero_policy import embodiments
from dreamzero_policy.control.limits import Limits

ROBOTS = {name: embodiments.get(name) for name in embodiments.names()}
STEP = 1 / 30
LAG_S = 0.08
BEFORE_S = 2.4  # 0.7 s idle, then enabled


def moves(robot):
    planned = plan(robot, Limits.of(robot), np.array(robot.home))
    return {n: m for n, m in planned.items() if m.joint.kind != "base"}


def play(robot, move, reach, seed=0, noise=0.0):
    """What is seen of a motion when the robot does what ``reach`` makes of its commands.

    Args:
        reach: commanded poses [N, S] to measured ones.
    """
    names = robot.state_joints
    home = robot.state_at_home()
    at = np.arange(-BEFORE_S, move.duration + 0.6, STEP)
    column = names.index(move.joint.name)

    def told(times):
        rows = np.tile(home, (len(times), 1))
        rows[:, column] = [move.at(t) for t in times]
        return rows

    enabled = -1.4
    sent = at[at >= enabled]
    measured = np.where((at > enabled)[:, None], reach(told(at - LAG_S), home), home)
    scale = still(robot.joints) * noise
    measured = measured + np.random.default_rng(seed).normal(0.0, 1.0, measured.shape) * scale
    trace = Trace(names, enabled, at, measured, sent, told(sent))
    return stopped(robot, move, trace)


def stopped(robot, move, trace):
    """The trace up to where the alarm would have ended it."""
    tolerance, zero = still(robot.joints), trace.measured_at >= 0.0
    for index, now in enumerate(trace.measured_at):
        if now <= trace.enabled:
            continue
        moving = move if zero[index] else None
        rest = trace.rest if moving else trace.idle
        column = trace.names.index(move.joint.name)
        lately = trace.commands(now - 1.0, now)[:, column]
        told = (min([*lately, rest[column]]), max([*lately, rest[column]]))
        why = alarm(trace.names, tolerance, rest, trace.measured[index], moving, told)
        if why:
            break
    else:
        return trace
    keep, kept = trace.measured_at <= now + 0.4, trace.commanded_at <= now
    measured_at, ended, shift = trace.measured_at[keep], float(now), 0.0
    if now <= 0.0:
        shift = measured_at[-1]  # a motion that never began lies before 0
    return Trace(
        trace.names, trace.enabled - shift, measured_at - shift, trace.measured[keep],
        trace.commanded_at[kept] - shift, trace.commanded[kept], ended - shift, ("alarm", why),
    )  # fmt: skip


def every():
    return [(robot, name) for robot in ROBOTS for name in moves(ROBOTS[robot])]


@given(which=st.sampled_from(every()), seed=st.integers(0, 999), noise=st.floats(0.0, 0.05))
@settings(max_examples=60, deadline=None)
def test_a_robot_that_follows_passes(which, seed, noise):
    robot, move = ROBOTS[which[0]], moves(ROBOTS[which[0]])[which[1]]
    verdict = judge(move, play(robot, move, lambda c, h: c, seed, noise), robot.joints)
    assert verdict.name == "ok", verdict.finding
    assert verdict.ratio == pytest.approx(1.0, abs=0.15)
    assert verdict.delay_s == pytest.approx(LAG_S, abs=0.12)


@given(which=st.sampled_from(every()), seed=st.integers(0, 999), noise=st.floats(0.0, 0.03))
@settings(max_examples=60, deadline=None)
def test_faults_of_the_joint_itself(which, seed, noise):
    robot, move = ROBOTS[which[0]], moves(ROBOTS[which[0]])[which[1]]
    column = robot.state_joints.index(move.joint.name)

    def times(factor):
        def reach(commanded, home):
            rows = commanded.copy()
            rows[:, column] = home[column] + factor * (commanded[:, column] - home[column])
            return rows

        return judge(move, play(robot, move, reach, seed, noise), robot.joints)

    assert times(0.0).name == "nothing_moved"
    assert times(-1.0).name == "wrong_direction"
    assert times(2.5).name == "wrong_scale"
    assert times(0.3).name == "wrong_scale"


@given(which=st.sampled_from([w for w in every() if mirrored(w[1]) != w[1]]))
@settings(max_examples=30, deadline=None)
def test_swapped_arms_are_told_from_swapped_joints(which):
    robot, move = ROBOTS[which[0]], moves(ROBOTS[which[0]])[which[1]]
    names = list(robot.state_joints)
    own, twin = names.index(move.joint.name), names.index(mirrored(move.joint.name))
    neighbour = next(i for i in range(len(names)) if i not in (own, twin))

    def instead(other):
        def reach(commanded, home):
            rows = np.tile(home, (len(commanded), 1))
            by = (commanded[:, own] - home[own]) / still(robot.joints)[own]
            rows[:, other] += by * still(robot.joints)[other]
            return rows

        return judge(move, play(robot, move, reach), robot.joints)

    assert instead(twin).name == "arms_swapped"
    assert instead(neighbour).name == "joints_swapped"

    def both(commanded, home):
        rows = commanded.copy()
        rows[:, twin] += commanded[:, own] - home[own]
        return rows

    verdict = judge(move, play(robot, move, both), robot.joints)
    assert verdict.name == "others_moved"
    assert names[twin] in verdict.finding.found


@pytest.mark.parametrize("robot", ROBOTS.values(), ids=ROBOTS)
def test_centimetres_for_metres_move_at_enable_and_are_named(robot):
    lengths = [m for m in moves(robot).values() if m.joint.name in (
        "waist_lift_joint", "panda_finger_joint1")]  # fmt: skip
    for move in lengths:
        column, wire = robot.state_joints.index(move.joint.name), move.joint.command_wire

        def reach(commanded, home, column=column, wire=wire):
            rows = commanded.copy()
            rows[:, column] = wire.to_model(0.01 * wire.to_wire(home[column]))
            return rows

        verdict = judge(move, play(robot, move, reach), robot.joints)
        assert verdict.name == "moved_on_enable"
        assert "centimetres where metres are meant" in verdict.finding.found


def test_a_small_unit_is_named_though_hardly_anything_moves():
    robot = ROBOTS["droid"]
    move = moves(robot)["panda_joint1"]

    def reach(commanded, home):
        return home + (commanded - home) / 57.2958

    verdict = judge(move, play(robot, move, reach, noise=1e-4), robot.joints)
    assert verdict.name == "wrong_scale"
    assert "radians for degrees" in verdict.finding.found


def test_slow_late_and_not_back():
    robot = ROBOTS["yam"]
    move = moves(robot)["left_joint1"]
    trace = play(robot, move, lambda c, h: c)

    def behind(seconds):
        rows = np.tile(trace.measured[0], (len(trace.measured), 1))
        rows[:, 0] = [move.at(t - seconds) for t in trace.measured_at]
        late = Trace(trace.names, trace.enabled, trace.measured_at, rows, trace.commanded_at,
                     trace.commanded)  # fmt: skip
        return judge(move, late, robot.joints)

    assert behind(0.45).name == "slow"
    assert behind(0.45).ok
    stays = trace.measured.copy()
    stays[trace.measured_at > move.turn[1] + 0.5, 0] = move.start + 0.03
    back = Trace(trace.names, trace.enabled, trace.measured_at, stays, trace.commanded_at,
                 trace.commanded)  # fmt: skip
    assert judge(move, back, robot.joints).name == "not_back"


@pytest.mark.parametrize("name", ["estopped", "held", "stream_lost", "driver_refuses", "disarmed"])
def test_what_ended_a_motion_is_what_is_said(name):
    robot = ROBOTS["yam"]
    move = moves(robot)["left_joint2"]
    trace = play(robot, move, lambda c, h: c)
    keep, kept = trace.measured_at < 0.9, trace.commanded_at < 0.9
    cut = Trace(trace.names, trace.enabled, trace.measured_at[keep], trace.measured[keep],
                trace.commanded_at[kept], trace.commanded[kept], 0.8,
                (name, "because"))  # fmt: skip
    verdict = judge(move, cut, robot.joints)
    assert verdict.name == name
    assert not verdict.ok
    assert "because" in verdict.finding.found


def test_every_fault_has_a_remedy():
    assert all(fix.strip() for fix in REMEDIES.values())


def test_no_measurement_is_a_fault():
    robot = ROBOTS["yam"]
    move = moves(robot)["left_joint2"]
    none = Trace(robot.state_joints, -1.4, np.zeros(0), np.zeros((0, 14)), np.zeros(0),
                 np.zeros((0, 14)))  # fmt: skip
    assert judge(move, none, robot.joints).name == "state_silent"


def test_the_alarm_stops_a_joint_that_runs_away_and_any_value_that_is_none():
    robot = ROBOTS["yam"]
    move, tolerance = moves(robot)["left_joint1"], still(robot.joints)
    rest = robot.state_at_home()
    for column, by, expected in (
        (0, 0.1, "left_joint1 is at 0.1, told 0 to 0.05"),
        (0, -0.04, "left_joint1 is at -0.04"),
        (0, 0.06, ""),
        (8, 0.03, "right_joint2 moved by +0.03"),
        (8, 0.01, ""),
        (3, np.nan, "left_joint4"),
        (0, np.nan, "left_joint1"),
    ):
        pose = rest.copy()
        pose[column] += by
        why = alarm(robot.state_joints, tolerance, rest, pose, move, (0.0, 0.05))
        assert why.startswith(expected) if expected else not why
