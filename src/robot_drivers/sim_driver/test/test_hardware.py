"""The simulated robot in virtual time: it tracks, holds, refuses, repeats itself and can grasp."""

import mujoco
import numpy as np
import pytest

from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots

FRANKA = robots.get("droid")
HOME = np.array([joint.home for joint in FRANKA.joints])
MS = 1_000_000
PERIOD = 33_333_333  # ns, the controller's 30 Hz


def make(seed=0):
    return SimulatedRobot(FRANKA, seed, now_ns=0)


def drive(robot, target, start_ns, seconds):
    """Commands ``target(t)`` at 30 Hz; returns when it ended and the readings at 100 Hz."""
    readings, now = [], start_ns
    end = start_ns + round(seconds * 1e9)
    while now < end:
        robot.command(robot.joint_names, target((now - start_ns) / 1e9), now)
        for tick in (10, 20, 30):
            robot.advance(now + tick * MS)
            readings.append((now + tick * MS - start_ns, robot.read().positions))
        now += PERIOD
        robot.advance(now)
    return now, readings


def test_home_is_held_without_a_command():
    robot = make()
    for now in range(0, 2000 * MS, 100 * MS):
        robot.advance(now)
    np.testing.assert_allclose(robot.read().positions, HOME, atol=1e-5)
    np.testing.assert_allclose(robot.read().velocities, 0, atol=1e-4)
    assert robot.hold_reason == "no command yet"


def test_no_steady_state_error():
    robot = make()
    target = HOME + [0.6, 0.5, -0.6, 0.4, 0.5, 0.3, 1.0, -0.02]
    drive(robot, lambda t: target, 0, 3.0)
    np.testing.assert_allclose(robot.read().positions, target, atol=2e-4)


def test_tracks_a_moving_target_forty_milliseconds_behind():
    robot = make()
    reach = np.array([0.5, 0.4, 0.5, 0.4, 0.5, 0.5, 0.5, -0.02])

    def target(t):
        return HOME + reach * (1 - np.cos(np.pi * t)) / 2

    _, readings = drive(robot, target, 0, 5.0)
    late = [(t / 1e9, q) for t, q in readings if t > 1e9]
    error = np.abs([q - target(t - 0.04) for t, q in late]).max(axis=0)
    assert np.all(error[:7] < 5e-3)
    assert error[7] < 1e-3


def test_a_far_command_moves_no_faster_than_the_joints_may():
    robot = make()
    target = np.array([2.0, 1.0, -2.0, -1.0, 2.0, 3.0, 2.0, 0.0])
    robot.advance(0)
    speeds, now = [], 0
    while now < 4e9:
        robot.command(robot.joint_names, target, now)
        now += 10 * MS
        robot.advance(now)
        speeds.append(np.abs(robot.read().velocities))
    fastest = np.array([joint.velocity for joint in FRANKA.joints])
    # A set-point that starts at full speed leaves the motors behind for a moment; they catch up.
    assert np.all(np.max(speeds, axis=0) < 1.6 * fastest)
    np.testing.assert_allclose(robot.read().positions, target, atol=1e-3)


def test_watchdog_holds_the_pose():
    robot = make()
    now, _ = drive(robot, lambda t: HOME + [0.5 * t, 0, 0, 0, 0, 0, 0, -0.03], 0, 1.0)
    assert robot.hold_reason is None
    last = now - PERIOD
    robot.advance(last + 400 * MS)
    assert robot.hold_reason is None
    robot.advance(last + 404 * MS)
    assert robot.hold_reason == "no command for 0.4 s"
    held = robot.read().positions
    for tick in range(1, 20):
        robot.advance(last + 404 * MS + tick * 100 * MS)
    np.testing.assert_allclose(robot.read().positions, held, atol=1e-3)
    np.testing.assert_allclose(robot.read().velocities, 0, atol=1e-3)
    robot.command(robot.joint_names, HOME, last + 3000 * MS)
    assert robot.hold_reason is None


def test_bad_commands_do_not_feed_the_watchdog():
    robot = make()
    now, _ = drive(robot, lambda t: HOME + 0.1 * t * np.array([1] * 7 + [0]), 0, 0.5)
    held = robot.read().positions
    for tick in range(20):
        with pytest.raises(ValueError, match="panda_joint1"):
            robot.command(robot.joint_names, [np.nan, *HOME[1:]], now + tick * PERIOD)
        robot.advance(now + tick * PERIOD)
    assert robot.hold_reason == "no command for 0.4 s"
    np.testing.assert_allclose(robot.read().positions, held, atol=0.01)


