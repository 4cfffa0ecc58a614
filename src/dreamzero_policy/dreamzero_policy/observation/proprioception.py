"""Joint messages to the state vector of the checkpoint: by name, in model units, at one instant.

A robot may spread its joints over several topics at different rates (the Franka gripper reports at
15 Hz, the arm at 100 Hz and more). Every source is brought to the instant on its own: joints on the
line between their two neighbouring measurements, grippers by the last one, as in the training data
(design: data.md 5.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.observation.sync import TimeBuffer
from dreamzero_policy.types import NS_PER_S, Float

_CAPACITY = 1024
"""Measurements kept per source: a second at 1 kHz."""


class LayoutError(ValueError):
    """A source does not publish the joints that it must."""


@dataclass(frozen=True)
class Measured:
    """The state vector at one instant.

    Attributes:
        stamp_ns: the instant.
        positions: [S] in model units, in the order of ``Embodiment.state_joints``.
        velocities: [S] in model units per second: the slope between the two measurements around the
            instant, or between the last two after the newest; 0 with a single one.
        ages_ns: per source, the instant minus its newest measurement; negative when there is one
            after the instant.
    """

    stamp_ns: int
    positions: Float
    velocities: Float
    ages_ns: Mapping[str, int]


@dataclass(frozen=True)
class MissingSource:
    """A source without a measurement up to the instant."""

    source: str

    def __str__(self) -> str:
        return f"{self.source}: no measurement yet"


@dataclass(frozen=True)
class StaleSource:
    """A source whose last measurement before the instant is too old."""

    source: str
    age_ns: int
    max_age_ns: int

    def __str__(self) -> str:
        age, limit = self.age_ns / NS_PER_S, self.max_age_ns / NS_PER_S
        return f"{self.source}: last measurement is {age:.3f} s old, expected at most {limit:.3f} s"


class _Source:
    """One topic: which joints it must bring and what it brought."""

    def __init__(self, joints: tuple[str, ...], columns: np.ndarray) -> None:
        self.joints, self.columns = joints, columns
        self.names: tuple[str, ...] | None = None
        self.order = np.zeros(len(joints), dtype=int)
        self.buffer: TimeBuffer[Float] = TimeBuffer(_CAPACITY)


class StateAssembler:
    """Every source's measurements, and the state vector at an instant."""

    def __init__(
        self,
        embodiment: Embodiment,
        max_age_ns: int,
        sources: Mapping[str, Sequence[str]] | None = None,
        ignored: Iterable[str] = (),
    ) -> None:
        """Says which source brings which joint.

        Args:
            embodiment: the joints, their order and the scales of what the driver reports.
            max_age_ns: a source older than that at the instant is stale.
            sources: joint names by source; without it one source, ``joint_states``, brings all.
            ignored: joints that a source may publish and nobody wants.

        Raises:
            ValueError: a joint of the state comes from no source, from two, or is unknown.
        """
        wanted = embodiment.state_joints
        sources = {"joint_states": wanted} if sources is None else sources
        given = [name for joints in sources.values() for name in joints]
        if sorted(given) != sorted(wanted):
            raise ValueError(
                f"{embodiment.name}: expected every joint from one source, got\n"
                + _side_by_side(sorted(wanted), sorted(given))
            )
        self._max_age_ns = max_age_ns
        self._ignored = frozenset(ignored)
        joints = [embodiment.joint(name) for name in wanted]
        self._zero = np.array([joint.state_wire.zero for joint in joints])
        self._span = np.array([joint.state_wire.one for joint in joints]) - self._zero
        self._held = np.array([joint.kind == "gripper" for joint in joints])
        self._sources = {
            name: _Source(tuple(names), np.array([wanted.index(joint) for joint in names]))
            for name, names in sources.items()
        }

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(self._sources)

    def newest_ns(self, source: str) -> int | None:
        """Stamp of the newest measurement of a source; None before the first."""
        newest = self._sources[source].buffer.newest
        return newest and newest[0]

    def stamps_refused(self, source: str) -> int:
        """Messages of a source whose stamp was not later than the newest."""
        return self._sources[source].buffer.refused

    def update(
        self, source: str, stamp_ns: int, names: Sequence[str], positions: Sequence[float]
    ) -> bool:
        """Takes one joint message.

        Args:
            source: which source it came from.
            stamp_ns: when it was measured.
            names: joint names as published.
            positions: one per name, in the driver's units.

        Returns:
            Whether it was taken; False when its stamp is not later than the newest of the source.

        Raises:
            LayoutError: the names are not those of the source, or there are not as many positions.
            ValueError: the source is unknown, or a position is not finite.
        """
        if source not in self._sources:
            raise ValueError(f"source: expected one of {self.sources}, got {source!r}")
        entry = self._sources[source]
        names = tuple(names)
        if names != entry.names:
            self._learn(source, entry, names)
        if len(positions) != len(names):
            raise LayoutError(
                f"{source}: expected {len(names)} positions, one per name, got {len(positions)}"
            )
        wire = np.asarray(positions, dtype=np.float64)[entry.order]
        if not np.isfinite(wire).all():
            pairs = zip(entry.joints, wire.tolist(), strict=True)
            bad = {name: value for name, value in pairs if not math.isfinite(value)}
            raise ValueError(f"{source}: expected finite positions, got {bad}")
        model = (wire - self._zero[entry.columns]) / self._span[entry.columns]
        return entry.buffer.append(stamp_ns, model)

    def _learn(self, source: str, entry: _Source, names: tuple[str, ...]) -> None:
        """Checks the names of a message and keeps where each wanted joint stands in it."""
        kept = [name for name in names if name not in self._ignored or name in entry.joints]
        if sorted(kept) != sorted(entry.joints):
            raise LayoutError(
                f"{source}: expected {len(entry.joints)} joints, got {len(kept)}:\n"
                + _side_by_side(entry.joints, kept)
                + self._swapped(source, kept)
            )
        entry.names = names
        entry.order = np.array([names.index(joint) for joint in entry.joints])

    def _swapped(self, source: str, names: Sequence[str]) -> str:
        """Whose joints a message brings, where they are those of another source: two arms, say."""
        for other, entry in self._sources.items():
            if other != source and sorted(names) == sorted(entry.joints):
                return f"\n  these are the joints of {other}: are the two swapped?"
        return ""

    def settled(self, instant_ns: int) -> bool:
        """Whether waiting can bring nothing more for ``instant_ns``.

        That is so when every source with a joint to interpolate has a measurement at or after it;
        a source of grippers alone is not waited for.
        """
        return all(
            self._held[entry.columns].all()
            or (entry.buffer.newest is not None and entry.buffer.newest[0] >= instant_ns)
            for entry in self._sources.values()
        )

    def at(self, instant_ns: int) -> Measured | MissingSource | StaleSource:
        """The state at ``instant_ns``, or why there is none."""
        positions, velocities = np.empty(len(self._zero)), np.zeros(len(self._zero))
        ages: dict[str, int] = {}
        for name, entry in self._sources.items():
            older = entry.buffer.at_or_before(instant_ns)
            if older is None:
                return MissingSource(name)
            if instant_ns - older[0] > self._max_age_ns:
                return StaleSource(name, instant_ns - older[0], self._max_age_ns)
            positions[entry.columns] = np.where(
                self._held[entry.columns], older[1], entry.buffer.interpolate(instant_ns)
            )
            pair = entry.buffer.around(instant_ns)
            if pair is not None:
                (start, left), (end, right) = pair
                velocities[entry.columns] = (right - left) * (NS_PER_S / (end - start))
            ages[name] = instant_ns - entry.buffer.newest[0]
        return Measured(instant_ns, positions, velocities, ages)


def parse_sources(texts: Iterable[str]) -> dict[str, tuple[str, ...]] | None:
    """Joint names by topic; None where nothing is given.

    Raises:
        ValueError: a text is not ``topic=joint,joint,...`` or a topic stands twice.
    """
    sources: dict[str, tuple[str, ...]] = {}
    for text in texts:
        topic, _, joints = (part.strip() for part in text.partition("="))
        names = tuple(name.strip() for name in joints.split(","))
        if not topic or not all(names) or topic in sources:
            raise ValueError(
                f"parameter sources: expected topic=joint,joint,... with every topic once, "
                f"got {text!r}"
            )
        sources[topic] = names
    return sources or None


def _side_by_side(expected: Sequence[str], got: Sequence[str]) -> str:
    """Two columns of names, for people; ``!`` marks a name that the other column lacks."""
    width = max([len(name) for name in expected] + [len("expected")])
    lines = [f"    {'expected':<{width}}    got"]
    for left, right in zip_longest(expected, got, fillvalue=""):
        marks = [
            "!" if name and name not in other else " "
            for name, other in ((left, got), (right, expected))
        ]
        lines.append(f"  {marks[0]} {left:<{width}}  {marks[1]} {right}".rstrip())
    return "\n".join(lines)
