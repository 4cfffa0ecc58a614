"""Letting go of a robot, and the stop, over DDS: with drivers that agree, refuse or hang."""

import time

import numpy as np
import pytest
import rclpy
from dreamzero_msgs import msg as dz
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool

from dreamzero_policy.ros import qos

pytestmark = pytest.mark.ros

Status, Driver = dz.ControllerStatus, dz.DriverStatus


class FakeDriver:
    """Says what a driver says; answers ``driver/release`` as it is told to."""

    def __init__(self, plant, refusal="", answers=True):
        self.plant, self.refusal = plant, refusal
        self.mode, self.session, self.asked = Driver.HOLDING, 77, []
        node = plant.bench.node
        self.statuses = node.create_publisher(Driver, "driver_status", qos.STATUS)
        node.create_timer(0.1, self.report)
        if answers:
            node.create_service(SetBool, "driver/release", self.release)

    def report(self):
        if self.mode is not None:
            message = Driver(session_id=self.session, mode=self.mode)
            self.statuses.publish(message)

    def release(self, request, response):
        self.asked.append((request.data, len(self.plant.commands)))
        response.success = not self.refusal
        response.message = self.refusal or "done"
        if response.success:
            self.mode = Driver.RELEASED if request.data else Driver.HOLDING
            self.report()
        return response


def test_letting_go_brakes_first_and_taking_back_leaves_motion_disabled(plant):
    """In motion: rest, silence, then the driver is asked; nothing moves until it is taken back."""
    driver = FakeDriver(plant)
    plant.wait_until(lambda status: status.driver_age.nanosec)
    plant.enabled()
    driver.mode = Driver.FOLLOWING
    driver.report()
    plant.move(2.0)
    plant.wait_for(mode=Status.ACTIVE)
    letting_go = plant.ask("release", data=True)
    plant.bench.spin(1.0)
    assert not driver.asked  # it still follows; its watchdog has not run out
    driver.mode = Driver.HOLDING
    driver.report()
    plant.bench.spin_until(letting_go.done)
    assert letting_go.result().success, letting_go.result().message
    assert driver.asked == [(True, len(plant.commands))]
    last = [plant.units(command) for command in plant.commands[-2:]]
    np.testing.assert_allclose(last[0], last[1], atol=2e-3)  # at rest
    plant.wait_for(mode=Status.RELEASED, enabled=False, authority=dz.Authority.NOBODY)

    refused = plant.call("enable", data=True)
    assert not refused.success
    assert "released" in refused.message
    assert plant.call("estop").success
    plant.wait_for(mode=Status.RELEASED, estopped=True)
    assert plant.call("reset_estop").success
    count = len(plant.commands)
    plant.move(0.5)
    assert len(plant.commands) == count

    taken = plant.call("release", data=False)
    assert taken.success, taken.message
    assert driver.asked[-1][0] is False
    plant.wait_for(mode=Status.INACTIVE, enabled=False, hold_reason="not_enabled")
    plant.publish_chunk(plant.ramp())
    plant.bench.spin(0.3)
    assert plant.call("enable", data=True).success


def test_a_driver_that_refuses_leaves_the_robot_held(plant):
    FakeDriver(plant, refusal="the arm carries something heavy")
    plant.wait_until(lambda status: status.driver_age.nanosec)
    answer = plant.call("release", data=True)
    assert not answer.success
    assert answer.message == "the driver says: the arm carries something heavy"
    plant.wait_for(mode=Status.INACTIVE)
    plant.enabled()
    plant.bench.spin_until(lambda: plant.commands)


def test_without_a_driver_there_is_nothing_to_let_go_of(plant):
    answer = plant.call("release", data=True)
    assert not answer.success
    assert answer.message == "expected a driver that answers driver/release, none is there"
    plant.wait_for(mode=Status.INACTIVE)


def test_an_emergency_stop_while_letting_go_is_at_once_and_keeps_the_robot_held(plant):
    """The driver goes on following, so letting go waits; the stop does not, and it prevails."""
    driver = FakeDriver(plant)
    plant.wait_until(lambda status: status.driver_age.nanosec)
    plant.enabled()
    driver.mode = Driver.FOLLOWING
    plant.move(1.5)
    letting_go = plant.ask("release", data=True)
    plant.bench.spin(0.1)
    again = plant.call("release", data=True)
    assert not again.success
    assert "already" in again.message
    began = time.monotonic()
    assert plant.call("estop").success
    plant.wait_for(estopped=True, seconds=0.5)
    assert time.monotonic() - began < 0.5
    plant.bench.spin_until(letting_go.done)
    assert not letting_go.result().success
    assert "emergency stop" in letting_go.result().message
    assert not driver.asked
    plant.wait_for(estopped=True, enabled=False)


def test_a_driver_that_does_not_answer_is_given_up_on(plant):
    """A service that is there but whose process is stuck: the rest of the node goes on."""
    driver = FakeDriver(plant, answers=False)
    plant.wait_until(lambda status: status.driver_age.nanosec)
    stuck = rclpy.create_node("stuck_driver", context=plant.bench.context)
    stuck.create_service(SetBool, "driver/release", driver.release)
    answer = plant.call("release", data=True)  # `stuck` is in no executor: nobody answers
    assert not answer.success
    assert answer.message == "expected an answer of the driver within 2 s, none came"
    plant.wait_for(mode=Status.INACTIVE)
    assert not driver.asked
    executor = SingleThreadedExecutor(context=plant.bench.context)
    executor.add_node(stuck)
    executor.spin_once(timeout_sec=1.0)  # it lets go after all
    assert driver.asked
    refused = plant.call("enable", data=True)
    assert not refused.success
    assert plant.call("release", data=False).message == (
        "expected an answer of the driver within 2 s, none came"
    )
    executor.shutdown()
    stuck.destroy_node()
