"""ROS messages to and from the stack's own types.

Times in messages become integer nanoseconds, float32 and float64 sequences become numpy arrays.
What a message can get wrong (shape, count, encoding) is a ``ValueError`` that says what was
expected and what came.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from builtin_interfaces.msg import Duration, Time
from dreamzero_msgs import msg as dz
from geometry_msgs.msg import Twist
from sensor_msgs.msg import CompressedImage, Image, JointState

from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment
from dreamzero_policy.observation.compression import compress, decompress
from dreamzero_policy.types import NS_PER_S, ActionChunk, Float
from dreamzero_policy.types import Image as Pixels


class Proprioception(NamedTuple):
    """The measured joint vector at one instant of the control grid.

    Attributes:
        stamp_ns: the instant.
        names: S joint names in state order.
        positions: [S] float64, model units.
        velocities: [S] float64, model units per s.
        ages_ns: age of the newest measurement of each source, by topic.
    """

    stamp_ns: int
    names: tuple[str, ...]
    positions: Float
    velocities: Float
    ages_ns: dict[str, int]


class Canvas(NamedTuple):
    """One tiled image and when its views were taken.

    Attributes:
        stamp_ns: the grid instant.
        image: [H, W, 3] uint8 RGB.
        views_ns: stamp of the image of each view, by view name, in the checkpoint's order.
    """

    stamp_ns: int
    image: Pixels
    views_ns: dict[str, int]


class JointPositions(NamedTuple):
    """Positions by joint name, in the units they came in.

    Attributes:
        stamp_ns: when they were measured or are due.
        names: joint names.
        positions: [len(names)] float64.
    """

    stamp_ns: int
    names: tuple[str, ...]
    positions: Float


# Time


def time_message(ns: int) -> Time:
    """ROS time of ``ns`` nanoseconds.

    Raises:
        ValueError: the time is before 1970 or after 2038, which the message cannot carry.
    """
    seconds, rest = divmod(int(ns), NS_PER_S)
    if not 0 <= seconds < 2**31:
        raise ValueError(f"a ROS time is 0 to {2**31 - 1} s, got {ns} ns")
    return Time(sec=seconds, nanosec=rest)


def duration_message(ns: int) -> Duration:
    """A duration of ``ns`` nanoseconds, clamped to what the message can carry (68 years)."""
    seconds, rest = divmod(int(ns), NS_PER_S)
    if not -(2**31) <= seconds < 2**31:
        seconds, rest = (-(2**31), 0) if ns < 0 else (2**31 - 1, NS_PER_S - 1)
    return Duration(sec=seconds, nanosec=rest)


def nanoseconds(stamp: Time | Duration) -> int:
    """Nanoseconds of a ROS time or duration."""
    return stamp.sec * NS_PER_S + stamp.nanosec


# Chunks


def chunk_message(chunk: ActionChunk) -> dz.ActionChunk:
    """The message of a chunk; rows become float32."""
    return dz.ActionChunk(
        observation_stamp=time_message(chunk.observation_ns),
        start_stamp=time_message(chunk.start_ns),
        step=duration_message(chunk.step_ns),
        horizon=chunk.horizon,
        joint_names=list(chunk.names),
        rows=array("f", chunk.rows.astype(np.float32).tobytes()),
        session_id=chunk.session,
        sequence=chunk.sequence,
        policy_id=chunk.policy,
        prefix_rows=chunk.prefix_rows,
    )


def chunk_from_message(message: dz.ActionChunk) -> ActionChunk:
    """The chunk of a message; whether its values make sense is for the controller to say.

    Raises:
        ValueError: the number of values is not horizon x joints, fewer than two rows, or no time
            step.
    """
    names, rows = tuple(message.joint_names), np.asarray(message.rows, dtype=np.float64)
    if not names or len(rows) != message.horizon * len(names):
        raise ValueError(
            f"action chunk: expected {message.horizon} rows x {len(names)} joints = "
            f"{message.horizon * len(names)} values, got {len(rows)}"
        )
    return ActionChunk(
        observation_ns=nanoseconds(message.observation_stamp),
        start_ns=nanoseconds(message.start_stamp),
        step_ns=nanoseconds(message.step),
        rows=rows.reshape(message.horizon, len(names)),
        names=names,
        session=message.session_id,
        sequence=message.sequence,
        policy=message.policy_id,
        prefix_rows=message.prefix_rows,
    )


# Joints


def _vector(what: str, names: Sequence[str], values: Sequence[float] | Float) -> Float:
    """Values as float64, one per name.

    Raises:
        ValueError: the counts differ.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (len(names),):
        raise ValueError(
            f"{what}: expected {len(names)} values, one for each of "
            f"{', '.join(names) or 'no joints'}, "
            f"got {list(vector.shape)}"
        )
    return vector


