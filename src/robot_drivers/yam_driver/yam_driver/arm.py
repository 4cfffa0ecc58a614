"""One YAM arm through i2rt's calls: what it does in silence is checked, copied or refused here.

What i2rt does and why this module is as it is (``i2rt/robots/motor_chain_robot.py`` where no other
file is named):

- ``command_joint_pos`` takes effect at once, is sent again for ever, and clips the caller's array
  in place without a word. A target outside that clip is refused here, and a copy is passed.
- ``get_joint_pos``, ``get_observations`` and ``get_robot_info`` hand out its own arrays.
- When the bus fails, a motor reports an error or a joint leaves its range, a thread ends with a
  line on stdout; every call goes on as if nothing were wrong, with the last measurement.
- The gripper's 0 and 1 are what its calibration found, however small (``i2rt/robots/utils.py``).
- ``zero_torque_mode`` also zeroes the stored gains, so that later commands do nothing; it is never
  called. An arm is let go by a command without stiffness, which leaves them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dreamzero_policy.embodiments.embodiment import Joint
from dreamzero_policy.types import NS_PER_S, Float
from yam_driver.vendor import ArmApi

JOINTS = 6
"""Joints of an arm, without its gripper."""

STALE_NS = NS_PER_S // 10
"""Age of a measurement at which an arm counts as lost: 25 cycles of its 250 Hz loop."""

GRIPPER_EXCESS = 0.1
"""How far beyond 0 to 1 a gripper may read: play and rounding, a tenth of its travel."""

_POSE_EXCESS = 0.1  # rad beyond the clip; there i2rt stops the arm itself
_TOLERANCE = 1e-6


class GripperTravel(NamedTuple):
    """The motor of a gripper over its whole way.

    Attributes:
        radians: from stop to stop.
        direction: of the motor; i2rt orders the two ends by it (``detect_gripper_limits``).
    """

    radians: float
    direction: int


GRIPPERS = {  # i2rt/robots/config/<name>.yml
    "linear_4310": GripperTravel(6.57, 1),
    "linear_3507": GripperTravel(6.57, 1),
    "flexible_4310": GripperTravel(6.57, -1),
    "crank_4310": GripperTravel(2.83, 1),
}


class ArmError(RuntimeError):
    """An arm that cannot be read or commanded any more, or reads what cannot be."""


class Arm:
    """One arm and its gripper, in wire units: rad, and 0 closed to 1 open.

    Attributes:
        side: ``left`` or ``right``.
        clip: [6, 2] rad, where i2rt cuts targets off.
        gripper_limits: motor angle of the gripper closed and open [rad].
    """

    def __init__(
        self, api: ArmApi, side: str, channel: str, gripper_type: str, joints: Sequence[Joint]
    ) -> None:
        """Checks that it is the arm that is expected.

        Args:
            api: i2rt's arm, holding.
            side: ``left`` or ``right``.
            channel: its CAN interface.
            gripper_type: one of ``GRIPPERS``.
            joints: the layout's six joints and gripper.

        Raises:
            ValueError: another number of joints, ranges that do not contain the layout's, gains of
                zero, a gripper whose travel is too short or runs the wrong way.
        """
        self.side, self._api, self._channel = side, api, channel
        self._names = [joint.name for joint in joints]
        self._newest: Float | None = None
        self._newest_ns = 0
        if api.num_dofs() != JOINTS + 1:
            raise ValueError(
                f"{side} arm: expected {JOINTS} joints and a gripper on {channel}, got "
                f"{api.num_dofs()} motors"
            )
        info = api.get_robot_info()
        self.clip = np.array(info["joint_limits"], dtype=np.float64)
        self.gripper_limits = tuple(float(end) for end in info["gripper_limits"])
        self._kp = np.array(info["kp"], dtype=np.float64)
        self._kd = np.array(info["kd"], dtype=np.float64)
        self._floating_kd = np.array(info["grav_comp_kd"], dtype=np.float64)
        self._check_ranges(joints[:JOINTS])
        self._check_gripper(gripper_type)
        if not (self._kp > 0).all():
            raise ValueError(
                f"{side} arm: gains kp {self._kp.tolist()} would not hold it; start i2rt anew"
            )

    def _check_ranges(self, joints: Sequence[Joint]) -> None:
        """Refuses an arm that cannot go where the layout says it can: another variant."""
        short = [
            f"{joint.name} layout [{joint.lower:.3f}, {joint.upper:.3f}] "
            f"i2rt [{low:.3f}, {high:.3f}]"
            for joint, (low, high) in zip(joints, self.clip, strict=True)
            if not low - _TOLERANCE <= joint.lower < joint.upper <= high + _TOLERANCE
        ]
        if short:
            raise ValueError(
                f"{self.side} arm: i2rt cuts off targets that the layout allows; is arm_type "
                f"right? {'; '.join(short)}"
            )

    def _check_gripper(self, gripper_type: str) -> None:
        """Refuses a gripper whose calibration cannot be right."""
        travel, (closed, opened) = GRIPPERS[gripper_type], self.gripper_limits
        span = abs(opened - closed)
        if not np.isfinite(span) or span < travel.radians / 2:
            raise ValueError(
                f"{self.side} gripper: motor travel {span:.3f} rad, closed {closed:.3f}, open "
                f"{opened:.3f}; expected about {travel.radians:.2f} rad for a {gripper_type}; free "
                "its jaws and calibrate again"
            )
        if (closed - opened) * travel.direction < 0:
            raise ValueError(
                f"{self.side} gripper: closed {closed:.3f} and open {opened:.3f} rad are the wrong "
                f"way round for a {gripper_type}, whose motor "
                f"{'falls' if travel.direction > 0 else 'rises'} when it opens"
            )

    def check_pose(self, now_ns: int) -> None:
        """Refuses to begin where i2rt is about to stop the arm: its zero is lost or it was moved.

        Raises:
            ValueError: a joint too far out of its range.
            ArmError: as ``read``.
        """
        positions, _ = self.read(now_ns)
        for name, value, (low, high) in zip(self._names, positions, self.clip, strict=False):
            if not low - _POSE_EXCESS / 2 <= value <= high + _POSE_EXCESS / 2:
                raise ValueError(
                    f"{name} is at {value:.3f} rad, expected {low:.3f} to {high:.3f}: put the arm "
                    "into its zero pose and switch its power off and on"
                )

    def may_be_a_turn_off(self, gripper: float) -> bool:
        """Whether a gripper that reads so may as well be at its other end.

        i2rt takes a whole turn off whatever its motors read beyond half a turn at the start
        (``i2rt/robots/get_robot.py``), and a gripper's travel is longer than a turn: limits that
        were found in another run may be a turn away from what is read in this one.
        """
        turn = 2.0 * np.pi / abs(self.gripper_limits[1] - self.gripper_limits[0])
        low, high = -GRIPPER_EXCESS, 1.0 + GRIPPER_EXCESS
        return any(low <= gripper + off <= high for off in (-turn, turn))

    def read(self, now_ns: int) -> tuple[Float, Float]:
        """[7] positions and [7] velocities per second, copies.

        Raises:
            ArmError: the arm's loop has ended or stands still, or it reads what cannot be.
        """
        if not self._api.motor_chain.running:
            raise ArmError(f"{self.side} arm: its loop on {self._channel} has ended: {_ENDED}")
        array = self._api.get_joint_pos()
        if array is not self._newest:  # made anew in every cycle; kept, so that it stays itself
            self._newest, self._newest_ns = array, now_ns
        elif now_ns - self._newest_ns > STALE_NS:
            age = (now_ns - self._newest_ns) / NS_PER_S
            raise ArmError(
                f"{self.side} arm: nothing new from {self._channel} for {age:.2f} s: {_ENDED}"
            )
        seen = self._api.get_observations()
        positions = np.array(array, dtype=np.float64)
        velocities = np.concatenate([seen["joint_vel"], seen["gripper_vel"]]).astype(np.float64)
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            raise ArmError(f"{self.side} arm: positions are not finite: {positions.tolist()}")
        gripper = positions[JOINTS]
        if not -GRIPPER_EXCESS <= gripper <= 1.0 + GRIPPER_EXCESS:
            closed, opened = self.gripper_limits
            raise ArmError(
                f"{self._names[JOINTS]} reads {gripper:.3f}, expected 0 to 1: its range of closed "
                f"{closed:.3f} and open {opened:.3f} rad is not this gripper's; calibrate it again"
            )
        return positions, velocities

    def check(self, target: Float) -> None:
        """Refuses a target [7] that i2rt would clip.

        Raises:
            ValueError: joint, target and range.
        """
        for name, value, (low, high) in zip(
            self._names, target, (*self.clip, (0.0, 1.0)), strict=True
        ):
            if not low - _TOLERANCE <= value <= high + _TOLERANCE:
                raise ValueError(
                    f"{name}: command {value:.6g} is outside [{low:.6g}, {high:.6g}], where i2rt "
                    "would cut it off in silence"
                )

    def within(self, target: Float) -> Float:
        """A copy of ``target`` [7] inside i2rt's clip."""
        low, high = np.vstack([self.clip, (0.0, 1.0)]).T
        return np.clip(target, low, high)

    def send(self, target: Float) -> None:
        """Makes for ``target`` [7], which ``check`` has passed, at once.

        Raises:
            ArmError: i2rt refused it or cut it off.
        """
        sent = self.within(target)
        wanted = sent.copy()
        self._call(lambda: self._api.command_joint_pos(sent))
        if not np.array_equal(sent, wanted):
            raise ArmError(f"{self.side} arm: i2rt cut {wanted.tolist()} off to {sent.tolist()}")

    def let_float(self, pose: Float) -> None:
        """Carries the arm's own weight and nothing more; the gripper keeps to ``pose[6]``.

        Raises:
            ArmError: i2rt refused it.
        """
        kp, kd = np.zeros_like(self._kp), self._floating_kd.copy()
        kp[JOINTS], kd[JOINTS] = self._kp[JOINTS], self._kd[JOINTS]
        state = {"pos": self.within(pose), "vel": np.zeros(JOINTS + 1), "kp": kp, "kd": kd}
        self._call(lambda: self._api.command_joint_state(state))

    def close(self) -> None:
        """Ends i2rt's loop; 400 ms later the motors damp and the arm sinks.

        Raises:
            ArmError: i2rt refused it.
        """
        self._call(self._api.close)

    def _call(self, call: Callable[[], None]) -> None:
        """Calls i2rt; whatever it raises becomes one kind of error."""
        try:
            call()
        except Exception as error:  # it raises AssertionError, RuntimeError, OSError, CanError ...
            raise ArmError(f"{self.side} arm: {type(error).__name__}: {error}") from error


_ENDED = (
    "bus, motor error or joint range; support the arm, look at i2rt's output, restart the driver"
)
