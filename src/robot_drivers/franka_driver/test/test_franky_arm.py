"""The arm through a stand-in for franky: calls, limits, smoothness, and what ends a motion."""

import sys

import numpy as np
import pytest

from dreamzero_policy.types import NS_PER_S
from franka_driver import franky_arm
from franka_driver.arms import FER, FR3
from franka_driver.franky_arm import FrankyArm
from franka_driver.hardware import HardwareFaultError

PERIOD_NS = NS_PER_S // 30


@pytest.fixture
def connect(franky, tmp_path, monkeypatch):
    monkeypatch.setattr(franky_arm.tempfile, "gettempdir", lambda: str(tmp_path))
    made = []

    def make(model=FR3, **changes):
        settings = {"lead_s": 0.05, "dynamics": 1.0, "realtime": True, **changes}
        made.append(FrankyArm(franky, model, "172.16.0.2", **settings))
        return made[-1]

    yield make
    for arm in made:
        arm.close()


def stream(arm, robot, path, seconds):
    """Commands ``path(t)`` 30 times a second."""
    for tick in range(round(seconds * 30)):
        arm.make_for(path(tick / 30), tick * PERIOD_NS)
        robot.run(33 + (tick % 3 == 0))


def wave(start, rate=0.4, size=0.5):
    return lambda t: start + size * (1 - np.cos(2 * np.pi * rate * t)) / 2


def test_it_connects_with_the_limits_of_the_arm_that_it_was_told(connect, franky):
    franky.Robot.model_urdf = ""  # libfranka before 0.15 has none
    connect(FER, dynamics=0.5, realtime=False)
    robot = franky.Robot.newest
    assert robot.realtime_config is franky.RealtimeConfig.Ignore
    assert robot.relative_dynamics_factor == 0.5
    # franky's own, whichever arm it was built for, never above the arm's.
    np.testing.assert_array_equal(robot.joint_velocity_limit.get(), FER.velocity)
    np.testing.assert_array_equal(
        robot.joint_acceleration_limit.get(), np.minimum(FER.acceleration, 10.0)
    )


