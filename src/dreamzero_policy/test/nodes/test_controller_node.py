"""The controller as a process over DDS: what the driver hears from start to stop."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs import msg as dz
from sensor_msgs.msg import JointState

from dreamzero_policy import embodiments
from dreamzero_policy.messages.chunks import chunk_message
from dreamzero_policy.messages.joints import Proprioception, proprioception_message
from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message
from dreamzero_policy.ros import diagnostics, qos
from dreamzero_policy.types import ActionChunk

pytestmark = pytest.mark.ros

ROBOT = embodiments.get("droid")
NAMES = ROBOT.action_joints
HOME = np.array(ROBOT.home)
STEP_NS = ROBOT.time_base.row_ns


def assert_within_limits(plant):
    """Every command in range; velocity and acceleration by count, with room for the clock."""
    path = np.array([plant.units(command) for command in plant.commands])
    lower, upper = (np.array([getattr(j, end) for j in ROBOT.joints]) for end in ("lower", "upper"))
    assert np.all(path >= lower - 1e-9)
    assert np.all(path <= upper + 1e-9)
    period = 1 / 30
    velocity = np.diff(path, axis=0) / period
    acceleration = np.diff(velocity, axis=0) / period
    assert np.all(np.abs(velocity) <= np.array([j.velocity for j in ROBOT.joints]) * 1.01)
    assert np.all(np.abs(acceleration) <= np.array([j.acceleration for j in ROBOT.joints]) * 1.01)


def test_a_command_leaves_at_the_same_lag_after_its_tick_began(plant):
    """However soon it was computed: a twentieth of the period, 1.5 ms at most."""
    bench, lags = plant.bench, []

    def note(command, info):
        lags.append(info["source_timestamp"] - nanoseconds(command.header.stamp))

    bench.node.create_subscription(JointState, "joint_commands", note, qos.COMMAND)
    plant.publish_chunk(plant.ramp())
    bench.spin_until(lambda: plant.statuses and plant.status.chunks_accepted == 1)
    assert plant.call("enable", data=True).success
    bench.spin_until(lambda: len(lags) >= 20)
    # A tick that itself begins late, on a busy machine, has less to wait.
    assert max(lags) >= 1_450_000
    assert np.median(lags) >= 1_300_000, lags


def test_from_disarmed_to_motion_to_hold_to_emergency_stop(plant):
    """The whole life: nothing sent, motion inside limits, hold with a reason, latch, last hold."""
    bench = plant.bench
    plant.wait_for(mode=dz.ControllerStatus.INACTIVE, hold_reason="not_enabled")
    plant.publish_chunk(plant.ramp())
    bench.spin_until(lambda: plant.status.chunks_accepted == 1)
    assert not plant.commands
    assert plant.status.ticks > 0

    answer = plant.call("enable", data=True)
    assert answer.success, answer.message
    bench.spin_until(lambda: plant.commands)
    np.testing.assert_allclose(plant.units(plant.commands[0]), HOME, atol=1e-6)
    for _ in range(6):
        plant.publish_chunk(plant.ramp(0.2))
        bench.spin(0.4)
    plant.wait_for(mode=dz.ControllerStatus.ACTIVE, hold_reason="")
    assert plant.commands[0].name == list(NAMES)
    assert plant.units(plant.commands[-1])[0] > HOME[0] + 0.02

    plant.wait_for(mode=dz.ControllerStatus.HOLDING)
    assert plant.status.hold_reason == "stale_chunk", plant.status.message
    bench.spin(0.5)
    held = plant.commands[-1].position
    bench.spin(0.3)
    assert plant.commands[-1].position == held

    assert plant.call("estop").success
    plant.wait_for(mode=dz.ControllerStatus.ESTOPPED, hold_reason="estopped")
    plant.publish_chunk(plant.ramp(0.2))
    bench.spin(0.4)
    assert plant.commands[-1].position == held
    assert not plant.call("enable", data=True).success
    count = len(plant.commands)
    bench.spin(0.2)
    assert len(plant.commands) > count
    assert plant.call("reset_estop").success
    plant.wait_for(mode=dz.ControllerStatus.INACTIVE, enabled=False)
    assert_within_limits(plant)


def test_a_stop_in_motion_brakes_and_ends_with_a_hold(plant):
    """Ctrl-C while moving: commands go on to rest inside the limits, the last two are equal."""
    bench = plant.bench
    plant.publish_chunk(plant.ramp(0.3))
    bench.spin_until(lambda: plant.status.chunks_accepted == 1)
    assert plant.call("enable", data=True).success
    for _ in range(3):
        plant.publish_chunk(plant.ramp(0.5))
        bench.spin(0.5)
    moving = np.diff([plant.units(c)[0] for c in plant.commands[-3:]])
    assert np.all(np.abs(moving) > 1e-3)
    assert plant.process.stop() == 0, plant.process.log
    bench.spin(0.5)
    assert_within_limits(plant)
    assert plant.commands[-1].position == plant.commands[-2].position


def test_a_second_publisher_of_commands_ends_motion(plant):
    """Neither enabling nor motion while somebody else commands the robot too."""
    bench, node = plant.bench, plant.bench.node
    plant.publish_chunk(plant.ramp())
    bench.spin_until(lambda: plant.status.chunks_accepted == 1)
    assert plant.call("enable", data=True).success
    rival = node.create_publisher(JointState, "joint_commands", qos.COMMAND)
    plant.wait_for(mode=dz.ControllerStatus.INACTIVE, hold_reason="second_publisher")
    assert "test_bench" in plant.status.message
    answer = plant.call("enable", data=True)
    assert not answer.success
    assert "expected one publisher" in answer.message
    node.destroy_publisher(rival)
    bench.spin(0.5)
    assert plant.status.hold_reason == "second_publisher"
    plant.publish_chunk(plant.ramp())
    bench.spin(0.2)
    answer = plant.call("enable", data=True)
    assert answer.success, answer.message


def test_a_broken_message_is_named_and_changes_nothing(plant):
    """A chunk whose values do not fit its shape, and a state of other joints."""
    bench = plant.bench
    message = chunk_message(ActionChunk(1, 1, STEP_NS, plant.ramp(), NAMES, 1, 0))
    message.horizon = 7
    plant.chunks.publish(message)
    bench.spin_until(lambda: "expected 7 rows x 8 joints = 56 values" in plant.process.log)
    strange = Proprioception(bench.now_ns(), ("a",), [0.0], [0.0], {})
    bench.spin(1.1)
    plant.states.publish(proprioception_message(strange))
    bench.spin_until(lambda: "measured pose refused: expected joints panda" in plant.process.log)
    assert plant.status.chunks_accepted == 0


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"robot": "droit"}, "unknown robot 'droit'; known robots"),
        ({}, "parameter robot is not set"),
        ({"robot": "droid", "rate": 30.0}, "unknown parameter rate: did you mean rate_hz?"),
        ({"robot": "droid", "rate_hz": 1.0}, "parameter rate_hz: expected at least 5.0"),
        ({"robot": "droid", "tighter_limits": "[panda_joint1.velocity=9]"}, "only be tightened"),
        ({"robot": "droid", "tighter_limits": "[nonsense]"}, "expected 'joint.limit=value'"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_code_2(start, parameters, expected):
    """Exit code 2 and a line that says what was expected."""
    process = start("controller_node", **parameters)
    assert process.wait() == 2, process.log
    assert expected in process.log
    assert "Traceback" not in process.log


def test_a_bad_chunk_is_held_against_at_the_next_command(make_plant):
    """It is taken up when it comes, not after the command that follows it: shown at 10 Hz."""
    plant = make_plant(rate_hz=10.0)
    plant.enabled()
    plant.move(2.0)
    plant.wait_for(mode=dz.ControllerStatus.ACTIVE)
    waits = []
    for _ in range(6):
        plant.move(1.0)
        plant.wait_for(mode=dz.ControllerStatus.ACTIVE)
        count = len(plant.commands)
        plant.bench.spin_until(lambda count=count: len(plant.commands) > count)
        plant.bench.spin(0.04)  # between two commands
        rows = plant.ramp().copy()
        rows[0, 0] = np.nan
        sent = len(plant.statuses)
        at = plant.bench.now_ns()
        plant.publish_chunk(rows)
        plant.bench.spin_until(
            lambda sent=sent: any(
                status.mode == dz.ControllerStatus.HOLDING for status in plant.statuses[sent:]
            )
        )
        held = next(
            status for status in plant.statuses[sent:] if status.mode == dz.ControllerStatus.HOLDING
        )
        waits.append((nanoseconds(held.header.stamp) - at) / 1e9)
    assert sorted(waits)[2] < 0.1, waits  # the median; without it, 0.16 s


@pytest.mark.parametrize(("ahead_ms", "words"), [(300, "ahead of"), (-300, "behind"), (0, None)])
def test_a_policy_on_a_host_whose_clock_is_off_is_seen_from_both_directions(plant, ahead_ms, words):
    """What it says it measured, and what its stamps say here, bound the offset."""
    bench, ahead_ns, way_ns = plant.bench, ahead_ms * 1_000_000, 1_000_000
    arrays = bench.listen(DiagnosticArray, diagnostics.TOPIC, qos.DIAGNOSTICS)
    publisher = bench.node.create_publisher(dz.PolicyStatus, "policy_status", qos.STATUS)

    def report():
        message = dz.PolicyStatus(state=dz.PolicyStatus.IDLE, controller_heard=True)
        message.header.stamp = time_message(bench.now_ns() + ahead_ns)
        message.controller_transit = duration_message(way_ns + ahead_ns)
        publisher.publish(message)

    def clocks():
        found = [one for array in arrays for one in array.status if "policy clock" in one.name]
        return [one for one in found if "not compared" not in one.message][-1:]

    bench.node.create_timer(0.1, report)
    bench.spin_until(lambda: clocks() and (clocks()[0].level == b"\x02") == (words is not None))
    assert words is None or words in clocks()[0].message, clocks()[0].message
