"""The whole graph as processes: it moves, it holds when the policy dies, it leaves nothing."""

import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest

from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.supervisor import Supervisor
from dreamzero_policy import embodiments

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(240)]

DROID = embodiments.get("droid")


class Watcher:
    """What the graph said, by topic, with the time at which it came."""

    def __init__(self, node):
        from dreamzero_msgs.msg import ActionChunk, ControllerStatus, PolicyStatus, Proprioception
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import JointState

        from dreamzero_policy.ros import qos

        self.seen = {}
        self._changed = threading.Condition()
        for kind, topic, profile in (
            # Room for every command, or two that come while this process sleeps look like one jump.
            (JointState, "joint_commands", QoSProfile(depth=1000)),
            (Proprioception, "proprioception", qos.STATE_INPUT),
            (ActionChunk, "action_chunk", qos.CHUNK),
            (PolicyStatus, "policy_status", qos.STATUS),
            (ControllerStatus, "controller_status", qos.STATUS),
        ):
            self.seen[topic] = []
            node.create_subscription(kind, topic, self._keeper(topic), profile)

    def _keeper(self, topic):
        def keep(message):
            with self._changed:
                self.seen[topic].append((time.monotonic(), message))
                self._changed.notify_all()

        return keep

    def until(self, topic, wanted, patience_s, since=0.0):
        """The first message on a topic, after ``since``, for which ``wanted`` holds."""

        def found():
            return next((p for p in self.seen[topic] if p[0] >= since and wanted(p[1])), None)

        with self._changed:
            got = self._changed.wait_for(found, patience_s)
        last = self.seen[topic][-1][1] if self.seen[topic] else None
        assert got, f"nothing fitting on {topic} within {patience_s} s; the last was {last}"
        return got

    def since(self, topic, moment):
        return [message for at, message in self.seen[topic] if at >= moment]


def arm(message):
    """Measured arm joints of a Proprioception."""
    return np.array(message.positions[:7])


def model_units(command):
    """A command's positions in model units, in action order."""
    values = dict(zip(command.name, command.position, strict=True))
    return np.array([j.command_wire.to_model(values[j.name]) for j in DROID.joints])


def test_moves_holds_when_the_policy_dies_and_leaves_nothing():
    from dreamzero_msgs.msg import ControllerStatus, PolicyStatus

    from dreamzero_bringup.operator_client import OperatorClient, spinning

    log = []
    nodes = build(Options("droid", sim=True))
    supervisor = Supervisor(nodes, sink=lambda name, line: log.append(f"{name}: {line}"))
    with supervisor:
        pids = dict(supervisor.pids)
        with spinning("end_to_end_test", supervisor.domain_id) as node:
            watcher, operator = Watcher(node), OperatorClient(node)
            ready = ("policy_status", lambda m: m.state == PolicyStatus.IDLE, 120.0)
            status = watcher.until(*ready)[1]
            assert status.untrained
            assert "untrained" in status.weights
            start = arm(watcher.until("proprioception", lambda m: True, 10.0)[1])

            # Chunks flow, but nothing moves before someone enables motion.
            operator.start("pick up the red block")
            watcher.until("action_chunk", lambda m: m.sequence >= 1, 20.0)
            assert not watcher.seen["joint_commands"]
            assert np.abs(arm(watcher.seen["proprioception"][-1][1]) - start).max() < 0.02

            enabled = time.monotonic()
            answer = operator.motion("enable")
            assert answer.success, answer.message
            watcher.until("controller_status", lambda m: m.mode == ControllerStatus.ACTIVE, 5.0)
            watcher.until(
                "proprioception", lambda m: np.abs(arm(m) - start).max() > 0.01, 20.0, enabled
            )
            newest = watcher.seen["action_chunk"][-1][1].sequence
            watcher.until("action_chunk", lambda m: m.sequence >= newest + 3, 20.0)

            # kill -9 of the policy: the rows that are left are followed, then the robot holds. On a
            # machine so busy that chunks come late they are played slower, down to a fifth.
            killed = time.monotonic()
            os.kill(pids["policy"], signal.SIGKILL)
            watcher.until(
                "controller_status",
                lambda m: m.mode == ControllerStatus.HOLDING and m.hold_reason == "stale_chunk",
                12.0,
                since=killed,
            )
            time.sleep(0.5)
            settled = time.monotonic()
            time.sleep(0.7)
            still = np.array([model_units(m) for m in watcher.since("joint_commands", settled)])
            assert len(still) >= 15
            assert np.ptp(still, axis=0).max() < 1e-9

            # An emergency stop latches.
            assert operator.motion("estop").success
            watcher.until("controller_status", lambda m: m.mode == ControllerStatus.ESTOPPED, 2.0)
            assert not operator.motion("enable").success

            commands = np.array([model_units(m) for _, m in watcher.seen["joint_commands"]])
            lower = np.array([joint.lower for joint in DROID.joints])
            upper = np.array([joint.upper for joint in DROID.joints])
            assert (commands >= lower - 1e-9).all()
            assert (commands <= upper + 1e-9).all()
            speed = np.abs(np.diff(commands, axis=0)) * 30.0
            assert (speed <= np.array([joint.velocity for joint in DROID.joints]) * 1.001).all()

        began = time.monotonic()
        supervisor.stop()
        assert time.monotonic() - began < 5.5
    alive = [pid for pid in pids.values() if psutil.pid_exists(pid)]
    assert not alive, log[-20:]