def proprioception_message(state: Proprioception) -> dz.Proprioception:
    """The message of a state vector.

    Raises:
        ValueError: positions or velocities are not one per name.
    """
    positions = _vector("positions", state.names, state.positions)
    velocities = _vector("velocities", state.names, state.velocities)
    message = dz.Proprioception(
        names=list(state.names),
        positions=array("d", positions.tobytes()),
        velocities=array("d", velocities.tobytes()),
        sources=list(state.ages_ns),
        source_ages=[duration_message(age) for age in state.ages_ns.values()],
    )
    message.header.stamp = time_message(state.stamp_ns)
    return message


def proprioception_from_message(message: dz.Proprioception) -> Proprioception:
    """The state vector of a message.

    Raises:
        ValueError: positions, velocities or ages do not match the names.
    """
    names = tuple(message.names)
    if len(message.sources) != len(message.source_ages):
        raise ValueError(
            f"proprioception: expected one age per source, got {len(message.source_ages)} ages for "
            f"{len(message.sources)} sources"
        )
    return Proprioception(
        stamp_ns=nanoseconds(message.header.stamp),
        names=names,
        positions=_vector("proprioception positions", names, message.positions),
        velocities=_vector("proprioception velocities", names, message.velocities),
        ages_ns={
            source: nanoseconds(age)
            for source, age in zip(message.sources, message.source_ages, strict=True)
        },
    )


def joint_positions(message: JointState) -> JointPositions:
    """Names and positions of a ``JointState`` in the sender's units; the rest is ignored.

    Raises:
        ValueError: the number of positions is not the number of names, or a name stands twice.
    """
    names = tuple(message.name)
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"joint state: {', '.join(twice)} stands more than once in {list(names)}")
    return JointPositions(
        stamp_ns=nanoseconds(message.header.stamp),
        names=names,
        positions=_vector("joint state positions", names, message.position),
    )


def targets_from_message(embodiment: Embodiment, message: JointState) -> JointPositions:
    """Names and targets in model units of a command in the driver's units.

    Args:
        embodiment: names and wire scales.
        message: some or all joints, in any order.

    Raises:
        ValueError: a joint that the robot does not have, and what ``joint_positions`` refuses.
    """
    given = joint_positions(message)
    known = {joint.name: joint.command_wire for joint in embodiment.joints if joint.kind != "base"}
    unknown = [name for name in given.names if name not in known]
    if unknown:
        raise ValueError(
            f"joint targets: {', '.join(unknown)} unknown; expected joints of {', '.join(known)}"
        )
    pairs = zip(given.names, given.positions.tolist(), strict=True)
    return given._replace(
        positions=np.array([known[name].to_model(value) for name, value in pairs])
    )


def command_message(
    embodiment: Embodiment, stamp_ns: int, command: Float, session: int = 0
) -> JointState:
    """A position command by joint name in the driver's units.

    Args:
        embodiment: names, order and wire scales.
        stamp_ns: when the command is due.
        command: [A] model units. Base velocities are not positions: ``base_message`` has them.
        session: of the driver that may obey it; 0 where drivers have none.

    Raises:
        ValueError: not one value per joint.
    """
    values = _vector("command", embodiment.action_joints, command)
    placed = [
        (joint, value)
        for joint, value in zip(embodiment.joints, values.tolist(), strict=True)
        if joint.kind != "base"
    ]
    message = JointState(
        name=[joint.name for joint, _ in placed],
        position=array("d", [joint.command_wire.to_wire(value) for joint, value in placed]),
    )
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = str(session) if session else ""
    return message


def base_message(embodiment: Embodiment, command: Float) -> Twist | None:
    """The velocity of a robot's base; None for a robot that stands still.

    Args:
        embodiment: names and order.
        command: [A] model units: m/s and rad/s for the base.

    Raises:
        ValueError: not one value per joint, or a base joint without an axis in ``BASE_AXES``.
    """
    values = _vector("command", embodiment.action_joints, command)
    message = None
    for joint, value in zip(embodiment.joints, values.tolist(), strict=True):
        if joint.kind != "base":
            continue
        if joint.name not in BASE_AXES:
            raise ValueError(
                f"base joint {joint.name!r}: expected one of {', '.join(BASE_AXES)}, "
                "which have an axis of a Twist"
            )
        message = message or Twist()
        part, axis = BASE_AXES[joint.name]
        setattr(getattr(message, part), axis, value)
    return message


def base_velocities(embodiment: Embodiment, message: Twist) -> Float:
    """[A] the velocities of a robot's base in a twist, 0 for its joints: ``base_message`` undone.

    Args:
        embodiment: names and order.
        message: in the base's own frame; what no base joint stands for is ignored.
    """
    values = np.zeros(len(embodiment.joints))
    for column, joint in enumerate(embodiment.joints):
        if joint.kind == "base" and joint.name in BASE_AXES:
            part, axis = BASE_AXES[joint.name]
            values[column] = getattr(getattr(message, part), axis)
    return values


