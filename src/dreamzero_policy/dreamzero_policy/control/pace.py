"""The instants that commands are for, made from ticks that come early, late or not at all.

A driver wants set-points at an even pace, and a limit per tick means something only then. So the
command timeline advances by one period per tick, drawn gently towards the clock: jitter of a timer
does not reach the motion, and after a late tick the motion catches up along its path, a quarter
faster at most, instead of jumping ahead. A tick too late for that begins the timeline anew.
"""

from __future__ import annotations

from typing import Literal

_FASTEST, _SLOWEST = 1.25, 0.8
_DRAWN, _DRAWN_WHEN_FAR = 0.02, 0.1


class Pace:
    """Turns clock readings into an even timeline.

    Args:
        period_ns: time between two ticks.
        jump_ns: a gap between two readings longer than this, or any step back, is a jump.
        overrun_ns: a tick that comes later than this after it was due has overrun.

    Attributes:
        now_ns: the newest reading; None before the first.
        at_ns: the instant on the timeline of the newest tick that counted; 0 before the first.
    """

    def __init__(self, period_ns: int, jump_ns: int, overrun_ns: int) -> None:
        self._period, self._jump, self._overrun = period_ns, jump_ns, overrun_ns
        self.now_ns: int | None = None
        self._counted_ns = 0
        self.at_ns = 0

    def advance(self, now_ns: int) -> Literal["tick", "early", "overrun", "jump"]:
        """Takes a clock reading.

        Returns:
            ``tick``: a command is due. ``early``: it comes less than half a period after the
            newest command, or the timeline is that far ahead, so that another command would let the
            motion outrun the clock; nothing has changed. ``overrun``: it comes too late, or late
            ticks have left the timeline as far behind as a jump. ``jump``: the clock went backwards
            or further ahead than a late tick explains. After these two a command is due and the
            timeline starts anew.
        """
        last, self.now_ns = self.now_ns, now_ns
        if last is None:
            self.at_ns = self._counted_ns = now_ns
            return "tick"
        if now_ns < last or now_ns - last > self._jump:
            self.at_ns = self._counted_ns = now_ns
            return "jump"
        late = now_ns - self.at_ns - self._period
        if now_ns - self._counted_ns - self._period > self._overrun or late > self._jump:
            self.at_ns = self._counted_ns = now_ns
            return "overrun"
        if late < -self._period / 2 or now_ns - self._counted_ns < self._period / 2:
            return "early"
        self._counted_ns = now_ns
        far = max(abs(late) - self._period / 2, 0.0) * (1 if late > 0 else -1)
        step = self._period + _DRAWN * late + _DRAWN_WHEN_FAR * far
        self.at_ns += round(min(max(step, _SLOWEST * self._period), _FASTEST * self._period))
        return "tick"
