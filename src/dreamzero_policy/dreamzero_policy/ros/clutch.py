"""The clutch between a human's device and the robot."""

from __future__ import annotations


class Clutch:
    """In or out: a press changes it; whoever loses the device takes it out.

    Attributes:
        engaged: whether it is in.
    """

    def __init__(self) -> None:
        """Starts out, and as if the button were pressed: one held at the start is no press."""
        self.engaged = False
        self._pressed = True

    def take(self, pressed: bool) -> bool:
        """Whether the clutch is in, with the button now as it is."""
        if pressed and not self._pressed:
            self.engaged = not self.engaged
        self._pressed = pressed
        return self.engaged
