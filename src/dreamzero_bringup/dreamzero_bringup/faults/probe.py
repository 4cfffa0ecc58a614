"""A listener at the driver's end that remembers everything with the time at which it came.

Times are the middleware's, taken in its own thread before Python is woken, on the system clock;
real-time priority, where the user may have it, keeps the rest of the machine out of that.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from dreamzero_msgs import msg as dz
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from dreamzero_bringup.faults.commands import Command
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros import qos

_ROOM = 500
_PRIORITY = 20

Received = tuple[int, Any]
"""When a message came [ns, system clock], and the message."""


class Probe:
    """Keeps what the graph says, by topic, in the order in which it came.

    Args:
        node: spun by somebody else's thread.
        embodiment: joints and their wire units.
    """

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        self._node = node
        self._wire = {
            joint.name: joint.command_wire for joint in embodiment.joints if joint.kind != "base"
        }
        self._seen: dict[str, list[Received]] = {}
        self._changed = threading.Condition()
        self.commands: list[Command] = []
        for kind, topic, profile in (
            (JointState, "joint_states", qos.STATE_INPUT),
            (dz.ControllerStatus, "controller_status", qos.STATUS),
            (dz.DriverStatus, "driver_status", qos.STATUS),
            (dz.Authority, "authority", qos.STATUS),
            (dz.ActionChunk, "action_chunk", qos.CHUNK),
            (dz.PolicyStatus, "policy_status", qos.STATUS),
            (Clock, "/clock", qos.STATE_INPUT),
        ):
            self.listen(kind, topic, profile)
        self.command_topic = node.resolve_topic_name("joint_commands")
        node.create_subscription(
            JointState, "joint_commands", self._take_command, _roomy(qos.COMMAND)
        )

    def listen(self, kind: type, topic: str, profile: QoSProfile) -> None:
        """Keeps a further topic; a second call for the same one does nothing."""
        if topic in self._seen:
            return
        self._seen[topic] = []

        def keep(message: Any, info: dict) -> None:
            with self._changed:
                self._seen[topic].append((info["received_timestamp"], message))
                self._changed.notify_all()

        self._node.create_subscription(kind, topic, keep, _roomy(profile))

    def _take_command(self, message: JointState, info: dict) -> None:
        if message.velocity:
            return  # the suite's own stranger
        values = dict(zip(message.name, message.position, strict=False))
        positions = np.array(
            [wire.to_model(values.get(name, np.nan)) for name, wire in self._wire.items()]
        )
        command = Command(
            received_ns=info["received_timestamp"],
            stamp_ns=nanoseconds(message.header.stamp),
            number=info["publication_sequence_number"],
            session=message.header.frame_id,
            positions=positions,
        )
        with self._changed:
            self.commands.append(command)
            self._changed.notify_all()

    def since(self, topic: str, since_ns: int, until_ns: int | None = None) -> list[Received]:
        """What came on a topic from an instant on."""
        with self._changed:
            kept = list(self._seen[topic])
        end = time.time_ns() if until_ns is None else until_ns
        return [one for one in kept if since_ns <= one[0] <= end]

    def last(self, topic: str) -> Any | None:
        """The newest message of a topic, None before the first."""
        with self._changed:
            kept = self._seen[topic]
            return kept[-1][1] if kept else None

    def commands_since(self, since_ns: int, until_ns: int | None = None) -> list[Command]:
        """Commands that came from an instant on."""
        end = time.time_ns() if until_ns is None else until_ns
        with self._changed:
            return [one for one in self.commands if since_ns <= one.received_ns <= end]

    def until(
        self,
        topic: str,
        wanted: Callable[[Any], bool],
        patience_s: float,
        since_ns: int = 0,
    ) -> Received:
        """The first message of a topic from an instant on for which ``wanted`` holds.

        Raises:
            ValueError: none came in time.
        """

        def found() -> Received | None:
            return next((o for o in self._seen[topic] if o[0] >= since_ns and wanted(o[1])), None)

        with self._changed:
            one = self._changed.wait_for(found, patience_s)
            kept = self._seen[topic]
            said = str(kept[-1][1])[:400] if kept else "nothing"
        if one is None:
            raise ValueError(
                f"{topic}: expected another message within {patience_s} s, last: {said}"
            )
        return one

    def wait(self, done: Callable[[], bool], patience_s: float, what: str) -> None:
        """Waits until something holds that new messages may change.

        Raises:
            ValueError: it did not hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(done, patience_s):
                raise ValueError(f"expected {what} within {patience_s} s")

    def forget(self, before_ns: int) -> None:
        """Drops what came before an instant, but for the newest message of each topic."""
        with self._changed:
            self.commands = [one for one in self.commands if one.received_ns >= before_ns]
            for topic, kept in self._seen.items():
                self._seen[topic] = [o for o in kept[:-1] if o[0] >= before_ns] + kept[-1:]


def _roomy(profile: QoSProfile) -> QoSProfile:
    """The same profile with room for what comes while Python is busy."""
    return QoSProfile(depth=_ROOM, reliability=profile.reliability, durability=profile.durability)


def hurry() -> bool:
    """Gives every thread of this process real-time priority where the user may have it.

    Processes that are started later do not inherit it.

    Returns:
        Whether it was granted.
    """
    with suppress(PermissionError):
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):
                os.sched_setscheduler(
                    int(thread),
                    os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                    os.sched_param(_PRIORITY),
                )
        return True
    return False
