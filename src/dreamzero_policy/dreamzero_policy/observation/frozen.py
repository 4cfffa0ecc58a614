"""Cameras that show the same picture though the robot moves, or nothing but black.

A driver that hangs may go on sending its last picture with new stamps, which no age tells from a
live one. A still scene before a camera without noise (every simulated one) is the same to the last
bit as well, so a picture alone proves nothing: a view is frozen when its pixels have not changed
for a while in which the robot moved noticeably. It is not frozen any more with the first pixel that
changes, and stays so while the robot stands still because of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import NS_PER_S, Float, Image

_LATE_NS = 200_000_000
"""Motion this shortly before a picture does not count: cameras stamp when a picture arrives."""

_POSES = 256
"""Poses kept; at the fastest rate of the proprioception more than a second."""

_BLACK_LEVEL = 4.0
"""A picture whose mean level is below that shows nothing."""

_SPARSE = (slice(None, None, 8), slice(None, None, 8))
"""Every 64th pixel tells whether a picture is black."""


@dataclass(frozen=True)
class FrozenView:
    """A view that did not change while the robot moved.

    Attributes:
        view: its name.
        unchanged_ns: for how long its pixels have been the same, by its stamps.
        motion: how far the robot moved meanwhile: the joints' ranges added up [rad or m].
    """

    view: str
    unchanged_ns: int
    motion: float

    def __str__(self) -> str:
        return (
            f"{self.view}: frozen, not one pixel has changed for {self.unchanged_ns / NS_PER_S:.1f}"
            f" s in which the joints moved by {self.motion:.2f} rad in all"
        )


@dataclass
class _Unchanged:
    """A picture and since when it is the same."""

    picture: Image
    first_ns: int
    last_ns: int
    dark_since_ns: int | None
    moved_until_ns: int = field(init=False)
    low: Float | None = None
    high: Float | None = None

    def __post_init__(self) -> None:
        self.moved_until_ns = self.first_ns

    @property
    def motion(self) -> float:
        """Ranges of the joints since the picture is the same, added up."""
        return 0.0 if self.low is None or self.high is None else float((self.high - self.low).sum())


class PictureWatch:
    """Compares every view's pictures with each other and with what the robot did meanwhile."""

    def __init__(
        self, embodiment: Embodiment, after_ns: int, motion: float, still: Iterable[str] = ()
    ) -> None:
        """Sets what is noticeable.

        Args:
            embodiment: views, and which columns of a pose are joints that move the arm. Grippers
                are left out: in an exterior view one is a few pixels.
            after_ns: how long a picture must be the same.
            motion: how far the joints must have moved meanwhile: the range of each, added up [rad
                or m]. A range and not a path, or the noise of a standing robot would add up.
            still: views that may stand still, which nothing is said of.

        Raises:
            ValueError: ``still`` names a view that the robot has not.
        """
        self._views = [view.name for view in embodiment.views]
        self._still = frozenset(still)
        if unknown := sorted(self._still - set(self._views)):
            raise ValueError(
                f"parameter still_views: expected some of {self._views}, got {unknown}"
            )
        self._columns = np.array(
            [
                index
                for index, name in enumerate(embodiment.state_joints)
                if embodiment.joint(name).kind in ("revolute", "prismatic")
            ],
            dtype=int,
        )
        self._after_ns, self._motion = after_ns, motion
        self._poses: deque[tuple[int, Float]] = deque(maxlen=_POSES)
        self._shown: dict[str, _Unchanged] = {}

    def clear(self) -> None:
        """Forgets every picture and pose."""
        self._poses.clear()
        self._shown.clear()

    def moved(self, stamp_ns: int, positions: Float) -> None:
        """Takes a measured pose: [S] model units, in the order of ``state_joints``."""
        if self._poses and stamp_ns <= self._poses[-1][0]:
            if self._poses[-1][0] - stamp_ns <= NS_PER_S:
                return
            self._poses.clear()  # the clock was set back
        self._poses.append((stamp_ns, positions[self._columns]))

    def saw(self, view: str, stamp_ns: int, picture: Image) -> None:
        """Takes a picture of a view.

        Args:
            view: its name.
            stamp_ns: when it was taken; the same stamp again says nothing new.
            picture: [h, w, 3] uint8, which is kept and must not change.
        """
        seen = self._shown.get(view)
        if seen is not None and stamp_ns == seen.last_ns:
            return
        dark = float(picture[_SPARSE].mean()) < _BLACK_LEVEL
        goes_on = seen is not None and seen.last_ns < stamp_ns  # else a clock was set back
        if goes_on and np.array_equal(seen.picture, picture):
            if stamp_ns - seen.last_ns > self._after_ns:
                # In a gap it may have changed and changed back: what the robot did then says
                # nothing.
                seen.moved_until_ns = stamp_ns
            seen.last_ns = stamp_ns
        else:
            since = (seen.dark_since_ns if goes_on else None) or stamp_ns
            seen = self._shown[view] = _Unchanged(
                picture, stamp_ns, stamp_ns, since if dark else None
            )
        self._follow(seen)

    def _follow(self, seen: _Unchanged) -> None:
        """Widens the ranges by the poses that the newest picture must show."""
        for stamp_ns, pose in self._poses:
            if seen.moved_until_ns <= stamp_ns <= seen.last_ns - _LATE_NS:
                seen.moved_until_ns = stamp_ns + 1
                seen.low = pose if seen.low is None else np.minimum(seen.low, pose)
                seen.high = pose if seen.high is None else np.maximum(seen.high, pose)

    @property
    def needs_poses(self) -> bool:
        """Whether any picture is the same as the one before, so that the robot's motion matters."""
        return any(
            seen.last_ns > seen.first_ns
            for view, seen in self._shown.items()
            if view not in self._still
        )

    def frozen(self) -> list[FrozenView]:
        """The views that are frozen now."""
        return [
            FrozenView(view, seen.last_ns - seen.first_ns, seen.motion)
            for view, seen in self._shown.items()
            if view not in self._still
            and seen.last_ns - seen.first_ns >= self._after_ns
            and seen.motion >= self._motion
        ]

    def dark(self) -> list[str]:
        """The views that have been black for as long as a frozen one is unchanged."""
        return [
            view
            for view, seen in self._shown.items()
            if view not in self._still
            and seen.dark_since_ns is not None
            and seen.last_ns - seen.dark_since_ns >= self._after_ns
        ]

    def unchanged_s(self, view: str) -> float:
        """For how long the picture of a view has been the same [s]; 0 before the second one."""
        seen = self._shown.get(view)
        return 0.0 if seen is None else (seen.last_ns - seen.first_ns) / NS_PER_S
