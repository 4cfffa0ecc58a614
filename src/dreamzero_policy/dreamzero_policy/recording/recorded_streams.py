"""What is recorded of a robot: topics by our names, their types, what is expected of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dreamzero_policy.data.errors import BagError
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.recording.jpeg import COMPRESSED, RAW

_OURS = (  # name, type, rate [1/s] while it is there; 0 where it comes only with changes
    ("proprioception", "dreamzero_msgs/msg/Proprioception", 30.0),
    ("joint_commands", "sensor_msgs/msg/JointState", 0.0),
    ("action_chunk", "dreamzero_msgs/msg/ActionChunk", 0.0),
    ("canvas", "dreamzero_msgs/msg/Canvas", 0.0),
    ("authority", "dreamzero_msgs/msg/Authority", 10.0),
    ("controller_status", "dreamzero_msgs/msg/ControllerStatus", 10.0),
    ("driver_status", "dreamzero_msgs/msg/DriverStatus", 10.0),
    ("policy_status", "dreamzero_msgs/msg/PolicyStatus", 0.0),
    ("teleop/joint_commands", "sensor_msgs/msg/JointState", 0.0),
    ("recorder_status", "dreamzero_msgs/msg/RecorderStatus", 0.0),
)
_LATCHED = ("authority", "controller_status", "driver_status", "policy_status", "recorder_status")


@dataclass(frozen=True)
class RecordedStream:
    """One topic.

    Attributes:
        name: ours.
        msgtype: of its messages.
        view: name of the camera; empty for what is none.
        required: without it no episode begins.
        latched: its last message counts for whoever comes later.
        nominal_hz: rate; 0 where it comes as it comes.
    """

    name: str
    msgtype: str
    view: str = ""
    required: bool = False
    latched: bool = False
    nominal_hz: float = 0.0


def streams_of(
    robot: Embodiment,
    *,
    joint_topics: Iterable[str] = ("joint_states",),
    compressed_views: Iterable[str] = (),
    without: Iterable[str] = (),
    also: Iterable[str] = (),
) -> list[RecordedStream]:
    """What is recorded of a robot: its cameras, its joints, and whatever this stack says.

    Args:
        robot: the layout.
        joint_topics: where measured joints come from.
        compressed_views: cameras that publish ``CompressedImage``.
        without: names that are left out.
        also: further topics, as ``name=package/msg/Type``.

    Raises:
        BagError: a view or a name that is not there, or a text of another form.
    """
    compressed = set(compressed_views)
    views = [view.name for view in robot.views]
    if unknown := sorted(compressed - set(views)):
        raise BagError(f"compressed_views: expected some of {views}, got {unknown}")
    found = [
        RecordedStream(
            f"{view}/image_raw/compressed" if view in compressed else f"{view}/image_raw",
            COMPRESSED if view in compressed else RAW,
            view=view,
            required=True,
        )
        for view in views
    ]
    found += [
        RecordedStream(name, "sensor_msgs/msg/JointState", required=True) for name in joint_topics
    ]
    found += [
        RecordedStream(name, msgtype, latched=name in _LATCHED, nominal_hz=hz)
        for name, msgtype, hz in _OURS
    ]
    if any(joint.kind == "base" for joint in robot.joints):
        found.append(RecordedStream("base_command", "geometry_msgs/msg/Twist"))
    found += [_also(text) for text in also]
    names = [stream.name for stream in found]
    if unknown := sorted(set(without) - set(names)):
        raise BagError(f"without: expected some of {names}, got {unknown}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BagError(f"also: expected topics that are not recorded anyway, got {twice}")
    return [stream for stream in found if stream.name not in set(without)]


def _also(text: str) -> RecordedStream:
    name, equals, msgtype = (part.strip() for part in text.partition("="))
    if not (name and equals) or msgtype.split("/")[1:2] != ["msg"] or msgtype.count("/") != 2:
        raise BagError(f"also: expected name=package/msg/Type, got {text!r}")
    return RecordedStream(name, msgtype)
