"""A gripper behind an action: one goal at a time, the newest wins; and what its topic says."""

import sys
from types import SimpleNamespace

import pytest

from dreamzero_policy.embodiments.embodiment import WireScale
from franka_driver import ros_grippers
from franka_driver.hardware import HardwareFaultError
from franka_driver.ros2_control_arm import robot_state_type, trouble_of
from franka_driver.ros_grippers import ACTIONS, ActionSender, RosGripper


class Future:
    def __init__(self):
        self.value = None

    def done(self):
        return self.value is not None

    def result(self):
        return self.value


class Handle:
    accepted = True

    def __init__(self, server):
        self._server, self.outcome = server, Future()

    def get_result_async(self):
        return self.outcome

    def cancel_goal_async(self):
        self._server.log.append("cancel")


class Server:
    """As rclpy.action.ActionClient sees one; answers when the test says so."""

    def __init__(self):
        self.log, self.ready, self.asked, self.handle = [], True, None, None

    def server_is_ready(self):
        return self.ready

    def send_goal_async(self, goal):
        self.log.append(goal)
        self.asked = Future()
        return self.asked

    def accept(self, accepted=True):
        self.handle = Handle(self)
        self.handle.accepted = accepted
        self.asked.value = self.handle

    def end(self):
        self.handle.outcome.value = "aborted"  # as the Franka Hand's does when it holds something

    def destroy(self):
        self.log.append("destroyed")


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def sender(server):
    return ActionSender(server, lambda position: position, "franka_gripper/gripper_action")


def test_a_goal_is_sent_once_and_a_failed_one_is_not_repeated(server, sender):
    sender.step()
    sender.send(0.02)
    for _ in range(3):
        sender.step()
    server.accept()
    sender.step()
    server.end()
    for _ in range(3):
        sender.step()
    assert server.log == [0.02]


def test_another_goal_waits_until_the_first_was_cancelled_and_has_ended(server, sender):
    """franka_ros2's server would run both at once (gripper_action_server.cpp handleGoal)."""
    sender.send(0.0)
    sender.step()
    sender.send(0.02)
    sender.step()
    assert server.log == [0.0]  # not accepted yet: nothing to cancel
    server.accept()
    for _ in range(3):
        sender.step()
    sender.send(0.04)
    sender.step()
    assert server.log == [0.0, "cancel"]
    server.end()
    sender.step()
    assert server.log == [0.0, "cancel", 0.04]  # the newest; 0.02 never


def test_no_server_and_a_rejected_goal_are_faults(server, sender):
    server.ready = False
    sender.send(0.0)
    with pytest.raises(HardwareFaultError, match="no server of the action franka_gripper/gripper_"):
        sender.step()
    server.ready = True
    sender.step()
    server.accept(accepted=False)
    with pytest.raises(HardwareFaultError, match="rejected 0"):
        sender.step()
    sender.close()
    assert server.log[-1] == "destroyed"


def test_goals_carry_position_and_effort():
    single = SimpleNamespace(Goal=lambda: SimpleNamespace(command=SimpleNamespace()))
    goal = ACTIONS["GripperCommand"].goal(single, "fr3_finger_joint1", 0.02, 40.0)
    assert (goal.command.position, goal.command.max_effort) == (0.02, 40.0)
    goal = ACTIONS["ParallelGripperCommand"].goal(single, "robotiq_85_left_knuckle_joint", 0.4, 5.0)
    assert list(goal.command.name) == ["robotiq_85_left_knuckle_joint"]
    assert (list(goal.command.position), list(goal.command.effort)) == ([0.4], [5.0])


def test_without_the_packages_the_way_to_get_them_is_said(monkeypatch):
    for module in ("control_msgs", "control_msgs.action", "franka_msgs", "franka_msgs.msg"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match="run: sudo apt-get install ros-jazzy-control-msgs"):
        ros_grippers.action_type("GripperCommand")
    with pytest.raises(ValueError, match=r"the workspace that franka_ros2 .* was built in"):
        robot_state_type()


class Log:
    def __init__(self):
        self.sent = []

    def send(self, position):
        self.sent.append(position)


@pytest.fixture
def robotiq(monkeypatch):
    waiting = []
    monkeypatch.setattr(
        ros_grippers,
        "Polled",
        lambda *_: SimpleNamespace(take=lambda: waiting.pop(0) if waiting else None),
    )
    node = SimpleNamespace(resolve_topic_name=lambda name: f"/{name}")
    gripper = RosGripper(
        node,
        Log(),
        joint="robotiq_85_left_knuckle_joint",
        states_topic="robotiq/joint_states",
        scale=WireScale(zero=0.0, one=0.7929),
        step=0.05,
        now_ns=lambda: 7,
    )
    return gripper, waiting


def test_a_robotiqs_knuckle_is_read_and_told_in_its_own_radians(robotiq):
    gripper, waiting = robotiq
    assert gripper.read() is None
    other = SimpleNamespace(
        name=["other", "robotiq_85_left_knuckle_joint"], position=[9.0, 0.7929 / 2]
    )
    waiting.append(other)
    assert gripper.read() == (pytest.approx(0.5), 7)
    for closed in (0.5, 0.52, 0.6, 0.98, 1.0, 1.0):
        gripper.make_for(closed)
    assert gripper._sender.sent == pytest.approx([0.39645, 0.47574, 0.777042, 0.7929])
    waiting.append(SimpleNamespace(name=["fr3_finger_joint1"], position=[0.04]))
    with pytest.raises(HardwareFaultError, match=r"was to carry robotiq_85.*carries fr3_finger"):
        gripper.read()


def test_a_robot_state_names_the_mode_and_the_errors():
    """Constants and fields of franka_msgs/msg/FrankaRobotState.msg and Errors.msg."""
    errors = SimpleNamespace(
        joint_reflex=False,
        communication_constraints_violation=True,
        get_fields_and_field_types=lambda: {
            "joint_reflex": "boolean",
            "communication_constraints_violation": "boolean",
        },
    )
    assert trouble_of(SimpleNamespace(robot_mode=2, current_errors=errors)) == ""
    said = trouble_of(SimpleNamespace(robot_mode=4, current_errors=errors))
    assert said == "the robot is in mode reflex: communication_constraints_violation"
