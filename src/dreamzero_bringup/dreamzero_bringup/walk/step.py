"""One joint's motion through the controller's gate: enable, move, watch, and always disable."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from dreamzero_msgs import msg as dz

from dreamzero_bringup.operator_client import Answer, OperatorClient
from dreamzero_bringup.walk.guard import Guard
from dreamzero_bringup.walk.judge import alarm
from dreamzero_bringup.walk.plan import Move, still
from dreamzero_bringup.walk.trace import BEFORE_S, Trace
from dreamzero_bringup.walk.wire import Wire
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float

SETTLE_S = 1.4
"""How long the enabled robot must stand still before the motion [s]."""

_IDLE_S, _GRACE_S, _AFTER_S, _RECENT_S = 0.7, 0.6, 0.9, 1.0
_BEAT_S, _LOOK_S, _DISABLE_S = 0.3, 0.02, 10.0
_AT_REST = (
    dz.ControllerStatus.INACTIVE,
    dz.ControllerStatus.ESTOPPED,
    dz.ControllerStatus.RELEASED,
)

_GUARD_LOST = "the process that watches over the walk ended, or disabled motion as the walk stood"

Trouble = tuple[str, str]


@dataclass
class Taken:
    """What one step brought.

    Attributes:
        trace: None where motion was not enabled.
        trouble: why not, or why it was given up.
        before, far: small pictures by view, at rest and far out.
    """

    trace: Trace | None = None
    trouble: Trouble | None = None
    before: dict[str, Float] = field(default_factory=dict)
    far: dict[str, Float] = field(default_factory=dict)


class Gate:
    """Motion is enabled in here only, and never left enabled.

    Args:
        robot: its layout.
        wire: topics.
        client: the controller's services.
        guard: disables motion should this process no longer be able to.
        alert: tells a person, in capitals, that the controller does not answer.
    """

    def __init__(
        self,
        robot: Embodiment,
        wire: Wire,
        client: OperatorClient,
        guard: Guard,
        alert: Callable[[str], None],
    ) -> None:
        self._robot, self._wire, self._client = robot, wire, client
        self._guard, self._alert = guard, alert
        self._tolerance = still(robot.joints)
        self._beaten = 0.0
        self._enabled_at = self._refused = 0.0
        self.disabled = True

    def step(self, move: Move) -> Taken:
        """Makes one motion; motion is disabled when this returns or raises."""
        wire, taken = self._wire, Taken()
        if (why := self.unready()) is not None:
            taken.trouble = why
            return taken
        hold, column = self.pose(), self._robot.action_joints.index(move.joint.name)
        hold[column] = move.start
        began: list[float] = []  # when the motion began
        frozen: list[Float] = []

        def target(now: float) -> Float:
            if frozen:
                return frozen[0]
            row = hold.copy()
            if began:
                row[column] = move.at(now - began[0])
            return row

        start, ended = wire.now(), None
        wire.lead(target, start + 2.0 * SETTLE_S + move.duration + 2.0 * _DISABLE_S)
        try:
            taken.trouble = self._watch(start + _IDLE_S, None, None)
            taken.trouble = taken.trouble or self._enable()
            if taken.trouble is not None:
                return taken
            rest = self._mean(self._enabled_at - BEFORE_S)
            taken.trouble = self._watch(self._enabled_at + SETTLE_S, None, rest)
            if taken.trouble is None:
                rest = self._mean(wire.now() - BEFORE_S)
                began.append(wire.now())
                taken.before = wire.pictures(began[0] - 2.0 * BEFORE_S)
                out = began[0] + move.turn[0]
                far, end = began[0] + move.turn[1] - 0.05, began[0] + move.duration + _GRACE_S
                taken.trouble = self._watch(far, move, rest, began[0])
                if taken.trouble is None:
                    taken.far = wire.pictures(out + 0.25)
                    taken.trouble = self._watch(end, move, rest, began[0])
            ended = wire.now()
            if taken.trouble is not None:  # whatever the human wanted last stays wanted
                frozen.append(self._standing(target(ended)))
        finally:
            self._disable(lambda: frozen.append(self._standing(target(wire.now()))))
        if taken.trouble is not None:
            time.sleep(_AFTER_S)
        taken.trace = self._trace(start, began, ended, taken.trouble)
        return taken

    def pose(self) -> Float:
        """[A] the measured pose inside the range, bases at rest."""
        measured = dict(zip(self._robot.state_joints, self._wire.pose(), strict=True))
        return np.array(
            [
                0.0 if j.kind == "base" else min(max(measured[j.name], j.lower), j.upper)
                for j in self._robot.joints
            ]
        )

    def _standing(self, row: Float) -> Float:
        """A target with the base at rest."""
        return np.where([joint.kind == "base" for joint in self._robot.joints], 0.0, row)

    def unready(self) -> Trouble | None:
        """Why the robot cannot be moved now."""
        wire = self._wire
        if (silent := wire.silent()) is not None:
            return silent
        if wire.controller is None or wire.pose() is None:
            return "state_silent", "no measured pose"
        if wire.controller.estopped:
            return "estopped", wire.controller.message
        if wire.controller.enabled:
            return "not_enabled", "motion is enabled already by somebody else: dreamzero disable"
        if others := wire.rivals():
            return "not_enabled", f"{others} publishes a human's targets too: end it first"
        return self._policy_runs()

    def _policy_runs(self) -> Trouble | None:
        policy = self._wire.policy
        if policy is not None and policy.state in (policy.RUNNING, policy.WAITING):
            return "policy_runs", f"the policy follows {policy.prompt!r}"
        return None

    def _enable(self) -> Trouble | None:
        """Enables motion; why not, where it is refused."""
        driver = self._wire.driver
        self._refused = driver.commands_refused if driver is not None else 0
        self._beaten = 0.0
        if not self._beat():
            return "guard_lost", _GUARD_LOST
        self._enabled_at, self.disabled = self._wire.now(), False
        answer = self._asked("enable")
        if not answer.success:
            return "not_enabled", answer.message
        return None

    def _asked(self, command: str) -> Answer:
        """What the controller answers, the guard kept quiet meanwhile."""

        def ask() -> Answer:
            try:
                return self._client.motion(command, patience_s=5.0)
            except ValueError as error:
                return Answer(False, str(error))

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask)
            while not answer.done():
                self._beat()
                time.sleep(_LOOK_S)
            return answer.result()

    def _beat(self) -> bool:
        """Tells the guard now and then that all is well; whether it listens."""
        now = time.monotonic()
        if now - self._beaten < _BEAT_S:
            return True
        self._beaten = now
        return self._guard.tell("armed")

    def _watch(
        self, until: float, moving: Move | None, rest: Float | None, began: float = 0.0
    ) -> Trouble | None:
        """Looks until a time whether all is as it should be; what is not, where it is not."""
        wire = self._wire
        while wire.now() < until:
            time.sleep(_LOOK_S)
            if not self.disabled and not self._beat():
                return "guard_lost", _GUARD_LOST
            if (silent := wire.silent()) is not None:
                return silent
            if rest is None:
                continue
            if (said := self._said()) is not None:
                return said
            pose = wire.pose()
            if pose is None:
                return "state_silent", "no measured pose"
            told = (0.0, 0.0) if moving is None else self._told(moving, wire.now() - began)
            why = alarm(self._robot.state_joints, self._tolerance, rest, pose, moving, told)
            if why:
                return "alarm", why
        return None

    def _told(self, move: Move, seconds: float) -> tuple[float, float]:
        """The least and the most that a joint was told lately, by the walk and by the controller.

        Args:
            move: its motion.
            seconds: since that began.
        """
        lately = [move.at(seconds - ago) for ago in np.linspace(0.0, _RECENT_S, 20)]
        if move.joint.name in self._robot.state_joints:
            column = self._robot.state_joints.index(move.joint.name)
            _, rows = self._wire.commands(self._wire.now() - _RECENT_S)
            lately += rows[:, column].tolist()
        return min(lately), max(lately)

    def _said(self) -> Trouble | None:
        """What controller, driver and policy say against going on."""
        said, driver = self._wire.controller, self._wire.driver
        if driver is not None and driver.mode in (driver.FAULT, driver.RELEASED):
            return "driver_fault", driver.message or f"driver mode {driver.mode}"
        if driver is not None and driver.commands_refused > self._refused:
            return "driver_refuses", driver.last_refusal
        if said.estopped:
            return "estopped", said.message or "the emergency stop is latched"
        if (runs := self._policy_runs()) is not None:
            return runs
        if self._wire.now() < self._enabled_at + _GRACE_S:
            return None
        if not said.enabled:
            return "disarmed", f"{said.hold_reason}: {said.message}"
        if said.mode != said.ACTIVE:
            if said.hold_reason in ("no_chunk", "stale_chunk", "no_instruction"):
                return "stream_lost", "the controller has no fresh targets of a human"
            return "held", f"{said.hold_reason}: {said.message}"
        if said.authority != dz.Authority.HUMAN:
            return "stream_lost", "the controller does not follow the human's targets"
        return None

    def _disable(self, freeze: Callable[[], None]) -> None:
        """Disables motion and waits until the controller says so; Ctrl-C does not end that."""
        if self.disabled:
            self._wire.leave()
            return
        with suppress(KeyboardInterrupt):
            freeze()
        deadline = time.monotonic() + _DISABLE_S
        while not self.disabled and time.monotonic() < deadline:
            with suppress(KeyboardInterrupt):
                if self._asked("disable").success:
                    self.disabled = self._at_rest(self._wire.now())
        self._wire.leave()
        if self.disabled:
            self._guard.tell("safe")
        else:
            self._alert(
                "THE CONTROLLER DOES NOT SAY THAT MOTION IS DISABLED: "
                "press the robot's emergency stop"
            )

    def _at_rest(self, asked: float) -> bool:
        """Whether the controller says, after an instant, that nothing is sent any more."""
        deadline = time.monotonic() + 3.0
        while time.monotonic() < deadline:
            said = self._wire.controller
            stamp = said.header.stamp.sec + said.header.stamp.nanosec * 1e-9
            if stamp >= asked - 0.2 and not said.enabled and said.mode in _AT_REST:
                return True
            self._beat()
            time.sleep(_LOOK_S)
        return False

    def _mean(self, since: float) -> Float:
        _, rows = self._wire.states(since)
        return rows.mean(axis=0) if len(rows) else self._wire.pose()

    def _trace(
        self, start: float, began: list[float], ended: float | None, trouble: Trouble | None
    ) -> Trace:
        """What was seen since ``start``; a motion that never began lies before the instant 0."""
        zero = began[0] if began else self._wire.now()
        (at, rows), (sent, commands) = self._wire.states(start), self._wire.commands(start)
        return Trace(
            self._robot.state_joints,
            self._enabled_at - zero,
            at - zero,
            rows,
            sent - zero,
            commands,
            None if trouble is None else ended - zero,
            trouble,
        )