# Images


def image_message(stamp_ns: int, frame_id: str, pixels: Pixels) -> Image:
    """An rgb8 image.

    Args:
        stamp_ns: header stamp.
        frame_id: header frame, '' where there is none.
        pixels: [H, W, 3] uint8 RGB.

    Raises:
        ValueError: another shape or dtype.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            f"image: expected uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}"
        )
    message = Image(
        height=pixels.shape[0], width=pixels.shape[1], encoding="rgb8", step=3 * pixels.shape[1]
    )
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    # An array.array is taken as it is; anything else is checked element by element.
    message.data = array("B", pixels.tobytes())
    return message


def rgb_pixels(message: Image) -> Pixels:
    """[H, W, 3] uint8, a view of the message's own memory. For images of this stack: rgb8 only.

    Raises:
        ValueError: another encoding, or a size that does not match the data.
    """
    if message.encoding != "rgb8":
        raise ValueError(f"image: expected encoding rgb8, got {message.encoding!r}")
    row, expected = 3 * message.width, message.height * message.step
    if message.step < row or len(message.data) != expected or not expected:
        raise ValueError(
            f"image: expected {message.height} rows of {message.step} bytes, at least {row} each, "
            f"got {len(message.data)} bytes"
        )
    pixels = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    return pixels[:, :row].reshape(message.height, message.width, 3)


def canvas_message(
    canvas: Canvas, frame_id: str = "canvas", encoding: str = "raw", quality: int = 90
) -> dz.Canvas:
    """The message of a canvas.

    Args:
        canvas: the pixels and their instants.
        frame_id: header frame.
        encoding: ``raw``, or how the pixels are compressed: ``png`` or ``jpeg``.
        quality: 1 to 100, of a JPEG.

    Raises:
        ValueError: the image is not uint8 RGB, or another encoding.
    """
    if encoding == "raw":
        image, compressed = image_message(canvas.stamp_ns, frame_id, canvas.image), None
    else:
        height, width = canvas.image.shape[:2]
        image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        image.header.stamp, image.header.frame_id = time_message(canvas.stamp_ns), frame_id
        data = array("B", compress(canvas.image, encoding, quality))
        compressed = CompressedImage(header=image.header, format=encoding, data=data)
    return dz.Canvas(
        header=image.header,
        image=image,
        compressed=compressed or CompressedImage(),
        view_names=list(canvas.views_ns),
        view_stamps=[time_message(ns) for ns in canvas.views_ns.values()],
        view_ages=[duration_message(canvas.stamp_ns - ns) for ns in canvas.views_ns.values()],
    )


def canvas_pixels(message: dz.Canvas) -> Pixels:
    """[H, W, 3] uint8 of a canvas, compressed or not.

    Raises:
        ValueError: what ``rgb_pixels`` refuses, data that cannot be decoded, or another size than
            the message says.
    """
    if not len(message.compressed.data):
        return rgb_pixels(message.image)
    try:
        pixels = decompress(message.compressed.data)
    except ValueError as error:
        raise ValueError(f"canvas: format {message.compressed.format!r}: {error}") from error
    expected = (message.image.height, message.image.width)
    if pixels.shape[:2] != expected:
        raise ValueError(
            f"canvas: expected {expected[0]} x {expected[1]} (height x width) as it says itself, "
            f"got {pixels.shape[0]} x {pixels.shape[1]} in its compressed data"
        )
    return pixels


def canvas_from_message(message: dz.Canvas, size: tuple[int, int] | None = None) -> Canvas:
    """The canvas of a message.

    Args:
        message: the message; a compressed one takes some milliseconds.
        size: (height, width) that it must have.

    Raises:
        ValueError: another size, not rgb8, data that cannot be decoded, or not one stamp per view.
    """
    pixels = canvas_pixels(message)
    if size is not None and pixels.shape[:2] != tuple(size):
        raise ValueError(
            f"canvas: expected {size[0]} x {size[1]} (height x width), "
            f"got {pixels.shape[0]} x {pixels.shape[1]}"
        )
    if len(message.view_names) != len(message.view_stamps):
        raise ValueError(
            f"canvas: expected one stamp per view, got {len(message.view_stamps)} stamps for views "
            f"{list(message.view_names)}"
        )
    return Canvas(
        stamp_ns=nanoseconds(message.header.stamp),
        image=pixels,
        views_ns={
            name: nanoseconds(stamp)
            for name, stamp in zip(message.view_names, message.view_stamps, strict=True)
        },
    )
