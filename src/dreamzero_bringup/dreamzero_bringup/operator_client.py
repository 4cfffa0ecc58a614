"""What an operator asks of a running graph over ROS: an instruction, motion, a stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import rclpy
from dreamzero_msgs.action import RunPolicy
from dreamzero_msgs.msg import PolicyStatus
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from dreamzero_bringup import domain
from dreamzero_policy.ros import qos, realtime

_PATIENCE_S = 8.0  # to let go of a robot it is braked first, and then its driver is asked
_OUTCOMES = {
    RunPolicy.Result.TIME_LIMIT: "the time limit was reached",
    RunPolicy.Result.CANCELLED: "cancelled",
    RunPolicy.Result.REPLACED: "another instruction took its place",
    RunPolicy.Result.FAILED: "the policy failed",
}


@dataclass(frozen=True)
class Answer:
    """What a service said."""

    success: bool
    message: str


@dataclass(frozen=True)
class Outcome:
    """How an instruction ended."""

    fulfilled: bool
    text: str
    chunks: int

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.text}; {self.chunks} chunks"


class OperatorClient:
    """Calls the policy's action and the controller's services; the node must be spun elsewhere."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._policy = ActionClient(node, RunPolicy, "run_policy")
        enable = node.create_client(SetBool, "controller/enable")
        estop = node.create_client(Trigger, "controller/estop")
        reset_estop = node.create_client(Trigger, "controller/reset_estop")
        release = node.create_client(SetBool, "controller/release")
        self._services = {
            "enable": (enable, SetBool.Request(data=True)),
            "disable": (enable, SetBool.Request(data=False)),
            "estop": (estop, Trigger.Request()),
            "reset-estop": (reset_estop, Trigger.Request()),
            "release": (release, SetBool.Request(data=True)),
            "take-back": (release, SetBool.Request(data=False)),
        }

    def motion(self, command: str, patience_s: float = _PATIENCE_S) -> Answer:
        """Calls one of the controller's services.

        Args:
            command: enable, disable, estop, reset-estop, release or take-back.
            patience_s: how long to look for a controller, and to wait for its answer.

        Raises:
            ValueError: no controller answers, or there is no such command.
        """
        if command not in self._services:
            raise ValueError(f"expected one of {', '.join(self._services)}, got {command!r}")
        client, request = self._services[command]
        if not client.wait_for_service(timeout_sec=patience_s):
            raise ValueError(f"{command}: expected a controller to answer, none is there")
        response = result_of(client.call_async(request), patience_s, f"answer to {command}")
        return Answer(response.success, response.message)

    def start(
        self,
        prompt: str,
        time_limit_s: float = 0.0,
        on_feedback: Callable[[RunPolicy.Feedback], None] | None = None,
    ) -> ClientGoalHandle:
        """Sends an instruction and returns once the policy has accepted it.

        Raises:
            ValueError: no policy answers, or it refuses the instruction.
        """
        if not self._policy.wait_for_server(timeout_sec=_PATIENCE_S):
            raise ValueError("expected a policy to take the instruction, none is there")
        goal = RunPolicy.Goal(prompt=prompt, time_limit=float(time_limit_s))
        report = on_feedback or (lambda feedback: None)
        sent = self._policy.send_goal_async(goal, lambda message: report(message.feedback))
        handle = result_of(sent, _PATIENCE_S, "answer of the policy")
        if not handle.accepted:
            raise ValueError(f"the policy refused the instruction {prompt!r}")
        return handle

    def follow(self, prompt: str, time_limit_s: float, report: Callable[[str], None]) -> Outcome:
        """Sends an instruction and waits until it ends; Ctrl-C cancels it.

        Args:
            prompt: the instruction.
            time_limit_s: how long it may take [s]; 0 for no limit.
            report: takes a line every two seconds, with what the policy waits for.

        Raises:
            ValueError: as ``start``.
        """
        reported, waits = 0.0, ""

        def on_status(status: PolicyStatus) -> None:
            nonlocal waits
            waits = f"; waits: {status.message}" if status.state == PolicyStatus.WAITING else ""

        def on_feedback(feedback: RunPolicy.Feedback) -> None:
            nonlocal reported
            if feedback.elapsed - reported >= 2.0:
                reported = feedback.elapsed
                report(f"{feedback.elapsed:6.1f} s, {feedback.chunks} chunks{waits}")

        self._node.create_subscription(PolicyStatus, "policy_status", on_status, qos.STATUS)
        handle = self.start(prompt, time_limit_s, on_feedback)
        ended = handle.get_result_async()
        try:
            result = result_of(ended, None, "end of the instruction").result
        except KeyboardInterrupt:
            handle.cancel_goal_async()
            result = result_of(ended, _PATIENCE_S, "end of the cancelled instruction").result
        text = _OUTCOMES.get(result.outcome, f"outcome {result.outcome}")
        if result.message:
            text += f": {result.message}"
        return Outcome(result.outcome == RunPolicy.Result.TIME_LIMIT, text, result.chunks)


def result_of(future: Future, patience_s: float | None, what: str) -> object:
    """Waits for a future that another thread's executor completes.

    Args:
        future: of a service or an action.
        patience_s: how long to wait; None for ever, interruptible by Ctrl-C.
        what: for the error message.

    Raises:
        ValueError: it did not complete in time.
    """
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    deadline = None if patience_s is None else time.monotonic() + patience_s
    while not done.wait(0.1):
        if deadline is not None and time.monotonic() > deadline:
            raise ValueError(f"expected the {what} within {patience_s:g} s, none came")
    return future.result()


@contextmanager
def spinning(name: str, domain_id: int) -> Iterator[Node]:
    """A node of our own, spun by a thread for as long as the context lasts.

    Ctrl-C stays with the caller: rclpy's own signal handlers are not installed.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
    with realtime.hastened():
        node = rclpy.create_node(name)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, name=f"{name} executor", daemon=True)
    thread.start()
    try:
        yield node
    finally:
        executor.shutdown(timeout_sec=1.0)
        thread.join(timeout=2.0)
        for waitable in list(node.waitables):
            if isinstance(waitable, ActionClient):  # it would keep the node in the graph
                waitable.destroy()
        node.destroy_node()
        rclpy.try_shutdown()


@contextmanager
def connected(domain_id: int | None) -> Iterator[OperatorClient]:
    """A client of the graph that runs here.

    Args:
        domain_id: its domain; None for the environment's, or that of the only run on this machine.

    Raises:
        ValueError: no domain is given and not exactly one run is there.
    """
    with spinning(f"operator_{os.getpid()}", domain_of_run(domain_id)) as node:
        yield OperatorClient(node)


def domain_of_run(domain_id: int | None) -> int:
    """The domain that a command means.

    Raises:
        ValueError: none is given and not exactly one run is on this machine.
    """
    if domain_id is not None:
        return domain_id
    if text := os.environ.get("ROS_DOMAIN_ID"):
        return int(text)
    found = domain.running()
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError("expected a running graph on this machine, found none: dreamzero up")
    raise ValueError(
        f"expected one running graph on this machine, found some on domains "
        f"{', '.join(map(str, found))}: say which with --domain-id"
    )
