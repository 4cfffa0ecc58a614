"""A gamepad: its axes and buttons, and what they ask for.

The layout is that of an Xbox pad as ROS's ``joy`` node and Linux's ``xpad`` give it. The left
shoulder button is a dead man's: only while it is down does the human lead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dreamzero_bringup.teleop.asked import Asked, Word
from dreamzero_policy.types import NS_PER_S

STALE_S = 0.5
"""A pad that says nothing for so long is lost; ``joy`` repeats itself faster than that [s]."""

MAP = """\
  LB          hold to lead; let go to hand back
  left stick  ahead, back, left, right    right stick  turn, and up, down
  RB + right stick  roll and tilt         A / B        close, open the gripper
  cross up, down  lift (AgiBot G1)        cross left, right  slower, faster
  X           the other arm               Y            axes: of the base, of the hand
  BACK        quit
Nothing moves unless LB is down. Handed back, the policy leads again.
"""

_DEAD = 0.12  # of a stick's travel: sticks do not come back to the middle
_LX, _LY, _RX, _RY, _CROSS_X, _CROSS_Y = 0, 1, 3, 4, 6, 7
_A, _B, _X, _Y, _LB, _RB, _BACK = 0, 1, 2, 3, 4, 5, 6
_AXES, _BUTTONS = 8, 8


class Gamepad:
    """Axes and buttons in, what is asked for out."""

    def __init__(self) -> None:
        self._axes: tuple[float, ...] = (0.0,) * _AXES
        self._buttons: tuple[bool, ...] = (
            True,
        ) * _BUTTONS  # what is down at the start is no press
        self._words: list[Word] = []
        self._at_ns: int | None = None
        self._armed = False  # LB was up since the pad is there: one that is stuck leads nobody

    def take(self, axes: Sequence[float], buttons: Sequence[int], now_ns: int) -> None:
        """Takes what the pad says.

        Args:
            axes: -1 to 1; up and left are positive.
            buttons: 1 for down.
            now_ns: a clock that goes forward.

        Raises:
            ValueError: fewer axes or buttons than the layout has, or a value that is none; the pad
                then counts as lost.
        """
        if len(axes) < _AXES or len(buttons) < _BUTTONS:
            self._at_ns = None
            raise ValueError(
                f"gamepad: expected {_AXES} axes and {_BUTTONS} buttons as of an Xbox pad, got "
                f"{len(axes)} and {len(buttons)}"
            )
        if not all(map(math.isfinite, axes)):
            self._at_ns = None
            raise ValueError(f"gamepad: an axis is not finite: {list(axes)}")
        before = (*self._buttons, self._axes[_CROSS_X] > 0.5, self._axes[_CROSS_X] < -0.5)
        self._axes = tuple(min(max(float(axis), -1.0), 1.0) for axis in axes)
        self._buttons = tuple(bool(button) for button in buttons)
        now = (*self._buttons, self._axes[_CROSS_X] > 0.5, self._axes[_CROSS_X] < -0.5)
        words = {_X: "other arm", _Y: "frame", _BACK: "quit", -2: "slower", -1: "faster"}
        self._words += [word for at, word in words.items() if now[at] and not before[at]]
        self._at_ns = now_ns
        self._armed = self._armed or not self._buttons[_LB]

    def asked(self, now_ns: int) -> Asked:
        """What is held now; words are given once."""
        words, self._words = tuple(self._words), []
        lost = self._at_ns is None or now_ns - self._at_ns > STALE_S * NS_PER_S
        self._armed = self._armed and not lost
        if not self._armed or not self._buttons[_LB] or "quit" in words:
            return Asked(words=words)
        stick = [_beyond_middle(value) for value in self._axes]
        turns = self._buttons[_RB]
        return Asked(
            linear=(stick[_LY], stick[_LX], 0.0 if turns else stick[_RY]),
            angular=((-stick[_RX], stick[_RY], 0.0) if turns else (0.0, 0.0, stick[_RX])),
            gripper=float(self._buttons[_A]) - float(self._buttons[_B]),
            lift=stick[_CROSS_Y],
            engaged=True,
            words=words,
        )


def _beyond_middle(value: float) -> float:
    """A stick's deflection without its dead zone, still reaching 1."""
    return math.copysign(max(abs(value) - _DEAD, 0.0) / (1.0 - _DEAD), value)
