"""What a new robot's skeleton is to have, from what a user says of it."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import BASE_AXES, JointKind

USUAL_JOINTS = "joint1,joint2,joint3,joint4,joint5,joint6,gripper"
"""What a robot has of which nothing is said."""

KINDS = get_args(JointKind)
FRAME_HZ = 5
"""Canvases per second, as the paper has them: 8 of them to a chunk of 1.6 s."""

_URDF_KINDS = {"revolute": "revolute", "continuous": "revolute", "prismatic": "prismatic"}
_MOST_VIEWS = 4  # quarters of the canvas
_TURN = 3.14
_GUESSED = {  # lower, upper, velocity: slow and short, for a robot of which nothing was said
    "revolute": (-1.0, 1.0, 0.5),
    "prismatic": (0.0, 0.1, 0.05),
    "gripper": (0.0, 1.0, 2.0),
    "base": (-0.1, 0.1, 0.1),
}
_BUILD_UP = {"gripper": (10.0, 50.0), "base": (1.0, 5.0)}  # else speed in 0.5 s, its rate in 0.2 s


@dataclass(frozen=True)
class PlannedJoint:
    """One joint of the skeleton, model units.

    Attributes:
        name, kind: as in the embodiment.
        lower, upper, velocity: its limits.
        source: where they are from, for a comment; empty where they are guessed.
    """

    name: str
    kind: str
    lower: float
    upper: float
    velocity: float
    source: str = ""

    @property
    def acceleration(self) -> float:
        """Of the same caution as the velocity, per s^2."""
        return round(self.velocity * _BUILD_UP.get(self.kind, (2.0, 5.0))[0], 6)

    @property
    def jerk(self) -> float:
        """Of the same caution as the velocity, per s^3."""
        return round(self.acceleration * _BUILD_UP.get(self.kind, (2.0, 5.0))[1], 6)

    @property
    def home(self) -> float:
        """Zero, or what is nearest to it; a gripper open, a base at rest."""
        return min(max(0.0, self.lower), self.upper)


@dataclass(frozen=True)
class Plan:
    """A new robot.

    Attributes:
        name: as users will call it.
        joints: in action order.
        views: names of the cameras, in the checkpoint's order.
        camera: (width, height) of the training images.
        control_hz: rows per second.
        driver: whether a driver's package is wanted.
    """

    name: str
    joints: tuple[PlannedJoint, ...]
    views: tuple[str, ...]
    camera: tuple[int, int]
    control_hz: int
    driver: bool

    @property
    def groups(self) -> list[tuple[str, tuple[PlannedJoint, ...]]]:
        """Neighbouring joints that are normalised together, and what their key is called."""
        found: list[tuple[str, tuple[PlannedJoint, ...]]] = []
        for key, members in groupby(self.joints, _key):
            taken = [name for name, _ in found if re.fullmatch(rf"{key}(_\d+)?", name)]
            found.append((f"{key}_{len(taken) + 1}" if taken else key, tuple(members)))
        return found


def _key(joint: PlannedJoint) -> str:
    """Side and kind: what a checkpoint's key of a joint is usually called."""
    side = joint.name.partition("_")[0]
    what = {"gripper": "gripper_position", "base": "base_velocity"}.get(
        joint.kind, "joint_position"
    )
    return f"{side}_{what}" if side in ("left", "right") else what


def checked_name(name: str) -> str:
    """A name that a robot may have.

    Raises:
        ValueError: it is none; the message says why.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(
            f"name: expected small letters, digits and '_', beginning with a letter, got {name!r}"
        )
    if name.endswith("_sim"):
        raise ValueError(f"name: {name!r} would be the file of a simulated scene: choose another")
    if name in embodiments.names():
        raise ValueError(f"name: a robot {name!r} comes with this stack already: choose another")
    return name


def parse_joints(text: str, urdf: Path | None = None) -> tuple[PlannedJoint, ...]:
    """Joints of a comma-separated list, each ``NAME`` or ``NAME:KIND``; or their number.

    A joint without a kind is a gripper where its name says so, otherwise what the URDF says of it,
    otherwise it turns.

    Args:
        text: the list; empty for every joint of the URDF that moves by itself.
        urdf: a description with ranges and speeds.

    Raises:
        ValueError: a name that stands twice, an unknown kind, a joint that the URDF does not have,
            or a URDF that cannot be read.
    """
    described = _described(urdf) if urdf else {}
    if text.strip().isdecimal():
        text = ",".join(f"joint{number}" for number in range(1, int(text) + 1))
    words = _words("joints", text or ",".join(described))
    joints = tuple(_joint(word, described, urdf) for word in words)
    names = [joint.name for joint in joints]
    if len(set(names)) != len(names):
        raise ValueError(f"joints: expected every name once, got {', '.join(names)}")
    strange = [j.name for j in joints if j.kind == "base" and j.name not in BASE_AXES]
    if strange:
        raise ValueError(
            f"joints: expected a base's to be {' or '.join(BASE_AXES)}, got {', '.join(strange)}"
        )
    return joints


def parse_views(text: str) -> tuple[str, ...]:
    """Names of cameras from a comma-separated list.

    Raises:
        ValueError: more than the canvas has quarters, a name twice, or one that no topic can have.
    """
    views = _words("views", text)
    if len(views) > _MOST_VIEWS or len(set(views)) != len(views):
        raise ValueError(
            f"views: expected 1 to {_MOST_VIEWS} different names, got {', '.join(views)}"
        )
    return views


def parse_camera(text: str) -> tuple[int, int]:
    """(width, height) from ``640x480``.

    Raises:
        ValueError: it is not two numbers of pixels.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(16 <= side <= 8192 for side in size):
        raise ValueError(f"camera: expected WIDTHxHEIGHT in pixels, such as 640x480, got {text!r}")
    return size


