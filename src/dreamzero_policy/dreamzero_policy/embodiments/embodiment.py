"""What a robot layout is, as a frozen dataclass: facts a checkpoint was trained on, no algorithms.

An installation's topics, addresses and tighter limits are in ``config/robots/<robot>.yaml``. A new
robot is one constant of this class in a file of its own.

Units. Inside the stack every joint is in *model units*: rad for a revolute joint, m for a prismatic
one, 0 to 1 for a gripper in the convention the checkpoint was trained on, m/s and rad/s for a base.
On the wire a driver speaks the vendor's units. ``WireScale`` converts, separately for what is read
and what is commanded, since vendors use different scales for the two (design: robots.md, rule 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dreamzero_policy.types import NS_PER_S, Float, Observation

JointKind = Literal["revolute", "prismatic", "gripper", "base"]

BASE_AXES = {"base_forward": ("linear", "x"), "base_yaw": ("angular", "z")}
"""Where a base joint stands in a ``geometry_msgs/Twist``, in the base's own frame."""


@dataclass(frozen=True)
class WireScale:
    """An affine map of model units to a driver's units: ``wire = zero + model * (one - zero)``.

    Attributes:
        zero: wire value at model value 0.
        one: wire value at model value 1.
    """

    zero: float = 0.0
    one: float = 1.0

    def __post_init__(self) -> None:
        """Refuses a scale that has no inverse."""
        if not np.isfinite([self.zero, self.one]).all() or self.zero == self.one:
            raise ValueError(f"a wire scale needs two different finite values, got {self}")

    def to_wire(self, model: float) -> float:
        """Model units to the driver's units."""
        return self.zero + model * (self.one - self.zero)

    def to_model(self, wire: float) -> float:
        """The driver's units to model units."""
        return (wire - self.zero) / (self.one - self.zero)


IDENTITY = WireScale()


@dataclass(frozen=True)
class EndSlowdown:
    """A speed limit that shrinks towards the ends of a joint's travel.

    Upwards a joint may go at ``max(0, -offset + sqrt(2 * acceleration * (upper_end - position)))``,
    downwards at the mirror image, and nowhere faster than its constant limit. These ends are the
    formula's: the speed is nil ``offset ** 2 / (2 * acceleration)`` before them.

    Attributes:
        offset: taken off the root [model units per s].
        acceleration: how steeply the speed shrinks [model units per s^2].
        lower_end, upper_end: the formula's ends [model units].
    """

    offset: float
    acceleration: float
    lower_end: float
    upper_end: float

    def __post_init__(self) -> None:
        """Refuses a formula without an offset, or one that lets a joint move nowhere."""
        values = np.array([self.offset, self.acceleration, self.lower_end, self.upper_end])
        if not (np.isfinite(values).all() and (values[:2] > 0).all()):
            raise ValueError(
                f"a slowdown needs offset and acceleration above 0 and finite ends, got {self}"
            )
        low, high = self.range
        if not low < high:
            raise ValueError(f"a slowdown that leaves no range to move in: {self}")

    @property
    def range(self) -> tuple[float, float]:
        """Positions between which a joint may move both ways."""
        room = self.offset**2 / (2.0 * self.acceleration)
        return self.lower_end + room, self.upper_end - room


@dataclass(frozen=True)
class Joint:
    """One column of the action vector and, unless it is a base velocity, of the state vector.

    Attributes:
        name: as in ``sensor_msgs/JointState.name`` on the wire.
        kind: what the number means; a base velocity has no measured twin and is zero on hold.
        lower, upper: range in model units.
        velocity, acceleration, jerk: largest magnitudes in model units per s, s^2, s^3.
        state_wire: scale of what the driver reports.
        command_wire: scale of what the driver takes.
        slowdown: a tighter speed limit towards the ends of the joint's travel, where it has one.
        open_at: the value of an open gripper, ``lower`` or ``upper``; what people are told of it.
    """

    name: str
    kind: JointKind
    lower: float
    upper: float
    velocity: float
    acceleration: float
    jerk: float
    state_wire: WireScale = IDENTITY
    command_wire: WireScale = IDENTITY
    slowdown: EndSlowdown | None = None
    open_at: float | None = None

    def __post_init__(self) -> None:
        """Refuses a joint that could not move or has no limit."""
        bounds = np.array([self.velocity, self.acceleration, self.jerk])
        if not (np.isfinite(bounds).all() and (bounds > 0).all()):
            raise ValueError(
                f"{self.name}: velocity, acceleration and jerk must be positive, got {bounds}"
            )
        if not (np.isfinite([self.lower, self.upper]).all() and self.lower < self.upper):
            raise ValueError(
                f"{self.name}: range [{self.lower}, {self.upper}] is empty or not finite"
            )
        if self.open_at is not None and self.open_at not in (self.lower, self.upper):
            raise ValueError(
                f"{self.name}: open_at must be an end of [{self.lower}, {self.upper}], "
                f"got {self.open_at}"
            )
        if self.slowdown is not None:
            low, high = self.slowdown.range
            if not low < self.lower < self.upper < high:
                raise ValueError(
                    f"{self.name}: range [{self.lower}, {self.upper}] reaches where its slowdown "
                    f"allows no motion; it must lie inside ({low:.4f}, {high:.4f})"
                )


