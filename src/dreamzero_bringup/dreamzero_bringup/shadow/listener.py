"""What a shadow run listens to; every message becomes a line of the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dreamzero_msgs import msg as dz
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from dreamzero_bringup.shadow.log import ShadowLog
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.chunks import chunk_from_message
from dreamzero_policy.messages.joints import proprioception_from_message, targets_from_message
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros import qos
from dreamzero_policy.types import Float

_ROOM = 100


class ShadowListener:
    """Subscriptions of a shadow run.

    Attributes:
        policy: the policy's newest status; None before the first.
        enabled: the controller said that motion is enabled.
        counts: messages by kind.
        malformed: messages that could not be read; the newest reason is in ``complaint``.
    """

    def __init__(self, node: Node, embodiment: Embodiment, log: ShadowLog) -> None:
        self._embodiment, self._log = embodiment, log
        self.policy: dz.PolicyStatus | None = None
        self.enabled = False
        self.counts = dict.fromkeys(("state", "chunk", "human", "planned"), 0)
        self.malformed, self.complaint = 0, ""
        self._refused: int | None = None
        self._weights: tuple[str, bool] | None = None

        def subscribe(kind: type, topic: str, keep: Callable, profile: QoSProfile) -> None:
            def take(message: Any, info: dict) -> None:
                try:
                    keep(message, info["received_timestamp"])
                except ValueError as error:
                    self.malformed, self.complaint = self.malformed + 1, f"{topic}: {error}"

            roomy = QoSProfile(
                depth=_ROOM, reliability=profile.reliability, durability=profile.durability
            )
            node.create_subscription(kind, topic, take, roomy)

        subscribe(dz.Proprioception, "proprioception", self._on_state, qos.STATE_INPUT)
        subscribe(dz.ActionChunk, "action_chunk", self._on_chunk, qos.CHUNK)
        subscribe(dz.PolicyStatus, "policy_status", self._on_policy, qos.STATUS)
        subscribe(dz.ControllerStatus, "controller_status", self._on_controller, qos.STATUS)
        subscribe(JointState, "joint_commands", self._on_human, qos.COMMAND)
        subscribe(JointState, "planned_commands", self._on_planned, qos.COMMAND)

    def _on_state(self, message: dz.Proprioception, _: int) -> None:
        state = proprioception_from_message(message)
        by_name = dict(zip(state.names, state.positions.tolist(), strict=True))
        pose = [by_name.get(name, np.nan) for name in self._embodiment.action_joints]
        self._keep("state", state.stamp_ns, np.array(pose))

    def _on_chunk(self, message: dz.ActionChunk, received_ns: int) -> None:
        chunk = chunk_from_message(message)
        if chunk.names != self._embodiment.action_joints:
            raise ValueError(
                f"expected joints {', '.join(self._embodiment.action_joints)}, "
                f"got {', '.join(chunk.names)}"
            )
        self.counts["chunk"] += 1
        self._log.chunk(received_ns, chunk)

    def _on_policy(self, message: dz.PolicyStatus, _: int) -> None:
        self.policy = message
        if (message.weights, message.untrained) != self._weights:
            self._weights = (message.weights, message.untrained)
            self._log.write("policy", weights=message.weights, untrained=message.untrained)

    def _on_controller(self, message: dz.ControllerStatus, _: int) -> None:
        self.enabled = message.enabled
        if self._refused is not None:
            for _ in range(message.chunks_refused - self._refused):
                reason = message.last_refusal.partition(":")[0] or "unknown"
                self._log.write("refused", reason=reason)
        self._refused = message.chunks_refused

    def _on_human(self, message: JointState, received_ns: int) -> None:
        self._keep("human", received_ns, self._model_units(message))

    def _on_planned(self, message: JointState, _: int) -> None:
        self._keep("planned", nanoseconds(message.header.stamp), self._model_units(message))

    def _model_units(self, message: JointState) -> Float:
        """[A]; joints that the message does not name are NaN."""
        given = targets_from_message(self._embodiment, message)
        by_name = dict(zip(given.names, given.positions.tolist(), strict=True))
        return np.array([by_name.get(name, np.nan) for name in self._embodiment.action_joints])

    def _keep(self, kind: str, stamp_ns: int, pose: Float) -> None:
        self.counts[kind] += 1
        self._log.pose(kind, stamp_ns, pose)
