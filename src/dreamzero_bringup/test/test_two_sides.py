"""Two commands on one machine, one side of the graph each: one loop, over real DDS."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from dreamzero_bringup.domain import DomainClaim

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(420)]


class Side:
    """One ``dreamzero up`` and what it says."""

    def __init__(self, side, env, *words):
        command = [sys.executable, "-m", "dreamzero_policy.cli.main", "up", "yam", "--sim"]
        self.process = subprocess.Popen(
            [*command, "--side", side, *words],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log, self._changed = [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.log.append(line)
                self._changed.notify_all()

    def until(self, text, patience_s=120.0):
        with self._changed:
            there = self._changed.wait_for(lambda: any(text in one for one in self.log), patience_s)
        assert there, "".join(self.log[-40:])

    def interrupt(self):
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0, "".join(self.log[-40:])
        assert not psutil.wait_procs(children, timeout=5)[1]


def first_to_end(*sides, patience_s=60.0):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        for side in sides:
            if side.process.poll() is not None:
                return side
        time.sleep(0.1)
    raise AssertionError("".join(line for side in sides for line in side.log[-20:]))


@pytest.fixture
def env(tmp_path):
    """A domain that nobody else has, and a place of its own for the locks of its two sides."""
    claim = DomainClaim()
    yield {**os.environ, "ROS_DOMAIN_ID": str(claim.domain_id), "TMPDIR": str(tmp_path)}
    claim.release()


def test_two_commands_are_one_graph_and_either_side_can_come_back(env, monkeypatch):
    from dreamzero_msgs.msg import ControllerStatus, PolicyStatus

    from dreamzero_bringup.operator_client import OperatorClient, spinning
    from dreamzero_policy.ros import qos

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    seen, changed = {}, threading.Condition()

    def keep(message):
        with changed:
            seen[type(message)] = message
            changed.notify_all()

    def until(kind, wanted, patience_s=120.0):
        with changed:
            got = changed.wait_for(lambda: kind in seen and wanted(seen[kind]), patience_s)
        assert got, f"{seen.get(kind)}\n{''.join(robot.log[-30:])}"

    canvases = ("--set", "camera_tiler.canvas_encoding=jpeg")
    robot = Side("robot", env, *canvases)
    policy = Side("policy", env, *canvases)
    again = Side("policy", env, *canvases)
    started = [robot, policy, again]
    try:
        with spinning("two_sides_test", int(env["ROS_DOMAIN_ID"])) as node:
            node.create_subscription(ControllerStatus, "controller_status", keep, qos.STATUS)
            node.create_subscription(PolicyStatus, "policy_status", keep, qos.STATUS)
            operator = OperatorClient(node)
            loser = first_to_end(policy, again)  # either may have been the quicker
            policy = again if loser is policy else policy
            assert loser.process.returncode == 2  # the side is taken
            assert "belongs to another dreamzero run" in "".join(loser.log)

            until(PolicyStatus, lambda m: m.state == PolicyStatus.IDLE and m.controller_heard)
            first = seen[PolicyStatus].policy_id
            operator.start("stack the blocks")
            until(ControllerStatus, lambda m: m.chunks_accepted >= 2)
            assert operator.motion("enable").success
            until(ControllerStatus, lambda m: m.mode == ControllerStatus.ACTIVE)

            policy.interrupt()
            until(ControllerStatus, lambda m: m.mode == ControllerStatus.HOLDING)
            assert robot.process.poll() is None

            policy = Side("policy", env, *canvases)
            started.append(policy)
            until(PolicyStatus, lambda m: m.state == PolicyStatus.IDLE and m.policy_id != first)
            accepted = seen[ControllerStatus].chunks_accepted
            operator.start("stack the blocks")
            until(ControllerStatus, lambda m: m.chunks_accepted > accepted)
            until(ControllerStatus, lambda m: not m.enabled)  # it comes back disarmed
            policy.interrupt()
            robot.interrupt()
    finally:
        for side in started:
            side.process.kill()
