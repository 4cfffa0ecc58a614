"""What the bridge does with the robot: follow, hold, or stop in a fault. No socket, no SDK.

Time comes in as nanoseconds of a clock that only goes forward. Positions are in the order of
``layout.JOINTS``, read ones and commanded ones each in their own units (PROTOCOL.md).
"""

from __future__ import annotations

from typing import NamedTuple

from agibot_bridge.layout import GROUPS, Layout

HOLDING, FOLLOWING, FAULT = "holding", "following", "fault"

NS_PER_S = 1_000_000_000
RAMP_NS = 40_000_000
"""How long a set-point takes to a new command: a little more than the period of 30 Hz."""

CATCH_UP = 1.5
"""Of a joint's largest speed, with which a set-point may catch up after a late command."""

LONGEST_STEP_NS = 20_000_000
"""Of a set-point in one cycle, also after a call of the SDK that took long."""

SETTLE_NS = 200_000_000
"""For how long a hold is still sent. Then nothing is, and the robot keeps its last target."""

WHEEL_NS = 50_000_000
"""How often the wheels are told: the SDK wants 10 to 30 times a second."""

WHEEL_STOP_NS = 1_000_000_000
"""For how long wheels that were told to roll are told to stand still."""

STALE_NS = 500_000_000
"""Silence of one part's states that is a fault."""

_GRIPPERS = range(len(GROUPS["arm"]), len(GROUPS["arm"]) + len(GROUPS["gripper"]))


class Orders(NamedTuple):
    """What the SDK is to be told in this cycle.

    Attributes:
        positions: of every joint; None for nothing.
        wheels: forward and yaw velocity; None for nothing.
    """

    positions: list[float] | None
    wheels: tuple[float, float] | None


