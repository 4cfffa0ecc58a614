"""Whom the controller heeds besides chunks, over DDS: driver, human, the policy's own state."""

from array import array
from itertools import pairwise

import numpy as np
import pytest
from dreamzero_msgs import msg as dz
from sensor_msgs.msg import JointState

from dreamzero_policy.messages.joints import command_message
from dreamzero_policy.messages.times import nanoseconds, time_message
from dreamzero_policy.ros import qos

pytestmark = pytest.mark.ros

Status, Source = dz.ControllerStatus, dz.Authority


class SaidOfDriver:
    """A driver's status at 10 Hz; None says nothing."""

    def __init__(self, plant, session):
        self.session, self.mode, self.message = session, dz.DriverStatus.FOLLOWING, ""
        node = plant.bench.node
        self._publisher = node.create_publisher(dz.DriverStatus, "driver_status", qos.STATUS)
        node.create_timer(0.1, self.report)
        plant.wait_until(lambda status: status.driver_age.nanosec)

    def report(self):
        if self.session is not None:
            self._publisher.publish(
                dz.DriverStatus(session_id=self.session, mode=self.mode, message=self.message)
            )


def test_commands_name_the_driver_that_was_there_at_enable(plant):
    """A driver with another session ends motion; what brakes is not for it. Enable takes it up."""
    driver = SaidOfDriver(plant, 2**63 + 5)
    plant.enabled()
    plant.move(1.0)
    assert {command.header.frame_id for command in plant.commands} == {str(2**63 + 5)}
    driver.session = 2**63 + 6
    plant.wait_for(mode=Status.INACTIVE, hold_reason="driver_restarted")
    assert plant.commands[-1].header.frame_id == str(2**63 + 5)
    count = len(plant.commands)
    plant.move(0.5)
    assert len(plant.commands) == count
    assert plant.call("enable", data=True).success
    plant.bench.spin_until(lambda: len(plant.commands) > count)
    assert plant.commands[-1].header.frame_id == str(2**63 + 6)


def test_without_a_driver_that_speaks_commands_are_for_anyone(plant):
    plant.enabled()
    plant.bench.spin_until(lambda: plant.commands)
    assert plant.commands[0].header.frame_id == ""


def test_a_silent_driver_holds_and_a_fault_disarms(plant):
    driver = SaidOfDriver(plant, 9)
    plant.enabled()
    plant.move(0.5)
    driver.session = None
    plant.bench.spin(0.3)
    plant.move(1.0)
    plant.wait_for(mode=Status.HOLDING, hold_reason="stale_driver", enabled=True)
    driver.session = 9
    plant.move(1.0)
    plant.wait_for(mode=Status.ACTIVE)
    driver.mode, driver.message = dz.DriverStatus.FAULT, "joint 3: torque limit"
    plant.wait_for(mode=Status.INACTIVE, hold_reason="driver_fault", enabled=False)
    assert "joint 3: torque limit" in plant.status.message


def human(plant, seconds, towards):
    """A teleoperation device at 50 Hz: from the present pose steadily, in the driver's units."""
    node = plant.bench.node
    device = node.create_publisher(JointState, "teleop/joint_commands", qos.STATE)
    pose, rounds = plant.pose.copy(), round(50 * seconds)
    for turn in range(rounds):
        target = pose + (towards - pose) * (turn + 1) / rounds
        message = command_message(plant.robot, plant.bench.now_ns(), target)
        message.name, message.position = message.name[::-1], message.position[::-1]
        device.publish(message)
        plant.bench.spin(0.02)
    node.destroy_publisher(device)


def test_a_human_leads_and_hands_back(plant):
    """Nobody without enable; then the human, whatever the policy; then back, all on a topic."""
    plant.wait_for(mode=Status.INACTIVE)
    human(plant, 0.5, plant.home)
    assert not plant.commands
    plant.enabled()
    plant.move(1.5)
    plant.wait_for(authority=Source.POLICY)
    towards = plant.pose + np.array([0.0, 0.1, 0, 0, 0, 0, 0, 0.5])
    count = len(plant.commands)
    human(plant, 2.5, towards)  # no chunk comes all the while
    assert plant.status.authority == Source.HUMAN
    np.testing.assert_allclose(plant.units(plant.commands[-1]), towards, atol=0.03)
    plant.move(2.5)
    plant.wait_for(mode=Status.ACTIVE, authority=Source.POLICY)
    sources = [said.source for said in plant.authorities]
    changes = [b for a, b in pairwise([None, *sources]) if a != b]
    assert changes[-3:] == [Source.HUMAN, Source.HANDING_BACK, Source.POLICY], changes
    path = np.array([plant.units(command) for command in plant.commands[count:]])
    fastest = np.array([joint.velocity for joint in plant.robot.joints])
    assert np.all(np.abs(np.diff(path, axis=0)) * 30 <= fastest * 1.01)
    stamps = {nanoseconds(said.header.stamp) for said in plant.authorities}
    assert len(stamps) == len(changes)  # each the instant from which it holds


