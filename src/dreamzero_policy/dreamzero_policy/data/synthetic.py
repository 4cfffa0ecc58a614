"""Recordings that nobody made, for tests and benchmarks: joints in sines, moving patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore

from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.definitions import Definition, define
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts, Event
from dreamzero_policy.data.rosbag2_layout import Qos
from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment, Joint
from dreamzero_policy.types import NS_PER_S, Float, Image

START_NS = 1_700_000_000 * NS_PER_S
JOINTS, PICTURE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"
COMPRESSED, TWIST = "sensor_msgs/msg/CompressedImage", "geometry_msgs/msg/Twist"

_STORE = get_typestore(Stores.ROS2_JAZZY)

Change = Callable[[str, int, dict[str, Any]], dict[str, Any] | None]
"""Takes a topic, a time and the message's values; gives other values, or None for no message."""


def definition(msgtype: str) -> Definition:
    """Of a standard type."""
    rule = "=" * 80
    return define(
        msgtype, lambda name: _STORE.generate_msgdef(name, ros_version=2)[0].split(rule)[0]
    )


def value(joint: Joint, index: int, seconds: float, ahead_s: float = 0.0) -> float:
    """Where a joint is at a time, in model units: a slow sine over a part of its range.

    Its speed stays below half of the joint's top speed.
    """
    middle, reach = (joint.lower + joint.upper) / 2, (joint.upper - joint.lower) / 2
    rate = 0.5 + 0.07 * index
    reach = min(0.3 * reach, 0.5 * joint.velocity / (2 * np.pi * rate))
    return middle + reach * float(np.sin(2 * np.pi * rate * (seconds + ahead_s) + index))


def picture(size: tuple[int, int], view: int, seconds: float) -> Image:
    """[H, W, 3] uint8: a gradient, and a square that goes round."""
    height, width = size
    rows, columns = np.ogrid[:height, :width]
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0] = (columns * 255) // width
    pixels[..., 1] = (rows * 255) // height
    pixels[..., 2] = 60 * (view + 1)
    side = height // 6
    top = int((height - side) * (0.5 + 0.5 * np.sin(2.0 * seconds + view)))
    left = int((width - side) * (0.5 + 0.5 * np.cos(1.7 * seconds + view)))
    pixels[top : top + side, left : left + side] = (255, 240, 20)
    return pixels


