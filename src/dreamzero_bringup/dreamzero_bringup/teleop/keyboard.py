"""A terminal's keys: which of them are held, and what they ask for.

A terminal says nothing of a key that is let go. A key counts as held until ``HELD_S`` after its
last character; the repeat of a key that stays down is faster than that. So a tap is a short step,
and there is a pause between a press and the first repeat.
"""

from __future__ import annotations

from collections.abc import Iterable

from dreamzero_bringup.teleop.asked import Asked, Word
from dreamzero_policy.ros.clutch import Clutch
from dreamzero_policy.types import NS_PER_S

HELD_S = 0.12
"""How long a key counts as held after its last character [s]."""

MAP = """\
  SPACE  take over / hand back           q  quit (hands back)
  w s    ahead, back                     i k  tilt down, up
  a d    left, right                     j l  turn left, right
  r f    up, down                        u o  roll left, right
  h g    open, close the gripper         z x  lift down, up (AgiBot G1)
  TAB    the other arm                   t    axes: of the base, of the hand
  v b    wheels ahead, back              n m  wheels turn left, right
  + -    faster, slower
Nothing moves unless a key is down; a tap is a small step. Handed back, the policy leads again.
"""

_DIRECTIONS = {
    "w": ("linear", 0, 1.0), "s": ("linear", 0, -1.0),
    "a": ("linear", 1, 1.0), "d": ("linear", 1, -1.0),
    "r": ("linear", 2, 1.0), "f": ("linear", 2, -1.0),
    "u": ("angular", 0, -1.0), "o": ("angular", 0, 1.0),
    "i": ("angular", 1, 1.0), "k": ("angular", 1, -1.0),
    "j": ("angular", 2, 1.0), "l": ("angular", 2, -1.0),
    "g": ("gripper", 0, 1.0), "h": ("gripper", 0, -1.0),
    "x": ("lift", 0, 1.0), "z": ("lift", 0, -1.0),
    "v": ("wheels", 0, 1.0), "b": ("wheels", 0, -1.0),
    "n": ("wheels", 1, 1.0), "m": ("wheels", 1, -1.0),
}  # fmt: skip

_WORDS: dict[str, Word] = {
    "q": "quit", "\x03": "quit", "\x04": "quit", "\t": "other arm",
    "+": "faster", "=": "faster", "-": "slower", "t": "frame",
}  # fmt: skip


class Keyboard:
    """Characters and their times in, what is asked for out."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._words: list[Word] = []
        self._clutch = Clutch()

    def take(self, characters: Iterable[str], now_ns: int) -> None:
        """Takes what was typed since the last time."""
        for character in characters:
            key = character.lower()
            if key == " ":
                self._clutch.take(False)
                self._clutch.take(True)
                self._last.clear()
            elif key in _WORDS:
                self._words.append(_WORDS[key])
            elif key in _DIRECTIONS:
                self._last[key] = now_ns

    def let_go(self) -> None:
        """Takes the clutch out, as for a device that was lost."""
        self._clutch.engaged = False

    def asked(self, now_ns: int) -> Asked:
        """What is held now; words are given once."""
        sizes = {"linear": 3, "angular": 3, "wheels": 2, "gripper": 1, "lift": 1}
        values = {what: [0.0] * size for what, size in sizes.items()}
        for key, at_ns in self._last.items():
            if 0 <= now_ns - at_ns <= HELD_S * NS_PER_S:
                what, axis, sign = _DIRECTIONS[key]
                values[what][axis] += sign
        words, self._words = tuple(self._words), []
        if "quit" in words:
            self._clutch.engaged = False
        return Asked(
            linear=tuple(values["linear"]),
            angular=tuple(values["angular"]),
            gripper=values["gripper"][0],
            lift=values["lift"][0],
            wheels=tuple(values["wheels"]),
            engaged=self._clutch.engaged,
            words=words,
        )