def test_a_moving_arm_follows_smoothly_and_a_lead_behind(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    start = robot.q.copy()
    path = wave(start)
    stream(arm, robot, path, 3.0)
    positions, velocities = np.array(robot.positions), np.array(robot.velocities)
    times = np.arange(len(positions)) / 1000
    wanted = np.array([path(max(0.0, t - 0.05)) for t in times])
    assert np.abs(positions - wanted)[500:].max() < 5e-3
    speed = np.gradient(wanted, 1e-3, axis=0)
    assert np.abs(velocities - speed)[500:].max() < 0.12
    # libfranka's rule: no jump of the commanded velocity.
    assert np.abs(np.diff(velocities, axis=0)).max() <= 10.0 * 1e-3 + 1e-9
    assert len(robot.moves) == 90
    assert robot.is_in_control  # one control loop for all of them


def test_naive_motions_to_rest_are_worse(connect, franky):
    """Why a command is more than a target: motions that each end at rest shake the arm."""

    def ripple(naive):
        arm = connect()
        robot = franky.Robot.newest
        if naive:
            arm._speed = lambda *_: np.zeros(7)
        stream(arm, robot, wave(robot.q.copy()), 3.0)
        arm.close()
        return np.diff(np.array(robot.velocities)[500:], axis=0).std()

    assert ripple(naive=False) < 0.6 * ripple(naive=True)


def test_without_a_next_command_it_brakes_by_itself(connect, franky):
    """The process hangs: nothing is called any more."""
    arm = connect()
    robot = franky.Robot.newest
    start = robot.q.copy()
    stream(arm, robot, lambda t: start + np.eye(7)[0] * 0.6 * t, 1.0)
    last = robot.q.copy()
    robot.run(1000)
    assert np.abs(robot.dq).max() < 1e-6
    assert 0 < (robot.q - last)[0] < 0.15


@pytest.mark.parametrize("model", [FER, FR3])
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_driven_to_its_ends_at_the_arms_limits_it_never_leaves_its_table(
    connect, franky, model, share
):
    """Commands that brake as hard as ``share`` of what the arm may, right up to a joint's end."""
    franky.Robot.model_urdf = ""
    arm = connect(model)
    robot = franky.Robot.newest
    upper, lower = np.array(model.upper), np.array(model.lower)
    brake = share * np.minimum(model.acceleration, 10.0)
    pose, speed = robot.q.copy(), np.zeros(7)
    for tick in range(120):
        most = np.minimum(2.0, np.sqrt(2 * brake * np.maximum(upper - pose, 0.0)))
        speed = np.minimum(speed + brake / 30, most)
        pose = np.minimum(pose + speed / 30, upper)
        arm.make_for(pose, tick * PERIOD_NS)
        robot.run(33)
    robot.run(600)
    positions = np.array(robot.positions)
    np.testing.assert_allclose(positions[-1], upper, atol=1e-3)
    assert (positions <= upper + 1e-3).all(), (positions - upper).max(axis=0)
    assert (positions >= lower).all()
    assert (np.abs(robot.velocities) <= np.array(model.velocity) + 1e-6).all()


def test_commands_after_a_pause_have_no_speed(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    arm.make_for(robot.q + 0.01, 0)
    arm.make_for(robot.q + 0.2, NS_PER_S)
    (waypoint,) = robot.moves[-1].waypoints
    assert not waypoint.target.velocity.any()
    assert waypoint.minimum_time.to_msec() == 50


def test_halting_stops_a_motion_and_nothing_else(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    arm.halt(robot.q)
    assert robot.moves == []
    start = robot.q.copy()
    stream(arm, robot, lambda t: start + 0.3 * t, 0.5)
    arm.halt(robot.q)
    assert isinstance(robot.moves[-1], franky.JointStopMotion)
    robot.run(500)
    assert not robot.is_in_control
    assert np.abs(robot.dq).max() < 1e-6


def test_a_reading_is_new_only_when_the_robots_clock_moved(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    first = arm.read(5)
    assert first.stamp_ns == 5
    assert first.trouble == ""
    np.testing.assert_array_equal(first.positions, robot.q)
    assert arm.read(6) is None
    robot.run(1)
    assert arm.read(7).stamp_ns == 7


def test_a_reflex_is_said_once_by_the_motion_and_then_by_the_mode(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    stream(arm, robot, wave(robot.q.copy()), 0.3)
    robot.reflex("cartesian_reflex")
    robot.run(1)
    assert "motion aborted by reflex" in arm.read(1).trouble
    robot.run(1)
    said = arm.read(2).trouble
    assert "mode Reflex" in said
    assert "cartesian_reflex" in said
    moves = len(robot.moves)
    with pytest.raises(HardwareFaultError, match="not possible"):
        arm.make_for(robot.q, 0)
    assert len(robot.moves) == moves
    assert robot.recoveries == 0


def test_recovery_is_the_robots_and_refused_while_a_hand_is_on_it(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    stream(arm, robot, wave(robot.q.copy()), 0.3)
    robot.reflex()
    arm.recover()  # before anyone asked what had ended the motion
    assert robot.recoveries == 1
    assert arm.read(1).trouble == ""
    assert robot.mode is franky.RobotMode.Idle
    robot.mode = franky.RobotMode.UserStopped
    with pytest.raises(ValueError, match="mode UserStopped: release its stop button"):
        arm.recover()
    assert robot.recoveries == 1


def test_a_lost_connection_is_a_fault_and_recovery_connects_again(connect, franky):
    arm = connect()
    robot = franky.Robot.newest
    stream(arm, robot, wave(robot.q.copy()), 0.3)
    robot.lose()
    for call in (lambda: arm.read(0), lambda: arm.make_for(robot.q, 0)):
        with pytest.raises(HardwareFaultError, match="UDP receive: Timeout"):
            call()
    franky.Robot.unreachable = "libfranka: Connection refused"
    with pytest.raises(HardwareFaultError, match="Connection refused"):
        arm.recover()
    with pytest.raises(HardwareFaultError, match="connecting again has failed"):
        arm.read(0)
    franky.Robot.unreachable = ""
    arm.recover()
    assert franky.Robot.newest is not robot
    assert arm.read(1) is not None


def test_only_one_process_may_have_the_robot(connect):
    connect()
    with pytest.raises(ValueError, match="another process of this machine drives the robot at 172"):
        connect()


def test_bad_starts_are_one_clear_line(connect, franky):
    with pytest.raises(ValueError, match="expected fr3, which the robot says it is, got fer"):
        connect(FER)
    franky.Robot.unreachable = "libfranka: Incompatible library version (server version: 5)"
    with pytest.raises(ValueError, match=r"could not connect to the fr3 at .*server version: 5"):
        connect()
    franky.Robot.unreachable = ""
    connect()  # neither attempt kept the lock


def test_without_franky_the_install_command_of_the_arm_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "franky", None)
    with pytest.raises(ValueError, match=r"run: pip install franky-control$"):
        franky_arm.load("fr3")
    with pytest.raises(ValueError, match=r"by-robot-server-version/5/$"):
        franky_arm.load("fer")
