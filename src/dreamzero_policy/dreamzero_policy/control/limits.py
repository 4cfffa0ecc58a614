"""What a command must keep: the robot's limits, and an installation's tighter ones, never wider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment, EndSlowdown
from dreamzero_policy.types import Float, frozen

_KINDS = ("base", "gripper", "prismatic")
_RATES = ("velocity", "acceleration", "jerk")


@dataclass(frozen=True)
class Limits:
    """What a command must keep, per joint in action order, in model units.

    A base column is a velocity: its range is in m/s or rad/s, its ``velocity`` an acceleration,
    and so on.

    Attributes:
        names: [A] joint names.
        base, gripper, prismatic: [A] bool, which columns are of that kind; the others are revolute.
        lower, upper: [A] range.
        velocity, acceleration, jerk: [A] largest magnitudes per s, s^2, s^3.
        slowdowns: [A] lower speed limits towards the ends of a joint's travel, None where a joint
            has none; empty where no joint has one.

    Raises:
        ValueError: a field that is not one per joint, a range that is empty, a rate that is not
            positive, or a base that may not stand still.
    """

    names: tuple[str, ...]
    base: np.ndarray
    gripper: np.ndarray
    prismatic: np.ndarray
    lower: Float
    upper: Float
    velocity: Float
    acceleration: Float
    jerk: Float
    slowdowns: tuple[EndSlowdown | None, ...] = ()

    def __post_init__(self) -> None:
        """Checks every joint and freezes the arrays."""
        slowdowns = tuple(self.slowdowns) or (None,) * len(self.names)
        object.__setattr__(self, "slowdowns", slowdowns)
        for field in (*_KINDS, "lower", "upper", *_RATES):
            dtype = bool if field in _KINDS else np.float64
            object.__setattr__(self, field, frozen(np.asarray(getattr(self, field), dtype=dtype)))
        for field in (*_KINDS, "lower", "upper", *_RATES, "slowdowns"):
            if len(getattr(self, field)) != len(self.names):
                raise ValueError(
                    f"limits: expected {len(self.names)} values of {field}, one per joint, "
                    f"got {len(getattr(self, field))}"
                )
        for column, name in enumerate(self.names):
            lower, upper = float(self.lower[column]), float(self.upper[column])
            if not (np.isfinite([lower, upper]).all() and lower < upper):
                raise ValueError(f"limits of {name}: the range [{lower}, {upper}] is empty")
            if self.base[column] and not lower <= 0.0 <= upper:
                raise ValueError(
                    f"limits of {name}: a base must be able to stand still, "
                    f"got the range [{lower}, {upper}]"
                )
            rates = [float(getattr(self, field)[column]) for field in _RATES]
            if not (np.isfinite(rates).all() and min(rates) > 0.0):
                raise ValueError(
                    f"limits of {name}: velocity, acceleration and jerk must be positive, "
                    f"got {rates}"
                )

    @classmethod
    def of(cls, embodiment: Embodiment) -> Limits:
        """The embodiment's own limits, the widest there can be."""
        joints = embodiment.joints
        return cls(
            names=embodiment.action_joints,
            **{kind: np.array([joint.kind == kind for joint in joints]) for kind in _KINDS},
            **{
                field: np.array([float(getattr(joint, field)) for joint in joints])
                for field in ("lower", "upper", *_RATES)
            },
            slowdowns=tuple(joint.slowdown for joint in joints),
        )

    def require_within(self, tighter: Limits) -> None:
        """Checks that other limits are of the same joints and nowhere wider.

        Raises:
            ValueError: they are not.
        """
        if tighter.names != self.names:
            raise ValueError(
                f"limits: expected joints {', '.join(self.names)}, got {', '.join(tighter.names)}"
            )
        for field in _KINDS:
            if not np.array_equal(getattr(self, field), getattr(tighter, field)):
                raise ValueError(f"limits: other joints are of kind {field} than the robot has")
        for field in ("lower", "upper", *_RATES):
            own, other = getattr(self, field), getattr(tighter, field)
            kept = other >= own if field == "lower" else other <= own
            if not kept.all():
                joint = int(np.argmin(kept))
                raise ValueError(
                    f"limits of {self.names[joint]}: {field} may only be tightened from "
                    f"{own[joint]}, got {other[joint]}"
                )
        for name, own, other in zip(self.names, self.slowdowns, tighter.slowdowns, strict=True):
            if own is not None and other != own:
                raise ValueError(
                    f"limits of {name}: the slowdown towards its ends is a fact of the robot, "
                    f"expected {own}, got {other}"
                )

    def tighten(
        self,
        joints: Mapping[str, Mapping[str, float]] | None = None,
        *,
        scale: float = 1.0,
        margin: float = 0.0,
    ) -> Limits:
        """Narrower limits; wider ones are refused.

        Args:
            joints: joint name to any of lower, upper, velocity, acceleration, jerk.
            scale: share of every joint's velocity, acceleration and jerk, and of a base's range,
                which is its speed; above 0, at most 1.
            margin: kept from both ends of every range that is a position [rad or m]; grippers and
                bases keep their range.

        Raises:
            ValueError: an unknown joint or limit, a value that is wider or not finite, a range left
                empty, or a base that may not stand still.
        """
        if not (np.isfinite(scale) and 0.0 < scale <= 1.0):
            raise ValueError(f"scale of the limits: expected above 0 and at most 1, got {scale}")
        if not (np.isfinite(margin) and margin >= 0.0):
            raise ValueError(f"margin of the limits: expected 0 or more, got {margin}")
        inset = np.where(self.base | self.gripper, 0.0, margin)
        share = np.where(self.base, scale, 1.0)
        values = {"lower": self.lower * share + inset, "upper": self.upper * share - inset}
        values |= {field: getattr(self, field) * scale for field in _RATES}
        for name, wanted in (joints or {}).items():
            if name not in self.names:
                raise ValueError(
                    f"limits: no joint {name!r}; the joints are {', '.join(self.names)}"
                )
            column = self.names.index(name)
            for field, value in wanted.items():
                if field not in values:
                    raise ValueError(
                        f"limits of {name}: no limit {field!r}; expected one of {', '.join(values)}"
                    )
                old, narrower = float(getattr(self, field)[column]), min
                if field == "lower":
                    narrower = max
                number = isinstance(value, int | float) and not isinstance(value, bool)
                number = number and bool(np.isfinite(value))
                if not number or narrower(value, old) != value or (field in _RATES and value <= 0):
                    raise ValueError(
                        f"limits of {name}: {field} may only be tightened from {old}, got {value}"
                    )
                values[field][column] = narrower(value, float(values[field][column]))
        return replace(self, **values)