def test_a_device_that_speaks_of_other_joints_is_named(plant):
    device = plant.bench.node.create_publisher(JointState, "teleop/joint_commands", qos.STATE)
    plant.wait_for(mode=Status.INACTIVE)

    def say(names):
        message = JointState(name=names, position=array("d", [0.0] * len(names)))
        message.header.stamp = time_message(plant.bench.now_ns())
        device.publish(message)

    plant.bench.node.create_timer(0.3, lambda: say(["fr3_joint1"]))
    plant.bench.spin_until(lambda: "fr3_joint1 unknown; expected joints" in plant.process.log)
    plant.bench.node.create_timer(0.31, lambda: say(["panda_joint1"]))
    plant.bench.spin_until(lambda: "teleoperation refused: expected" in plant.process.log)


def test_a_policy_without_an_instruction_ends_its_motion_at_once(plant):
    """Of its own session; word of an older one, latched since, changes nothing."""
    publisher = plant.bench.node.create_publisher(dz.PolicyStatus, "policy_status", qos.STATUS)
    idle = dz.PolicyStatus(state=dz.PolicyStatus.IDLE, session_id=4)
    publisher.publish(idle)
    plant.session = 5
    plant.enabled()
    plant.move(1.5)
    publisher.publish(dz.PolicyStatus(state=dz.PolicyStatus.IDLE, session_id=0))
    publisher.publish(idle)
    plant.bench.spin(0.3)
    plant.wait_for(mode=Status.ACTIVE, seconds=0.5)
    plant.publish_chunk(plant.ramp())
    plant.bench.spin(0.1)
    idle.session_id = 5
    publisher.publish(idle)
    plant.wait_for(mode=Status.HOLDING, hold_reason="no_instruction", seconds=0.5)
    plant.publish_chunk(plant.ramp())  # was still on its way
    plant.bench.spin(0.3)
    assert plant.status.mode == Status.HOLDING
    plant.session, plant.sequence = 6, 0
    plant.move(0.8)
    plant.wait_for(mode=Status.ACTIVE)


def test_another_policy_process_disarms(plant):
    plant.enabled()
    plant.move(0.8)
    plant.policy, plant.session, plant.sequence = 8, 8, 0
    plant.publish_chunk(plant.ramp())
    plant.wait_for(mode=Status.INACTIVE, hold_reason="policy_restarted", enabled=False)


def test_what_the_chunk_says_is_published_while_somebody_listens(plant):
    """In the driver's units, also while nothing is sent."""
    planned = plant.bench.listen(JointState, "planned_commands", qos.COMMAND)
    for _ in range(5):
        plant.publish_chunk(plant.ramp(0.3))
        plant.bench.spin(0.2)
    plant.bench.spin_until(lambda: planned)
    assert not plant.commands
    assert planned[-1].header.frame_id == ""
    moved = plant.units(planned[-1]) - plant.home
    assert 0.0 < moved[0] <= 0.3
    np.testing.assert_allclose(moved[1:], 0.0, atol=1e-6)


def test_a_base_rolls_with_the_chunk_and_stands_still_on_hold_and_at_the_end(make_plant):
    plant = make_plant("agibot_g1")
    plant.enabled()
    plant.move(3.0, change=0.02, base_forward=0.1, base_yaw=-0.2)
    assert plant.status.mode == Status.ACTIVE, plant.status.message
    fastest = max(plant.velocities, key=lambda twist: twist.linear.x)
    assert 0.05 < fastest.linear.x <= 0.1 + 1e-6
    assert -0.2 - 1e-6 <= fastest.angular.z < -0.1
    assert not {"base_forward", "base_yaw"} & set(plant.commands[-1].name)
    plant.wait_for(mode=Status.HOLDING)
    plant.bench.spin(1.0)
    assert abs(plant.velocities[-1].linear.x) + abs(plant.velocities[-1].angular.z) < 1e-9
    plant.move(2.0, change=0.02, base_forward=0.1)
    assert plant.velocities[-1].linear.x > 0.02
    assert plant.process.stop() == 0, plant.process.log
    plant.bench.spin(0.5)
    assert (plant.velocities[-1].linear.x, plant.velocities[-1].angular.z) == (0.0, 0.0)
