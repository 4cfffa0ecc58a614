"""An operator's words reach a policy and a controller, here small ones of the test's own."""

import gc
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and the built workspace")

import rclpy
from builtin_interfaces.msg import Duration
from dreamzero_msgs import msg as messages
from dreamzero_msgs.action import RunPolicy
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool, Trigger

from dreamzero_bringup import domain, operator_client
from dreamzero_bringup.demo.recorder import DemoRecorder
from dreamzero_bringup.demo.recording import Recording
from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.operator_client import OperatorClient, domain_of_run, spinning
from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.ros import qos

pytestmark = pytest.mark.ros


class Robot:
    """Answers as policy and controller do and publishes one message of every kind."""

    def __init__(self, context):
        self.node = rclpy.create_node("robot", context=context)
        self.heard = []
        self.cancelled = threading.Event()
        create = self.node.create_service
        create(SetBool, "controller/enable", self._enable)
        create(Trigger, "controller/estop", self._estop)
        create(Trigger, "controller/reset_estop", self._reset_estop)
        create(SetBool, "controller/release", self._release)
        ActionServer(
            self.node,
            RunPolicy,
            "run_policy",
            self._follow,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def _enable(self, request, response):
        self.heard.append(("enable", request.data))
        response.success, response.message = False, "no_chunk: none yet"
        return response

    def _estop(self, request, response):
        self.heard.append(("estop", None))
        response.success, response.message = True, "stopped"
        return response

    def _reset_estop(self, request, response):
        self.heard.append(("reset_estop", None))
        response.success, response.message = True, "reset"
        return response

    def _release(self, request, response):
        self.heard.append(("release", request.data))
        response.success, response.message = True, "released" if request.data else "held"
        return response

    def _follow(self, goal):
        self.heard.append((goal.request.prompt, goal.request.time_limit))
        goal.publish_feedback(RunPolicy.Feedback(elapsed=2.5, chunks=3))
        if goal.request.prompt == "wait":
            self._wait(goal)
        goal.succeed()
        return RunPolicy.Result(outcome=RunPolicy.Result.TIME_LIMIT, message="done", chunks=4)

    def _wait(self, goal):
        """Says for as long as it takes to be heard that there is no canvas."""
        out = self.node.create_publisher(messages.PolicyStatus, "policy_status", qos.STATUS)
        status = messages.PolicyStatus(
            state=messages.PolicyStatus.WAITING, message="no canvas has come yet"
        )
        for number in range(2, 42):
            out.publish(status)
            time.sleep(0.1)
            goal.publish_feedback(RunPolicy.Feedback(elapsed=2.5 * number, chunks=3))

    def publish(self):
        node, send = self.node, {}
        for topic, kind, profile in (
            ("joint_commands", JointState, qos.COMMAND),
            ("proprioception", messages.Proprioception, qos.STATE),
            ("action_chunk", messages.ActionChunk, qos.CHUNK),
            ("policy_status", messages.PolicyStatus, qos.STATUS),
            ("controller_status", messages.ControllerStatus, qos.STATUS),
            ("canvas", messages.Canvas, qos.CANVAS),
            ("predicted_canvas", Image, qos.PICTURE),
        ):
            send[topic] = node.create_publisher(kind, topic, profile)
        image = Image(height=2, width=2, step=6, encoding="rgb8", data=bytes(range(12)))
        names = list(DROID.action_joints)
        return [
            (send["joint_commands"], JointState(name=names[::-1], position=[0.02] + [0.5] * 7)),
            (send["proprioception"], messages.Proprioception(positions=[0.1] * 8)),
            (
                send["action_chunk"],
                messages.ActionChunk(
                    step=Duration(nanosec=66_666_667),
                    horizon=2,
                    joint_names=names,
                    rows=[0.25] * 16,
                    session_id=5,
                    sequence=6,
                ),
            ),
            (
                send["policy_status"],
                messages.PolicyStatus(
                    state=messages.PolicyStatus.RUNNING,
                    reset_reasons=["first_call"],
                    reset_counts=[1],
                    stages=["encode"],
                    stage_seconds=[0.5],
                    untrained=True,
                ),
            ),
            (
                send["controller_status"],
                messages.ControllerStatus(
                    mode=messages.ControllerStatus.HOLDING,
                    hold_reason="no_chunk",
                    joint_names=names,
                    limited_ticks=list(range(8)),
                ),
            ),
            (send["canvas"], messages.Canvas(image=image)),
            (send["predicted_canvas"], image),
        ]


@pytest.fixture
def robot():
    claim = DomainClaim()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=claim.domain_id)
    robot = Robot(context)
    robot.domain_id = claim.domain_id
    executor = MultiThreadedExecutor(num_threads=2, context=context)
    executor.add_node(robot.node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield robot
    executor.shutdown(timeout_sec=2)
    thread.join(timeout=2)
    robot.node.destroy_node()
    rclpy.shutdown(context=context)
    del claim  # kept for as long as this process lives: no test meets what another one left


@pytest.fixture(autouse=True)
def localhost(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def test_words_reach_policy_and_controller(robot):
    said = []
    with spinning("operator", robot.domain_id) as node:
        client = OperatorClient(node)
        outcome = client.follow("stack the blocks", 3.0, said.append)
        refused = client.motion("enable")
        stopped = client.motion("estop")
    assert robot.heard == [("stack the blocks", 3.0), ("enable", True), ("estop", None)]
    assert outcome.fulfilled
    assert str(outcome) == "the time limit was reached: done; 4 chunks"
    assert said == ["   2.5 s, 3 chunks"]
    assert (refused.success, refused.message) == (False, "no_chunk: none yet")
    assert stopped.success


def test_what_a_policy_waits_for_is_said(robot):
    said = []
    with spinning("operator", robot.domain_id) as node:
        OperatorClient(node).follow("wait", 0.0, said.append)
    assert any(line.endswith("3 chunks; waits: no canvas has come yet") for line in said), said


def test_every_command_reaches_its_service(robot):
    commands = ("enable", "disable", "estop", "reset-estop", "release", "take-back")
    with spinning("operator", robot.domain_id) as node:
        client = OperatorClient(node)
        said = {command: client.motion(command).message for command in commands}
        with pytest.raises(ValueError, match=r"expected one of enable, .*, got 'let-go'"):
            client.motion("let-go")
    assert robot.heard == [
        ("enable", True),
        ("enable", False),
        ("estop", None),
        ("reset_estop", None),
        ("release", True),
        ("release", False),
    ]
    assert (said["release"], said["take-back"]) == ("released", "held")


def test_every_message_is_recorded_in_model_units(robot):
    recording = Recording(DROID, started_ns=0)
    with spinning("recorder", robot.domain_id) as node:
        DemoRecorder(node, recording)
        sent = robot.publish()
        kept = ("commands", "states", "chunks", "policy", "controller", "seen", "predicted")
        for _ in range(200):
            if all(getattr(recording, name) for name in kept) and recording.malformed:
                break
            for publisher, message in sent:
                publisher.publish(message)
            threading.Event().wait(0.05)
            sent[2][0].publish(messages.ActionChunk(horizon=2))
            threading.Event().wait(0.05)
    # The finger's wire unit is m from the middle: 0.02 m is half closed.
    assert np.allclose(recording.commands[0].positions, [0.5] * 8)
    assert recording.first_command_ns == recording.commands[0].received_ns > 1_000_000_000
    assert recording.states[0].positions.tolist() == [0.1] * 8
    chunk = recording.chunks[0].chunk
    assert (chunk.rows.shape, chunk.session, chunk.sequence) == ((2, 8), 5, 6)
    assert "action_chunk: action chunk: expected 2 rows" in recording.malformed[0]
    policy, controller = recording.policy[0], recording.controller[0]
    assert (policy.state, policy.stages, policy.untrained) == ("RUNNING", {"encode": 0.5}, True)
    assert policy.reset_reasons == {"first_call": 1}
    assert (controller.mode, controller.hold_reason) == ("HOLDING", "no_chunk")
    assert controller.limited_ticks["panda_joint2"] == 1


def test_nobody_there_is_said(monkeypatch):
    monkeypatch.setattr(operator_client, "_PATIENCE_S", 0.1)
    claim = DomainClaim()
    with spinning("operator", claim.domain_id) as node:
        client = OperatorClient(node)
        with pytest.raises(ValueError, match="expected a controller to answer, none is there"):
            client.motion("enable", patience_s=0.1)
        with pytest.raises(ValueError, match="expected a policy to take the instruction"):
            client.start("anything")
    claim.release()


def test_the_only_run_here_is_found_by_its_lock(monkeypatch, tmp_path):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.setattr(domain, "lock_folder", lambda: tmp_path)
    assert domain_of_run(17) == 17
    with pytest.raises(ValueError, match="expected a running graph on this machine, found none"):
        domain_of_run(None)
    first = DomainClaim()
    assert domain_of_run(None) == first.domain_id
    second = DomainClaim()
    with pytest.raises(ValueError, match=f"domains {first.domain_id}, {second.domain_id}"):
        domain_of_run(None)
    monkeypatch.setenv("ROS_DOMAIN_ID", "55")
    assert domain_of_run(None) == 55
    first.release()
    second.release()


def test_a_node_that_is_done_leaves_the_graph():
    """Without waiting for a collection of what Python forgets: a second one would be a double."""
    claim = DomainClaim()
    gc.disable()
    try:
        for number in range(2):
            with spinning(f"before_{number}", claim.domain_id) as node:
                OperatorClient(node)
        with spinning("after", claim.domain_id) as node:
            until = time.monotonic() + 20.0
            while node.get_node_names() != ["after"] and time.monotonic() < until:
                time.sleep(0.1)
            assert node.get_node_names() == ["after"]
    finally:
        gc.enable()
        claim.release()
