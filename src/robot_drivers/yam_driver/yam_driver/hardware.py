"""Two YAM arms as one robot, without ROS: follow, hold, float, and faults that stay.

Wire units are the vendor's own: rad, and a gripper's 0 closed to 1 open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from dreamzero_policy.embodiments.yam import YAM
from dreamzero_policy.ros.driver_robot import Mode, ModeLatch, Reading, in_order
from dreamzero_policy.types import Float, frozen
from yam_driver.arm import JOINTS, Arm, ArmError

SIDES = ("left", "right")
WIDTH = JOINTS + 1
"""Values of one arm."""

REST_EXCESS = 0.2
"""How far from the folded pose, all joints at zero, an arm rests on itself [rad]."""

_CLOSE_S = 0.8  # for both arms; i2rt joins a thread without a limit
_FLOATING = "the arms carry their own weight and float; the grippers keep what they hold"


class YamRobot:
    """Both arms behind the interface of every driver.

    It holds the pose that the arms have until the first command. A hold keeps the pose that was
    measured when it began: one measured anew in every round would sink with the arm. The grippers
    keep their last targets throughout, and so what they hold.

    Attributes:
        joint_names: the layout's, left arm first.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        command_timeout_s: float,
        largest_distance: float,
        now_ns: int,
    ) -> None:
        """Takes over two arms that were opened.

        Args:
            arms: left, right.
            command_timeout_s: silence after which the robot holds.
            largest_distance: of a target from the measured pose [rad]; i2rt does not interpolate.
            now_ns: a clock that only goes forward.

        Raises:
            ValueError: an arm out of its range or without a measurement, or a timeout or distance
                that is not positive.
        """
        if not largest_distance > 0:
            raise ValueError(f"largest_distance: expected more than 0, got {largest_distance}")
        self.joint_names = tuple(joint.name for joint in YAM.joints)
        self._arms = tuple(arms)
        self._latch = ModeLatch(command_timeout_s)
        self._largest_distance = largest_distance
        self._lock = threading.RLock()
        self._now_ns = now_ns
        self._pose = np.zeros(len(self.joint_names))
        try:
            for arm in self._arms:
                arm.check_pose(now_ns)
            self._measure()
            self._grips = self._pose[JOINTS::WIDTH].copy()
            self._hold_pose()
        except ArmError as error:
            raise ValueError(str(error)) from error

    @property
    def state(self) -> tuple[Mode, str]:
        """What the robot does, and why it does not follow."""
        return self._latch.state

    @property
    def resting(self) -> bool:
        """Whether both arms lie folded on themselves, so that nothing sinks without power."""
        with self._lock:
            arms = self._pose.reshape(len(self._arms), WIDTH)[:, :JOINTS]
        return bool((np.abs(arms) <= REST_EXCESS).all())

    def advance(self, now_ns: int, ros_ns: int) -> Reading | None:
        """Measures, and holds where commands have stopped; None where an arm is lost."""
        with self._lock:
            self._now_ns = now_ns
            try:
                velocities = self._measure()
                if self._latch.silent(now_ns):
                    self._hold_pose()
            except ArmError as error:
                self._fail(error)
                return None
            return Reading(ros_ns, frozen(self._pose.copy()), frozen(velocities))

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Makes for ``positions`` by joint name, both arms or none.

        Raises:
            ValueError: a fault, released, a joint unknown or missing, a target that is not finite,
                that i2rt would clip, or that is too far from the measured pose.
        """
        target = in_order(self.joint_names, names, positions)
        with self._lock:
            self._latch.require_obedient()
            for arm, part in zip(self._arms, self._parts(target), strict=True):
                arm.check(part)
            self._require_near(target)
            self._latch.follow(now_ns)
            self._grips = target[JOINTS::WIDTH].copy()
            try:
                self._send(target)
            except ArmError as error:
                self._fail(error)
                raise ValueError(f"the robot has a fault: {error}") from error

    def _require_near(self, target: Float) -> None:
        """Refuses a jump: i2rt would go there as fast as the motors can."""
        for index, name in enumerate(self.joint_names):
            distance = abs(target[index] - self._pose[index])
            if index % WIDTH != JOINTS and distance > self._largest_distance:
                raise ValueError(
                    f"{name}: command {target[index]:.4g} is {distance:.3g} rad from the measured "
                    f"{self._pose[index]:.4g}, more than {self._largest_distance:g}"
                )

    def hold(self, reason: str) -> None:
        """Holds the measured pose; one that holds already stays where it is."""
        with self._lock:
            if self._latch.hold(reason):
                self._attempt(self._hold_pose)

    def release(self) -> str:
        """Lets the arms float in their own weight; says so.

        Raises:
            ValueError: commands are being followed, there is a fault, or an arm is lost.
        """
        with self._lock:
            self._latch.release(_FLOATING)
            if not self._attempt(self._let_float):
                raise ValueError(self.state[1])
            return _FLOATING

    def take_back(self) -> None:
        """Holds released arms where they now are; otherwise changes nothing.

        Raises:
            ValueError: an arm is lost.
        """
        with self._lock:
            if not self._latch.take_back():
                return
            if not self._attempt(self._measure_and_hold):
                raise ValueError(self.state[1])

    def clear_fault(self) -> None:
        """Holds the measured pose again after a fault.

        Raises:
            ValueError: there is no fault, or its cause is still there.
        """
        with self._lock:
            if self.state[0] == Mode.FAULT:
                try:
                    self._measure_and_hold()
                except ArmError as error:
                    raise ValueError(f"the fault is still there: {error}") from error
            self._latch.clear()

    def close(self) -> None:
        """Holds, unless the arms float, then ends i2rt's loops; the motors damp 400 ms later."""
        self.hold("the driver closes the arms")
        closers = [
            threading.Thread(target=self._attempt, args=(arm.close,), daemon=True)
            for arm in self._arms
        ]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join(_CLOSE_S / len(closers))

    def _measure(self) -> Float:
        """Reads both arms into ``_pose`` [J]; returns the velocities [J]."""
        readings = [arm.read(self._now_ns) for arm in self._arms]
        self._pose = np.concatenate([positions for positions, _ in readings])
        return np.concatenate([velocities for _, velocities in readings])

    def _measure_and_hold(self) -> None:
        self._measure()
        self._hold_pose()

    def _hold_pose(self) -> None:
        """Targets at the measured pose; grippers at what they were told last."""
        self._send(self._held())

    def _let_float(self) -> None:
        for arm, part in zip(self._arms, self._parts(self._held()), strict=True):
            arm.let_float(part)

    def _held(self) -> Float:
        """[J] the measured pose with the grippers' targets."""
        held = self._pose.copy()
        held[JOINTS::WIDTH] = self._grips
        return held

    def _send(self, target: Float) -> None:
        for arm, part in zip(self._arms, self._parts(target), strict=True):
            arm.send(part)

    def _parts(self, values: Float) -> list[Float]:
        """One row of [J] values per arm."""
        return list(values.reshape(len(self._arms), WIDTH))

    def _attempt(self, call: Callable[[], object]) -> bool:
        """Calls; a lost arm becomes a fault and False."""
        try:
            call()
        except ArmError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: ArmError) -> None:
        """Latches a fault and holds each arm that still can; arms that float are left to float."""
        mode = self.state[0]
        self._latch.fault(str(error))
        if mode in (Mode.FAULT, Mode.RELEASED):
            return
        for arm, part in zip(self._arms, self._parts(self._held()), strict=True):
            try:
                arm.send(part)
            except ArmError:
                continue  # the one that is lost