@dataclass(frozen=True)
class Key:
    """A run of columns that the checkpoint normalises together.

    Attributes:
        name: without the ``state.`` or ``action.`` prefix.
        width: number of columns.
        relative: for an action, whether the checkpoint predicts it relative to the measured state
            of the same name at the chunk's first row (data.md 2.2). False for a state.
        parts: one name per column, under which some checkpoints keep the columns as keys of their
            own; empty where none does.
    """

    name: str
    width: int
    relative: bool = False
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses parts that are not one per column."""
        if self.parts and len(self.parts) != self.width:
            raise ValueError(
                f"key {self.name}: expected {self.width} parts, one per column, got {self.parts}"
            )


@dataclass(frozen=True)
class View:
    """One camera.

    Attributes:
        name: what our topics and messages call it.
        key: the checkpoint's key, without the ``video.`` prefix.
        row, column: which quarter of the 2x2 canvas it fills, from the top left.
        full_width: fills both columns, every pixel column doubled (the wrist view of DROID).
    """

    name: str
    key: str
    row: int
    column: int
    full_width: bool = False


@dataclass(frozen=True)
class TimeBase:
    """How a checkpoint divides time: its own property, not the robot's (data.md 1.8).

    Attributes:
        control_hz: rows per second.
        frame_stride: rows from one frame to the next.
        rows_per_chunk: horizon of a chunk.
        frames_per_chunk: frames that a chunk spans.

    Raises:
        ValueError: the frames of a chunk do not span its rows.
    """

    control_hz: int
    frame_stride: int
    rows_per_chunk: int
    frames_per_chunk: int = 8

    def __post_init__(self) -> None:
        """Checks that frames and rows span the same time."""
        if min(self.control_hz, self.frame_stride, self.rows_per_chunk, self.frames_per_chunk) < 1:
            raise ValueError(f"every number of a time base must be at least 1, got {self}")
        if self.frame_stride * self.frames_per_chunk != self.rows_per_chunk:
            raise ValueError(
                f"time base: {self.frames_per_chunk} frames every {self.frame_stride} rows span "
                f"{self.frame_stride * self.frames_per_chunk} rows, "
                f"but a chunk has {self.rows_per_chunk}"
            )

    def of_rows(self, rows: int) -> TimeBase:
        """The same rate and as many frames with chunks of another length.

        Raises:
            ValueError: rows that do not divide into the frames.
        """
        if rows < 1 or rows % self.frames_per_chunk:
            raise ValueError(
                f"chunk_rows: expected a multiple of {self.frames_per_chunk}, got {rows}"
            )
        return replace(self, frame_stride=rows // self.frames_per_chunk, rows_per_chunk=rows)

    @property
    def frame_hz(self) -> float:
        """Frames per second."""
        return self.control_hz / self.frame_stride

    @property
    def row_ns(self) -> int:
        """Time between two rows, to the nearest ns."""
        return round(NS_PER_S / self.control_hz)

    @property
    def frame_ns(self) -> int:
        """Time between two frames, to the nearest ns."""
        return round(NS_PER_S * self.frame_stride / self.control_hz)

    @property
    def chunk_ns(self) -> int:
        """Time that a chunk spans; a whole number of frames."""
        return self.frame_ns * self.frames_per_chunk


@dataclass(frozen=True)
class Embodiment:
    """Everything about a robot that a checkpoint fixes.

    Attributes:
        name: what the user calls the robot.
        tag: the checkpoint's embodiment tag.
        joints: one per action column, in action order.
        state_joints: names of the joints in the state vector, in state order.
        state_keys, action_keys: how the columns are grouped for normalisation, in their order.
        views: cameras in the checkpoint's order.
        native_size: (height, width) of every view before the crop, as in the training data.
        view_size: (height, width) of one quarter of the canvas.
        time_base: default where no checkpoint says otherwise.
        prompt: template with ``{}`` where the lower-cased instruction goes.
        home: pose to start from, in model units, in action order (0 for a base velocity).
        language_keys: annotation keys under which datasets of the checkpoint keep the instruction,
            without the ``annotation.`` prefix.
    """

    name: str
    tag: str
    joints: tuple[Joint, ...]
    state_joints: tuple[str, ...]
    state_keys: tuple[Key, ...]
    action_keys: tuple[Key, ...]
    views: tuple[View, ...]
    native_size: tuple[int, int]
    view_size: tuple[int, int]
    time_base: TimeBase
    prompt: str
    home: tuple[float, ...]
    language_keys: tuple[str, ...] = ("task",)

    def __post_init__(self) -> None:
        """Checks that the parts of the file agree with one another."""
        names = self.action_joints
        for what, values in (("joint", names), ("view", tuple(v.name for v in self.views))):
            if len(set(values)) != len(values):
                raise ValueError(f"{self.name}: a {what} name stands twice in {values}")
        for what, keys, count in (
            ("state", self.state_keys, len(self.state_joints)),
            ("action", self.action_keys, len(names)),
        ):
            if sum(key.width for key in keys) != count:
                raise ValueError(
                    f"{self.name}: {what} keys cover {sum(k.width for k in keys)} of {count} joints"
                )
        unknown = set(self.state_joints) - set(names)
        if unknown:
            raise ValueError(f"{self.name}: state joints {sorted(unknown)} are not among {names}")
        measured = {joint.name for joint in self.joints if joint.kind != "base"}
        if measured != set(self.state_joints):
            unmeasured = sorted(measured - set(self.state_joints))
            raise ValueError(f"{self.name}: joints without a measurement: {unmeasured}")
        states = {key.name: key.width for key in self.state_keys}
        for key in self.action_keys:
            if key.relative and states.get(key.name) != key.width:
                raise ValueError(
                    f"{self.name}: relative action key {key.name} has no state key of its width"
                )
        if len(self.home) != len(names):
            raise ValueError(
                f"{self.name}: home has {len(self.home)} values for {len(names)} joints"
            )
        for value, joint in zip(self.home, self.joints, strict=True):
            if joint.kind != "base" and not joint.lower <= value <= joint.upper:
                raise ValueError(
                    f"{self.name}: home of {joint.name} is {value}, "
                    f"outside [{joint.lower}, {joint.upper}]"
                )
        if self.prompt.count("{}") < 1:
            raise ValueError(f"{self.name}: the prompt template has no {{}} for the instruction")

    @property
    def action_joints(self) -> tuple[str, ...]:
        """Joint names in action order."""
        return tuple(joint.name for joint in self.joints)

    @property
    def canvas_size(self) -> tuple[int, int]:
        """(height, width) of the tiled image; one view alone is not tiled."""
        height, width = self.view_size
        return (height, width) if len(self.views) == 1 else (2 * height, 2 * width)

    def joint(self, name: str) -> Joint:
        """The joint called ``name``.

        Raises:
            ValueError: there is none; the message lists those there are.
        """
        for joint in self.joints:
            if joint.name == name:
                return joint
        raise ValueError(
            f"{self.name} has no joint {name!r}; its joints are {', '.join(self.action_joints)}"
        )

    def state_at_home(self) -> Float:
        """[S] float64, the state vector at the home pose."""
        home = dict(zip(self.action_joints, self.home, strict=True))
        return np.array([home[name] for name in self.state_joints])

    def example(self, seed: int = 0, frames: int = 1) -> Observation:
        """A random observation of this robot, for tests and warm-up without a camera or a robot.

        Args:
            seed: the same seed gives the same observation.
            frames: number of canvases, one frame interval apart.
        """
        rng = np.random.default_rng(seed)
        limits = [self.joint(name) for name in self.state_joints]
        return Observation(
            canvases=rng.integers(0, 256, (frames, *self.canvas_size, 3), dtype=np.uint8),
            stamps_ns=NS_PER_S + np.arange(frames, dtype=np.int64) * self.time_base.frame_ns,
            state=np.array([rng.uniform(joint.lower, joint.upper) for joint in limits]),
            prompt="pick up the red block",
        )