class Machine:
    """The bridge's state.

    Attributes:
        mode, reason: what it does, and why it does not follow.
        taken, refused, last_refusal: commands since the driver connected.
        positions: the newest reading.
    """

    def __init__(self, hold_after_s: float) -> None:
        """Holds; no driver is there yet."""
        self._hold_after_ns = round(hold_after_s * NS_PER_S)
        self.mode, self.reason = HOLDING, "no driver is connected"
        self.taken = self.refused = 0
        self.last_refusal = ""
        self.positions: list[float] | None = None
        self._layout: Layout | None = None
        self._sequence = self._command_ns = self._held_ns = 0
        self._now_ns = 0
        self._set_point: list[float] | None = None
        self._target: list[float] = []
        self._speed: list[float] = []
        self._grip: list[float] | None = None
        self._wheels = (0.0, 0.0)
        self._wheels_ns = self._rolled_ns = self._told_ns = -(10**18)
        self._rolling = False
        self._stopped_by: str | None = None
        self._changed_ns: dict[str, tuple[int, int]] = {}

    # What the driver asks for.

    def connect(self, layout: Layout) -> None:
        """A driver is there; its counts begin anew."""
        self._layout = layout
        self.taken = self.refused = self._sequence = 0
        self.last_refusal = ""
        self._hold("no command yet")

    def disconnect(self, reason: str) -> None:
        """The driver has gone."""
        self._hold(reason)
        self._layout = None

    def command(self, sequence: int, seen_ns: int, positions: list[float], now_ns: int) -> None:
        """Makes for ``positions``; one that is refused changes nothing.

        Args:
            sequence: rises with every command.
            seen_ns: the stamp of the newest state that the driver had: what is older than the
                watchdog allows has waited somewhere on the way.
            positions: commanded units.
            now_ns: now.
        """
        layout = self._layout
        old_ns = now_ns - seen_ns
        if layout is None:
            refusal: str | None = "no hello has come"
        elif self.mode == FAULT:
            refusal = f"the bridge has a fault: {self.reason}"
        elif sequence <= self._sequence:
            refusal = f"command {sequence} came after {self._sequence}"
        elif not 0 <= old_ns <= self._hold_after_ns:
            refusal = f"the command knows the robot as it was {old_ns / 1e9:.3f} s ago"
        elif self.positions is None:
            refusal = "the robot does not report yet"
        else:
            refusal = layout.refusal(positions)
        if refusal is not None or layout is None or self.positions is None:
            self.refused += 1
            self.last_refusal = refusal or ""
            return
        self._sequence, self._command_ns = sequence, now_ns
        self.taken += 1
        if self._set_point is None:
            self._set_point = self._measured(layout, self.positions)
        self._target, self._grip = list(positions), [positions[index] for index in _GRIPPERS]
        self._speed = []
        for joint, goal, at in zip(layout.joints, positions, self._set_point):
            scale = abs(joint.told_one - joint.told_zero)
            fastest = CATCH_UP * joint.velocity * scale
            self._speed.append(min(abs(goal - at) * NS_PER_S / RAMP_NS, fastest))
        self.mode, self.reason = FOLLOWING, ""

    def _measured(self, layout: Layout, reading: list[float]) -> list[float]:
        """Where the robot is, as a command; the grippers keep the grip they were told last."""
        at = []
        for joint, value in zip(layout.joints, reading):
            inside = min(max(joint.measured(value), joint.lower), joint.upper)
            at.append(joint.command(inside))
        if self._grip is not None:
            for index, value in zip(_GRIPPERS, self._grip):
                at[index] = value
        return at

    def drive(self, seen_ns: int, forward: float, yaw: float, now_ns: int) -> None:
        """Rolls while commands are followed; refuses as ``command`` does."""
        layout, old_ns = self._layout, now_ns - seen_ns
        if layout is None or not 0 <= old_ns <= self._hold_after_ns:
            refusal = f"a velocity for the robot as it was {old_ns / 1e9:.3f} s ago"
        elif abs(forward) > layout.forward or abs(yaw) > layout.yaw:
            refusal = (
                f"base: expected at most {layout.forward:g} m/s and {layout.yaw:g} rad/s, "
                f"got {forward:g} and {yaw:g}"
            )
        elif self.mode != FOLLOWING and (forward or yaw):
            refusal = f"the base rolls only while commands are followed: {self.reason}"
        else:
            self._wheels, self._wheels_ns = (forward, yaw), now_ns
            return
        self.refused += 1
        self.last_refusal = refusal

    def hold(self, reason: str) -> None:
        """Ends following: the set-point stays where it is, the wheels stop."""
        self._hold(reason)

    def fault(self, reason: str) -> None:
        """Latches a fault; the first one is kept. Nothing but a standstill is sent from now on."""
        if self.mode != FAULT:
            self.mode, self.reason = FAULT, reason
        self._forget()

    def clear(self) -> str | None:
        """Ends a fault; says why not where it is still there."""
        if self.mode != FAULT:
            return None
        if self.positions is None:
            return f"the robot does not report: {self.reason}"
        if self._stopped_by is not None:
            return f"the robot says {self._stopped_by}"
        wrong = self._layout.implausible(self.positions) if self._layout else None
        if wrong is not None:
            return wrong
        self.mode, self.reason = HOLDING, "fault cleared; no command since"
        return None

    def _hold(self, reason: str) -> None:
        if self.mode == FOLLOWING:
            self._held_ns = self._now_ns
        if self.mode != FAULT:
            self.mode, self.reason = HOLDING, reason
        self._wheels = (0.0, 0.0)

    def _forget(self) -> None:
        """The next command starts where the robot then is."""
        self._set_point, self._wheels = None, (0.0, 0.0)

    # What the robot says, and what it is told.

    def measure(self, positions: list[float], stamps_ns: dict[str, int], now_ns: int) -> None:
        """Takes a reading; one that cannot be, or that has stopped, is a fault."""
        self.positions = positions
        for part, stamp_ns in stamps_ns.items():
            last_ns, changed_ns = self._changed_ns.get(part, (None, now_ns))
            if stamp_ns != last_ns:
                changed_ns = now_ns
            self._changed_ns[part] = (stamp_ns, changed_ns)
            if now_ns - changed_ns > STALE_NS:
                self.positions = None
                self.fault(f"the {part}'s states have stopped: no new one for {STALE_NS / 1e9:g} s")
        wrong = self._layout.implausible(positions) if self._layout else None
        if wrong is not None:
            self.fault(f"{wrong}: another unit or another robot?")

    def stopped(self, by: str | None) -> None:
        """Takes the robot's own flags of a stop or an error; any is a fault."""
        self._stopped_by = by
        if by is not None:
            self.fault(f"the robot says {by}")

    def lose(self, reason: str) -> None:
        """The robot cannot be read."""
        self.positions = None
        self.fault(reason)

    def cycle(self, now_ns: int, dt_ns: int) -> Orders:
        """What to tell the robot now, ``dt_ns`` after the last time."""
        self._now_ns = now_ns
        if self.mode == FOLLOWING and now_ns - self._command_ns > self._hold_after_ns:
            self._hold(f"no command for {self._hold_after_ns / 1e9:g} s")
        positions = None
        if self.mode == FOLLOWING:
            positions = self._step(dt_ns)
        elif self._set_point is not None:
            if now_ns - self._held_ns <= SETTLE_NS:
                positions = list(self._set_point)
            else:
                self._forget()
        return Orders(positions, self._roll(now_ns))

    def _step(self, dt_ns: int) -> list[float]:
        """The set-point ``dt_ns`` later."""
        dt_ns = min(dt_ns, LONGEST_STEP_NS)
        far = [speed * dt_ns / NS_PER_S for speed in self._speed]
        self._set_point = [
            at + min(max(goal - at, -most), most)
            for at, goal, most in zip(self._set_point or self._target, self._target, far)
        ]
        return list(self._set_point)

    def _roll(self, now_ns: int) -> tuple[float, float] | None:
        """What the wheels are told now: they are left alone until they are to roll."""
        silent = now_ns - self._wheels_ns > self._hold_after_ns
        wheels = self._wheels if self.mode == FOLLOWING and not silent else (0.0, 0.0)
        if any(wheels):
            self._rolled_ns = now_ns
        elif now_ns - self._rolled_ns > WHEEL_STOP_NS:
            return None
        due = now_ns - self._told_ns >= WHEEL_NS
        stopping = not any(wheels) and now_ns - self._rolled_ns > 0 and self._rolling
        if not (due or stopping):
            return None
        self._told_ns, self._rolling = now_ns, any(wheels)
        return wheels

    def state(self) -> dict[str, object]:
        """The fields of a ``state`` that are the machine's."""
        return {
            "mode": self.mode,
            "reason": self.reason,
            "taken": self.taken,
            "refused": self.refused,
            "last_refusal": self.last_refusal,
        }