def test_hold_stops_a_moving_arm_at_once():
    robot = make()
    now, _ = drive(robot, lambda t: HOME + [1.5 * t, 0, 0, 0, 0, 0, 0, 0], 0, 1.0)
    moving = robot.read()
    assert moving.velocities[0] > 1.2
    robot.hold("two publishers")
    robot.advance(now + 250 * MS)
    robot.advance(now + 500 * MS)
    assert robot.hold_reason == "two publishers"
    assert abs(robot.read().velocities[0]) < 0.01
    assert abs(robot.read().positions[0] - moving.positions[0]) < 0.05


def push(robot, joint, effort):
    """Pulls at a joint as a hand does, until the next push."""
    robot._data.qfrc_applied[robot._velocities[robot.joint_names.index(joint)]] = effort


def let(robot, now, seconds):
    """Lets time pass; returns the instant."""
    for _ in range(round(seconds * 10)):
        now += 100 * MS
        robot.advance(now)
    return now


def test_a_released_arm_can_be_moved_by_hand_and_does_not_fall():
    robot = make()
    now = let(robot, 0, 0.5)
    push(robot, "panda_joint1", 15.0)
    now = let(robot, now, 0.5)
    assert abs(robot.read().positions[0] - HOME[0]) < 0.01  # powered: stiff
    push(robot, "panda_joint1", 0.0)
    now = let(robot, now, 0.5)
    robot.release()
    assert (robot.released, robot.hold_reason) == (True, "released by the operator")
    now = let(robot, now, 2.0)
    np.testing.assert_allclose(robot.read().positions, HOME, atol=0.02)  # carries its own weight
    push(robot, "panda_joint1", 15.0)
    now = let(robot, now, 1.0)
    push(robot, "panda_joint1", 0.0)
    assert robot.read().positions[0] > HOME[0] + 0.2
    assert robot.read().velocities[0] < 1.5  # damped


def test_a_released_robot_obeys_nothing_and_no_watchdog_powers_it():
    robot = make()
    now = let(robot, 0, 0.2)
    robot.release()
    with pytest.raises(ValueError, match="the robot is released; take it back"):
        robot.command(robot.joint_names, HOME, now)
    robot.hold("two publishers")
    let(robot, now, 1.0)
    assert (robot.released, robot.hold_reason) == (True, "released by the operator")


def test_letting_go_is_refused_while_commands_are_followed():
    robot = make()
    robot.command(robot.joint_names, HOME, 0)
    with pytest.raises(ValueError, match="commands are being followed"):
        robot.release()
    assert not robot.released


def test_taken_back_it_holds_where_it_is_without_a_jump():
    robot = make()
    now = let(robot, 0, 0.2)
    robot.release()
    push(robot, "panda_joint1", 15.0)
    now = let(robot, now, 1.0)
    push(robot, "panda_joint1", 0.0)
    now = let(robot, now, 2.0)
    robot.take_back()
    moved = robot.read().positions
    assert moved[0] > HOME[0] + 0.2
    assert (robot.released, robot.hold_reason) == (False, "taken back; no command since")
    let(robot, now, 1.0)
    np.testing.assert_allclose(robot.read().positions, moved, atol=0.02)
    held = robot.read().positions
    push(robot, "panda_joint1", 15.0)
    let(robot, now + 1000 * MS, 0.5)
    assert abs(robot.read().positions[0] - held[0]) < 0.01  # stiff again


def test_letting_go_keeps_the_grip():
    robot = make()
    now, _ = drive(robot, lambda t: [*HOME[:7], 0.0], 0, 1.0)
    now = let(robot, now, 1.0)
    robot.release()
    push(robot, "panda_finger_joint1", 20.0)
    let(robot, now, 1.0)
    assert robot.read().positions[7] < 0.01


def test_taking_back_what_is_held_changes_nothing():
    robot = make()
    robot.command(robot.joint_names, HOME, 0)
    robot.take_back()
    assert robot.hold_reason is None