def write_recording(
    folder: Path,
    robot: Embodiment,
    *,
    seconds: float = 8.0,
    camera_hz: float = 30.0,
    joint_hz: float = 100.0,
    command_hz: float = 30.0,
    jpeg: bool = False,
    size: tuple[int, int] | None = None,
    instructions: Sequence[tuple[float, str]] = ((0.0, "pick up the red block"),),
    outcome: str = "success",
    still: tuple[float, float] = (0.0, 0.0),
    start_ns: int = START_NS,
    change: Change = lambda topic, stamp_ns, values: values,
    facts: dict[str, Any] | None = None,
    finish: bool = True,
) -> Path:
    """Writes a recording of a robot that moves.

    Args:
        folder: of the bag; it is made.
        robot: the layout.
        seconds: how long.
        camera_hz: pictures per second of each view.
        joint_hz: measurements per second.
        command_hz: commands per second.
        jpeg: compressed pictures.
        size: (height, width) of the pictures; None for the robot's own.
        instructions: (second, text); the first is the prompt.
        outcome: how it went.
        still: from and until when nothing moves [s].
        start_ns: ROS time of its beginning.
        change: may spoil any message.
        facts: what else it says of itself.
        finish: otherwise it is left as if it had been cut off.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True)
    writer = BagWriter(
        folder,
        EpisodeFacts(
            **{
                "name": folder.name,
                "robot": robot.name,
                "started_ns": start_ns,
                "prompt": instructions[0][1] if instructions else "",
                **(facts or {}),
            }
        ),
    )
    streams = [
        _joints(robot, "joint_states", joint_hz, seconds, still),
        _joints(robot, "joint_commands", command_hz, seconds, still, ahead_s=0.05),
    ]
    if any(joint.kind == "base" for joint in robot.joints):
        streams.append(_base(robot, command_hz, seconds, still))
    for number, view in enumerate(robot.views):
        streams.append(_camera(robot, view.name, number, camera_hz, seconds, jpeg, size))
    for at_ns, topic, msgtype, values in merge(*streams, key=lambda one: one[:2]):
        changed = change(topic, at_ns, values)
        if changed is None:
            continue
        name = f"/{topic}"
        if not writer.knows(name):
            writer.add_topic(name, definition(msgtype), [Qos(10)])
        stamp_ns = start_ns + changed.pop("stamp_ns", at_ns)
        data = _serialised(msgtype, stamp_ns, changed)
        log_ns = start_ns + at_ns + 2_000_000
        writer.write(name, data, log_ns, log_ns - 1_000_000)
    for at_s, text in instructions[1:]:
        writer.event(Event(start_ns + round(at_s * NS_PER_S), "instruction", text))
    if finish:
        writer.finish(Ending(start_ns + round(seconds * NS_PER_S), outcome))
    else:
        writer.flush()
        writer.abandon()
    return folder


_Message = tuple[int, str, str, dict[str, Any]]


def _times(hz: float, seconds: float) -> Iterator[int]:
    return (round(k * NS_PER_S / hz) for k in range(int(seconds * hz) + 1))


def _moving(at_s: float, still: tuple[float, float]) -> float:
    """Time as the joints know it: it stands while the robot does."""
    return at_s if at_s < still[0] else max(still[0], at_s - (still[1] - still[0]))


def _joints(
    robot: Embodiment,
    topic: str,
    hz: float,
    seconds: float,
    still: tuple[float, float],
    ahead_s: float = 0.0,
) -> Iterator[_Message]:
    joints = [joint for joint in robot.joints if joint.kind != "base"]
    for at_ns in _times(hz, seconds):
        moved_s = _moving(at_ns / NS_PER_S, still)
        positions = []
        for index, joint in enumerate(joints):
            scale = joint.command_wire if ahead_s else joint.state_wire
            positions.append(scale.to_wire(value(joint, index, moved_s, ahead_s)))
        yield (
            at_ns,
            topic,
            JOINTS,
            {
                "name": [joint.name for joint in joints],
                "position": np.array(positions),
                "velocity": np.zeros(0),
                "effort": np.zeros(0),
            },
        )


def _base(
    robot: Embodiment, hz: float, seconds: float, still: tuple[float, float]
) -> Iterator[_Message]:
    joints = [joint for joint in robot.joints if joint.kind == "base"]
    for at_ns in _times(hz, seconds):
        at_s = at_ns / NS_PER_S
        moving = not still[0] <= at_s < still[1]
        speeds = {j.name: moving * value(j, k, at_s) for k, j in enumerate(joints)}
        parts: dict[str, dict[str, float]] = {"linear": {}, "angular": {}}
        for name, speed in speeds.items():
            part, axis = BASE_AXES[name]
            parts[part][axis] = speed
        vector = _STORE.types["geometry_msgs/msg/Vector3"]
        filled = {
            part: vector(**{axis: axes.get(axis, 0.0) for axis in "xyz"})
            for part, axes in parts.items()
        }
        yield at_ns, "base_command", TWIST, filled


def _camera(
    robot: Embodiment,
    view: str,
    number: int,
    hz: float,
    seconds: float,
    jpeg: bool,
    size: tuple[int, int] | None,
) -> Iterator[_Message]:
    for at_ns in _times(hz, seconds):
        pixels = picture(size or robot.native_size, number, at_ns / NS_PER_S)
        if jpeg:
            _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
            values = {"frame_id": view, "format": "jpeg", "data": data.reshape(-1)}
            yield at_ns, f"{view}/image_raw/compressed", COMPRESSED, values
            continue
        height, width = pixels.shape[:2]
        values = {
            "frame_id": view,
            "height": height,
            "width": width,
            "encoding": "rgb8",
            "is_bigendian": 0,
            "step": 3 * width,
            "data": pixels.reshape(-1),
        }
        yield at_ns, f"{view}/image_raw", PICTURE, values


def _serialised(msgtype: str, stamp_ns: int, values: dict[str, Any]) -> bytes:
    values = dict(values)
    if msgtype != TWIST:
        stamp = _STORE.types["builtin_interfaces/msg/Time"](
            sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S
        )
        header = _STORE.types["std_msgs/msg/Header"]
        values["header"] = header(stamp=stamp, frame_id=values.pop("frame_id", ""))
    return bytes(_STORE.serialize_cdr(_STORE.types[msgtype](**values), msgtype))


def commanded(robot: Embodiment, seconds: float) -> Float:
    """[A] what the joints are told at a time, in model units; the base not."""
    joints = [joint for joint in robot.joints if joint.kind != "base"]
    return np.array([value(joint, k, seconds, 0.05) for k, joint in enumerate(joints)])