def _words(what: str, text: str) -> tuple[str, ...]:
    """A comma-separated list of names that ROS topics and Python take.

    Raises:
        ValueError: an empty list, or a word that is no name.
    """
    words = tuple(word.strip() for word in text.split(","))
    bad = [word for word in words if not re.fullmatch(r"[A-Za-z]\w*(:\w+)?", word, re.ASCII)]
    if bad:
        raise ValueError(
            f"{what}: expected names of letters, digits and '_', separated by commas, got {text!r}"
        )
    return words


def _joint(word: str, described: dict[str, PlannedJoint], urdf: Path | None) -> PlannedJoint:
    """One joint of the list."""
    name, _, kind = word.partition(":")
    if kind and kind not in KINDS:
        raise ValueError(f"joints: {word}: expected a kind of {', '.join(KINDS)}, got {kind!r}")
    if not kind and re.search("gripper|finger", name):
        kind = "gripper"
    if urdf and name not in described and kind not in ("gripper", "base"):
        raise ValueError(
            f"joints: {urdf} has no joint {name!r} with a range; it has {', '.join(described)}"
        )
    if name in described and kind in ("", described[name].kind):
        return described[name]
    kind = kind or "revolute"
    return PlannedJoint(name, kind, *_GUESSED[kind])


def _described(urdf: Path) -> dict[str, PlannedJoint]:
    """Joints of a URDF that move by themselves, by name.

    Raises:
        ValueError: the file cannot be read or is no URDF.
    """
    try:
        root = ElementTree.parse(urdf).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"urdf: expected a URDF file, got {urdf}: {error}") from error
    joints = [_of_urdf(element, urdf) for element in root.iter("joint")]
    found = {joint.name: joint for joint in joints if joint is not None}
    if root.tag != "robot" or not found:
        raise ValueError(
            f"urdf: expected joints with ranges in {urdf}, got none; expand a xacro file first"
        )
    return found


def _of_urdf(element: ElementTree.Element, urdf: Path) -> PlannedJoint | None:
    """A joint with its range and speed; None for one that is fixed or follows another."""
    kind, limit = _URDF_KINDS.get(element.get("type", "")), element.find("limit")
    if kind is None or element.find("mimic") is not None:
        return None
    name = element.get("name", "")
    _, _, guess = _GUESSED[kind]
    said = {} if limit is None else limit.attrib
    try:
        lower, upper = (float(said.get(end, 0.0)) for end in ("lower", "upper"))
        velocity = float(said.get("velocity", 0.0))
    except ValueError as error:
        raise ValueError(f"urdf: {urdf}: joint {name}: limits that are no numbers") from error
    if element.get("type") == "continuous":
        lower, upper = -_TURN, _TURN
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        return None
    # Many URDFs have a speed of 1 or 100 where nobody measured one: never faster than the guess.
    slow = min(velocity, guess) if velocity > 0 else guess
    source = f"{urdf.name}: range; it has {velocity:g} per s" if velocity else f"{urdf.name}: range"
    return PlannedJoint(name, kind, lower, upper, slow, source)


def planned(
    name: str,
    joints: str,
    views: Iterable[str],
    camera: tuple[int, int],
    control_hz: int,
    driver: bool,
    urdf: Path | None = None,
) -> Plan:
    """Everything that the skeleton is made of.

    Raises:
        ValueError: as the functions above, or a rate that no robot has.
    """
    if not (FRAME_HZ <= control_hz <= 200 and control_hz % FRAME_HZ == 0):
        raise ValueError(
            f"control-hz: expected a multiple of the {FRAME_HZ} frames per second, at most 200, "
            f"got {control_hz}"
        )
    return Plan(
        checked_name(name), parse_joints(joints, urdf), tuple(views), camera, control_hz, driver
    )