def test_a_long_pause_is_not_made_up_for():
    robot = make()
    robot.advance(10_000 * MS)
    before = robot.read().positions
    robot.advance(5_000 * MS)  # an instant that has passed
    np.testing.assert_array_equal(robot.read().positions, before)


def test_same_seed_same_motion():
    target = HOME + 0.2 * np.array([1, 1, 1, 1, 1, -1, 1, 0])
    ends = []
    for seed in (4, 4, 5):
        robot = make(seed)
        drive(robot, lambda t: target, 0, 0.5)
        ends.append(robot.scene_state())
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.allclose(ends[0], ends[2])


def test_blocks_lie_on_the_table_apart_from_one_another():
    for seed in range(30):
        robot = make(seed)
        places = {
            name: place for name, place in robot.body_positions.items() if name.endswith("_block")
        }
        assert len(places) == 5
        flat = np.array([place[:2] for place in places.values()])
        gaps = np.linalg.norm(flat[:, None] - flat[None], axis=-1) + np.eye(5)
        assert gaps.min() > 0.1
        for place in places.values():
            assert 0.37 < place[0] < 0.65
            assert abs(place[1]) < 0.25
            assert 0.019 < place[2] < 0.028


@pytest.mark.parametrize(("seed", "message"), [(-1, "seed: expected 0 or more, got -1")])
def test_bad_settings_are_named(seed, message):
    with pytest.raises(ValueError, match=message):
        make(seed)


def test_bad_timeout_is_named():
    with pytest.raises(ValueError, match="command_timeout_s: expected more than 0, got 0"):
        SimulatedRobot(FRANKA, 0, now_ns=0, command_timeout_s=0)


def reach(model, q, position, yaw):
    """Joint angles [7] near ``q`` that put the fingers' middle at ``position``, pointing down.

    Damped least squares on the model's Jacobian; ``yaw`` turns the fingers about the vertical.
    """
    data = mujoco.MjData(model)
    c, s = np.cos(yaw), np.sin(yaw)
    wanted = np.array([[c, s, 0], [s, -c, 0], [0, 0, -1]])
    data.qpos[:7] = q
    moves, turns = np.empty((3, model.nv)), np.empty((3, model.nv))
    for _ in range(300):
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        site = data.site("tcp")
        now = site.xmat.reshape(3, 3)
        turn = 0.5 * sum(np.cross(now[:, axis], wanted[:, axis]) for axis in range(3))
        error = np.concatenate([position - site.xpos, turn])
        if np.abs(error).max() < 1e-6:
            return data.qpos[:7].copy()
        mujoco.mj_jacSite(model, data, moves, turns, site.id)
        jacobian = np.vstack([moves[:, :7], turns[:, :7]])
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + 1e-4 * np.eye(6))
        data.qpos[:7] += np.clip(inverse @ error, -0.2, 0.2)
    raise AssertionError(f"no way to reach {position}: left over {error}")


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_grasps_and_lifts_a_block(seed):
    robot = make(seed)
    state = robot.scene_state()
    address = robot.model.joint("red_block").qposadr[0]
    x, y, z, w, _, _, qz = state[address : address + 7]
    yaw = 2 * np.arctan2(qz, w)
    above = reach(robot.model, HOME[:7], [x, y, z + 0.12], yaw)
    around = reach(robot.model, above, [x, y, z], yaw)
    now, here = 0, HOME
    for arm, finger, seconds in (
        (above, 0.04, 1.5),
        (around, 0.04, 1.2),
        (around, 0.0, 0.8),
        (above, 0.0, 1.2),
        (HOME[:7], 0.0, 1.5),
    ):
        there = np.array([*arm, finger])

        def target(t, here=here, there=there, seconds=seconds):
            return here + (there - here) * min(1.0, t / (0.8 * seconds))

        now, _ = drive(robot, target, now, seconds)
        here = there
    lifted = robot.body_positions["red_block"]
    hand = robot.body_positions["hand"]
    assert lifted[2] > 0.3
    assert np.linalg.norm(lifted - hand) < 0.15
    for tick in range(1, 30):  # commands stop: the watchdog holds, and the grip stays closed
        robot.advance(now + tick * 100 * MS)
    assert robot.hold_reason is not None
    np.testing.assert_allclose(robot.body_positions["red_block"], lifted, atol=0.005)
