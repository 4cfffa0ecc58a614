"""What a human asks for at one instant, from whatever device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal["quit", "other arm", "faster", "slower", "frame"]
"""What is asked once, by a press."""


@dataclass(frozen=True)
class Asked:
    """Directions that are held, each from -1 to 1.

    Attributes:
        linear: ahead, to the left and up.
        angular: about those axes.
        gripper: 1 closes, -1 opens.
        lift: 1 raises the trunk, -1 lowers it, where there is one.
        wheels: ahead and turning left, of a base.
        engaged: whether the human leads at all; False ends the stream.
        words: presses since the last time.
    """

    linear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    angular: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gripper: float = 0.0
    lift: float = 0.0
    wheels: tuple[float, float] = (0.0, 0.0)
    engaged: bool = False
    words: tuple[Word, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether anything is held."""
        return any((*self.linear, *self.angular, *self.wheels, self.gripper, self.lift))
