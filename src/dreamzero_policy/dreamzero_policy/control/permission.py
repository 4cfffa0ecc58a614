"""Whether motion is allowed: what the operator and the watchdogs have decided, and latched.

Nothing here looks at a pose or a clock, so that every answer can be read off the calls before it.
"""

from __future__ import annotations

from dreamzero_policy.chunks.screening import Refused


class Permission:
    """Enabled or not, ending, e-stopped, released, and why.

    Attributes:
        enabled: the operator has allowed motion.
        ending: motion is not allowed any more, and the robot has yet to be brought to rest.
        estopped: the emergency stop is latched.
        released: the operator lets go of the robot.
    """

    def __init__(self) -> None:
        self.enabled = self.ending = self.released = False
        self._estop: str | None = None
        self._disarmed: Refused | None = None

    @property
    def estopped(self) -> bool:
        """Whether the emergency stop is latched."""
        return self._estop is not None

    @property
    def sends(self) -> bool:
        """Whether commands are sent, of a motion or of its end."""
        return self.enabled or self.ending

    def denied(self) -> Refused | None:
        """Why no target may be followed: estopped, released, not_enabled, why it was disarmed."""
        if self._estop is not None:
            return Refused("estopped", self._estop)
        if self.released:
            return Refused("released", "the operator let go of the robot")
        if not self.enabled:
            return self._disarmed or Refused("not_enabled", "motion is not enabled")
        return None

    def blocked(self) -> str:
        """Why motion cannot be enabled now, in words; empty if nothing here prevents it."""
        if self._estop is not None:
            return f"e-stopped ({self._estop}); call reset_estop first"
        if self.released:
            return "the robot is released; take it back first"
        return "the last motion has not come to rest yet; try again" if self.ending else ""

    def enable(self) -> None:
        """Allows motion, and forgets why it was ended before.

        Raises:
            ValueError: it is blocked.
        """
        if self.blocked():
            raise ValueError(f"enable: {self.blocked()}")
        self.enabled, self._disarmed = True, None

    def disable(self) -> None:
        """Ends motion; commands go on until ``ended``."""
        self.ending = self.sends
        self.enabled = False

    def ended(self) -> None:
        """Notes that the robot is at rest, if motion was ending."""
        self.ending = False

    def disarm(self, reason: str, message: str) -> None:
        """Ends motion for a reason that is shown until the next enable; the first one stays."""
        self.disable()
        self._disarmed = self._disarmed or Refused(reason, message)

    def estop(self, reason: str) -> None:
        """Latches the emergency stop; the first reason stays."""
        self._estop = self._estop if self._estop is not None else reason

    def reset_estop(self) -> tuple[bool, str]:
        """Releases the emergency stop and leaves motion disabled; whether, and a sentence."""
        if self._estop is None:
            return False, "there is no emergency stop to reset"
        self._estop = None
        self.disable()
        return True, "emergency stop released; motion is disabled"

    def release(self) -> tuple[bool, str]:
        """Ends motion so that the operator may let go; whether, and a sentence."""
        if self.released:
            return True, "the robot was released already"
        self.disable()
        self.released = True
        return True, "motion is ended; the robot may be let go once it is at rest"

    def take_back(self) -> tuple[bool, str]:
        """Ends a release and leaves motion disabled; whether, and a sentence."""
        if not self.released:
            return True, "the robot was not released"
        self.released = False
        return True, "the robot is taken back; motion is disabled"
