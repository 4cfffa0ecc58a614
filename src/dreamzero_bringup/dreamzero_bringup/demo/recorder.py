"""The demo's listener: a ROS node that fills a ``Recording`` and does as little else as it can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from dreamzero_msgs import msg as messages
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from dreamzero_bringup.demo.recording import (
    ControllerReport,
    Picture,
    PolicyReport,
    ReceivedChunk,
    Recording,
    State,
    TaskReport,
)
from dreamzero_policy.messages.chunks import chunk_from_message
from dreamzero_policy.messages.images import canvas_pixels, rgb_pixels
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S
from dreamzero_policy.types import Image as Pixels

_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)
_ROOM = 100


class DemoRecorder:
    """Subscriptions of a demo run.

    Receive times of commands and chunks are the middleware's, taken before Python is woken, so that
    this process's own delays do not count as the controller's.
    """

    def __init__(self, node: Node, recording: Recording) -> None:
        self._node = node
        self._recording = recording
        joints = recording.embodiment.joints
        self._wire = {joint.name: joint.command_wire for joint in joints}
        self._modes = _names(messages.ControllerStatus)
        self._states = _names(messages.PolicyStatus)

        def subscribe(
            kind: type, topic: str, keep: Callable[..., None], profile: QoSProfile
        ) -> Subscription:
            def take(message: Any, info: dict) -> None:
                try:
                    keep(message, info)
                except ValueError as error:
                    recording.malformed.append(f"{topic}: {error}")

            # As the stack's own listeners, but with room for what comes while a canvas is handled.
            roomy = QoSProfile(
                depth=_ROOM, reliability=profile.reliability, durability=profile.durability
            )
            return node.create_subscription(kind, topic, take, roomy)

        self._subscriptions = [
            subscribe(JointState, "joint_commands", self._on_command, qos.COMMAND),
            subscribe(messages.Proprioception, "proprioception", self._on_state, qos.STATE_INPUT),
            subscribe(messages.ActionChunk, "action_chunk", self._on_chunk, qos.CHUNK),
            subscribe(messages.PolicyStatus, "policy_status", self._on_policy, qos.STATUS),
            subscribe(
                messages.ControllerStatus, "controller_status", self._on_controller, qos.STATUS
            ),
            subscribe(messages.TaskStatus, "task_status", self._on_task, qos.STATUS),
            subscribe(messages.Canvas, "canvas", self._on_canvas, qos.CANVAS),
            subscribe(Image, "predicted_canvas", self._on_predicted, qos.PICTURE),
        ]

    def _on_command(self, message: JointState, info: dict) -> None:
        by_name = dict(zip(message.name, message.position, strict=False))
        positions = [
            self._wire[name].to_model(by_name[name]) if name in by_name else np.nan
            for name in self._wire
        ]
        self._recording.add_command(info["received_timestamp"], np.array(positions))

    def _on_state(self, message: messages.Proprioception, info: dict) -> None:
        self._recording.states.append(
            State(nanoseconds(message.header.stamp), np.array(message.positions))
        )

    def _on_chunk(self, message: messages.ActionChunk, info: dict) -> None:
        chunk = chunk_from_message(message)
        self._recording.chunks.append(ReceivedChunk(info["received_timestamp"], chunk))

    def _on_policy(self, message: messages.PolicyStatus, info: dict) -> None:
        self._recording.policy.append(
            PolicyReport(
                received_ns=info["received_timestamp"],
                state=self._states.get(message.state, str(message.state)),
                session=message.session_id,
                chunks=message.chunks,
                replans=message.replans,
                kv_refreshes=message.kv_refreshes,
                resets=message.resets,
                evaluations=message.evaluations,
                skipped=message.observations_skipped,
                dropped=message.observations_dropped,
                cancelled=message.calls_cancelled,
                reset_reasons=dict(zip(message.reset_reasons, message.reset_counts, strict=False)),
                canvas_age_s=nanoseconds(message.canvas_age) / NS_PER_S,
                latency_s=nanoseconds(message.latency) / NS_PER_S,
                stages=dict(zip(message.stages, map(float, message.stage_seconds), strict=False)),
                percentiles={
                    stage: spread
                    for stage, *spread in zip(
                        message.timed_stages,
                        map(float, message.stage_p50),
                        map(float, message.stage_p95),
                        map(float, message.stage_p99),
                        strict=False,
                    )
                },
                weights=message.weights,
                untrained=message.untrained,
                message=message.message,
            )
        )

    def _on_controller(self, message: messages.ControllerStatus, info: dict) -> None:
        self._recording.controller.append(
            ControllerReport(
                received_ns=info["received_timestamp"],
                mode=self._modes.get(message.mode, str(message.mode)),
                enabled=message.enabled,
                hold_reason=message.hold_reason,
                message=message.message,
                chunk_age_s=nanoseconds(message.chunk_age) / NS_PER_S,
                rows_left=message.rows_left,
                chunks_accepted=message.chunks_accepted,
                chunks_refused=message.chunks_refused,
                last_refusal=message.last_refusal,
                rows_skipped=message.rows_skipped,
                limited_joints=tuple(message.limited_joints),
                limited_ticks=dict(
                    zip(message.joint_names, map(int, message.limited_ticks), strict=False)
                ),
                ticks=message.ticks,
                ticks_without_chunk=message.ticks_without_chunk,
                period_mean_s=message.period_mean,
                period_worst_s=message.period_worst,
                tick_cpu_s=message.tick_cpu,
            )
        )

    def _on_task(self, message: messages.TaskStatus, info: dict) -> None:
        if message.task and not self._recording.ended_ns:
            self._recording.task = TaskReport(
                message.task,
                message.instruction,
                message.progress,
                message.success,
                message.elapsed,
            )

    def _on_canvas(self, message: messages.Canvas, info: dict) -> None:
        self._recording.seen.append(_picture(message.header, canvas_pixels(message), info))

    def _on_predicted(self, message: Image, info: dict) -> None:
        self._recording.predicted.append(_picture(message.header, rgb_pixels(message), info))


def _picture(header: Header, pixels: Pixels, info: dict) -> Picture:
    _, jpeg = cv2.imencode(".jpg", pixels[..., ::-1], _JPEG)
    return Picture(nanoseconds(header.stamp), info["received_timestamp"], jpeg.tobytes())


def _names(message: type) -> dict[int, str]:
    """Names of a message's constants by value."""
    constants = [name for name in dir(type(message)) if name.isupper() and name[0] != "_"]
    return {getattr(message, name): name for name in constants}
