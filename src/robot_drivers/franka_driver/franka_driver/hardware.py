"""An arm and a gripper as one robot, with the rules that hold for both ways to reach them. No ROS.

Commands come in our wire units: rad, and for the gripper a finger's distance from the middle.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.ros.driver_robot import Mode, ModeLatch, Reading, in_order
from dreamzero_policy.types import NS_PER_S, Float
from franka_driver.arms import ArmModel

_TOLERANCE = 1e-6


class HardwareFaultError(Exception):
    """The robot or the connection to it has failed; an operator must look at it."""


class ArmReading(NamedTuple):
    """The arm as measured.

    Attributes:
        stamp_ns: ROS time of the measurement.
        positions, velocities: [7] rad, rad/s.
        trouble: why the robot has stopped itself; empty where it has not.
    """

    stamp_ns: int
    positions: Float
    velocities: Float
    trouble: str = ""


class Arm(Protocol):
    """Seven joints, whichever way they are reached.

    Every method but ``let_go`` and ``close`` may raise ``HardwareFaultError``.
    """

    def read(self, ros_ns: int) -> ArmReading | None:
        """What is new since the last call; None for nothing."""

    def make_for(self, positions: Float, now_ns: int) -> None:
        """Begins to move to [7] rad."""

    def halt(self, positions: Float) -> None:
        """Comes to rest and holds; ``positions`` [7] is the measured pose."""

    def step(self, now_ns: int) -> None:
        """Once a round: sends what the time asks for."""

    def let_go(self) -> str:
        """Sends nothing any more; says how the arm can be moved by hand."""

    def recover(self) -> None:
        """Makes the arm ready after a fault; ``ValueError`` says what an operator must do first."""

    def close(self) -> None:
        """Ends the connection at rest."""


class Gripper(Protocol):
    """A gripper in model units: 0 open, 1 closed."""

    def read(self) -> tuple[float, int] | None:
        """The newest position and when it was measured [ns, clock of ``step``]; None before one.

        Raises:
            HardwareFaultError: it says what cannot be.
        """

    def make_for(self, closed: float) -> None:
        """Begins to move."""

    def step(self, now_ns: int) -> None:
        """Once a round. Raises ``HardwareFaultError``."""

    def recover(self) -> None:
        """Makes the gripper ready after a fault; ``ValueError`` says what an operator must do."""

    def close(self) -> None:
        """Ends the connection."""


class Margins(NamedTuple):
    """When a robot's driver refuses or stops.

    Attributes:
        command_timeout_s: silence after which the robot holds.
        state_max_age_s: an arm's measurement older than that is stale.
        gripper_max_age_s: the same for a gripper, which says less often where it is.
        distance: [rad] a command may be from the measured pose.
    """

    command_timeout_s: float
    state_max_age_s: float
    gripper_max_age_s: float
    distance: float


class FrankaRobot:
    """A ``driver_robot.Robot`` of an arm and a gripper."""

    def __init__(
        self,
        embodiment: Embodiment,
        model: ArmModel,
        arm: Arm,
        gripper: Gripper,
        margins: Margins,
        now_ns: int,
    ) -> None:
        """Takes the robot up as it stands; ``now_ns`` of the clock of ``advance``.

        Raises:
            ValueError: the embodiment is not seven revolute joints and a gripper.
        """
        kinds = [joint.kind for joint in embodiment.joints]
        if kinds != ["revolute"] * 7 + ["gripper"]:
            raise ValueError(
                f"robot {embodiment.name}: this driver moves 7 revolute joints and a gripper, "
                f"in this order; it has {', '.join(kinds)}"
            )
        self.joint_names = embodiment.action_joints
        self._finger = embodiment.joints[7]
        self._model, self._arm, self._gripper = model, arm, gripper
        self._margins = margins
        self._latch = ModeLatch(margins.command_timeout_s)
        self._lock = threading.RLock()
        self._last: ArmReading | None = None
        self._fresh_ns = now_ns
        self._closed: tuple[float, int] | None = None
        self._closed_speed = 0.0

    @property
    def state(self) -> tuple[Mode, str]:
        """Mode and why."""
        return self._latch.state

    def advance(self, now_ns: int, ros_ns: int) -> Reading | None:
        """One round; a failure of the hardware becomes a latched fault."""
        with self._lock:
            try:
                return self._round(now_ns, ros_ns)
            except HardwareFaultError as error:
                self._fail(str(error))
                return None

    def _round(self, now_ns: int, ros_ns: int) -> Reading | None:
        new = self._arm.read(ros_ns)
        if new is not None:
            self._last, self._fresh_ns = new, now_ns
            if new.trouble:
                self._fail(new.trouble)
        self._watch_gripper()
        stale = self._stale(now_ns)
        if stale and self.state[0] == Mode.FOLLOWING:
            self._fail(stale)
        elif stale:
            self._latch.hold(stale)
        elif self.state[0] == Mode.HOLDING and self.state[1].startswith("no state"):
            self._latch.hold("states again; no command since")
        if self._latch.silent(now_ns):
            self._arm.halt(self._last.positions)
        if self.state[0] in (Mode.FOLLOWING, Mode.HOLDING):
            self._arm.step(now_ns)
            self._gripper.step(now_ns)
        if new is None or stale:
            return None
        # The arm's stamp: the gripper is the slower one and must not make the arm look stale.
        scale = self._finger.state_wire
        return Reading(
            new.stamp_ns,
            np.append(new.positions, scale.to_wire(self._closed[0])),
            np.append(new.velocities, self._closed_speed * (scale.one - scale.zero)),
        )

    def _watch_gripper(self) -> None:
        """Takes what the gripper says, and how fast that changed."""
        before, now = self._closed, self._gripper.read()
        if now is None or now == before:
            return
        if before is not None and now[1] > before[1]:
            self._closed_speed = (now[0] - before[0]) * NS_PER_S / (now[1] - before[1])
        self._closed = now

    def _stale(self, now_ns: int) -> str:
        """What is too old to move by, in words that begin alike; empty for nothing."""
        age_s = (now_ns - self._fresh_ns) / NS_PER_S
        if self._last is None:
            return "no state of the arm yet"
        if age_s > self._margins.state_max_age_s:
            return f"no state of the arm for more than {self._margins.state_max_age_s:g} s"
        if self._closed is None:
            return "no state of the gripper yet"
        if now_ns - self._closed[1] > self._margins.gripper_max_age_s * NS_PER_S:
            return f"no state of the gripper for more than {self._margins.gripper_max_age_s:g} s"
        return ""

    def _fail(self, reason: str) -> None:
        """Latches a fault and asks the arm to rest, which it may no longer hear."""
        followed = self.state[0] == Mode.FOLLOWING
        self._latch.fault(reason)
        if followed and self._last is not None:
            try:
                self._arm.halt(self._last.positions)
            except HardwareFaultError:
                return  # the fault that is latched says it already

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Makes for ``positions``.

        Raises:
            ValueError: the robot is released or has a fault, no state is known, the names are not
                the robot's, a position is outside the arm's own range or far from where the arm
                is. Nothing has changed then.
        """
        target = in_order(self.joint_names, names, positions)
        with self._lock:
            self._latch.require_obedient()
            if stale := self._stale(now_ns):
                raise ValueError(stale)
            joints = self._model.check(self.joint_names[:7], target[:7])
            self._require_near(joints)
            closed = self._closedness(float(target[7]))
            try:
                self._latch.follow(now_ns)
                self._arm.make_for(joints, now_ns)
                self._gripper.make_for(closed)
            except HardwareFaultError as error:
                self._fail(str(error))
                raise ValueError(f"the robot has failed: {error}") from error

    def _require_near(self, joints: Float) -> None:
        """Refuses a jump, and an arm that does not follow."""
        away = joints - self._last.positions
        worst = int(np.abs(away).argmax())
        if abs(away[worst]) > self._margins.distance:
            raise ValueError(
                f"{self.joint_names[worst]}: command {joints[worst]:.4f} is "
                f"{abs(away[worst]):.3f} rad from the measured {self._last.positions[worst]:.4f}, "
                f"expected at most {self._margins.distance:g}: the command jumps, or the arm does "
                "not follow"
            )

    def _closedness(self, wire: float) -> float:
        """A gripper command in model units, inside its range."""
        closed = self._finger.command_wire.to_model(wire)
        if not -_TOLERANCE <= closed <= 1 + _TOLERANCE:
            ends = [self._finger.command_wire.to_wire(end) for end in (0.0, 1.0)]
            raise ValueError(
                f"{self._finger.name}: command {wire:.6g} is outside the range "
                f"[{min(ends):g}, {max(ends):g}]"
            )
        return min(max(closed, 0.0), 1.0)

    def hold(self, reason: str) -> None:
        """Holds the measured pose; a released robot and a fault stay as they are."""
        with self._lock:
            if self._latch.hold(reason) and self._last is not None:
                try:
                    self._arm.halt(self._last.positions)
                except HardwareFaultError as error:
                    self._latch.fault(str(error))

    def release(self) -> str:
        """Sends nothing any more; says how the arm can be moved.

        Raises:
            ValueError: commands are being followed, or there is a fault.
        """
        with self._lock:
            how = self._arm.let_go() if self.state[0] == Mode.HOLDING else ""
            self._latch.release(how)
            return how

    def take_back(self) -> None:
        """Holds a released robot where it is."""
        with self._lock:
            if self._latch.take_back() and self._last is not None:
                try:
                    self._arm.halt(self._last.positions)
                except HardwareFaultError as error:
                    self._latch.fault(str(error))

    def clear_fault(self) -> None:
        """Holds again after a fault whose cause is gone.

        Raises:
            ValueError: there is no fault, or the robot is not ready.
        """
        with self._lock:
            if self.state[0] != Mode.FAULT:
                raise ValueError("there is no fault to clear")
            try:
                self._arm.recover()
                self._gripper.recover()
            except HardwareFaultError as error:
                raise ValueError(f"the fault is still there: {error}") from error
            self._latch.clear()

    def close(self) -> None:
        """Ends both connections."""
        self._gripper.close()
        self._arm.close()
