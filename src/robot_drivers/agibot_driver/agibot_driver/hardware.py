"""The G1 as its driver's node sees it: modes, checks and units. The robot is behind the bridge.

Positions are in wire units (``embodiments/agibot_g1.py``), which are those of the socket: what is
read and what is commanded differ for the grippers and the lift.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from agibot_bridge.layout import JOINTS, Joint, Layout
from agibot_driver.link import Link, State
from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.ros.driver_robot import Mode, ModeLatch, Reading, in_order
from dreamzero_policy.types import NS_PER_S, Float, frozen

CLEAR_S = 1.0
"""How long the bridge may take to clear a fault [s]."""

_DISAGREEMENT_NS = 300_000_000
"""For how long the bridge may hold while commands are sent to it."""

_SPAN_NS = 50_000_000  # over which velocities are taken
_RELEASED = (
    "nothing is sent; the SDK has no call that frees the motors, which keep their power: move the "
    "robot by its own means"
)


def layout() -> Layout:
    """What the bridge is told of the robot: the embodiment's limits and scales."""
    joints = []
    for name in JOINTS:
        joint = AGIBOT_G1.joint(name)
        limits = (joint.lower, joint.upper, joint.velocity)
        read, told = joint.state_wire, joint.command_wire
        scales = (read.zero, read.one, told.zero, told.one)
        joints.append(Joint(name, *limits, *scales))
    base = [AGIBOT_G1.joint(name).upper for name in ("base_forward", "base_yaw")]
    return Layout(tuple(joints), *base)


class G1Robot:
    """The G1 behind the interface of every driver.

    A hold is the bridge's: the set-point stays where it is and the wheels stop. A released robot is
    one to which nothing is sent.

    Attributes:
        joint_names: in the order of the socket.
    """

    def __init__(
        self, link: Link, command_timeout_s: float, stale_s: float, largest_distance: float
    ) -> None:
        """Takes over a link whose bridge has reported.

        Args:
            link: to the bridge.
            command_timeout_s: silence after which the robot holds.
            stale_s: age of the bridge's states at which it counts as lost.
            largest_distance: of a turning joint's target from where it is measured [rad].

        Raises:
            ValueError: nothing has been reported, or a limit is not positive.
        """
        state = link.state
        if state is None:
            raise ValueError(f"the bridge has not reported: {link.problem}")
        if not (stale_s > 0 and largest_distance > 0):
            raise ValueError(
                "stale_s and largest_distance: expected more than 0, got "
                f"{stale_s} and {largest_distance}"
            )
        self.joint_names = JOINTS
        self._layout = layout()
        self._link, self._bridge = link, state.bridge
        self._latch = ModeLatch(command_timeout_s)
        self._stale_ns, self._largest_distance = round(stale_s * NS_PER_S), largest_distance
        self._turning = [AGIBOT_G1.joint(name).kind == "revolute" for name in JOINTS]
        self._lock = threading.RLock()
        self._sequence = self._sent_ns = self._stamp_ns = 0
        self._followed_ns: int | None = None
        self._lost = False
        self._past: deque[tuple[int, Float]] = deque()
        self._mirror(state)

    @property
    def state(self) -> tuple[Mode, str]:
        """What the robot does, and why it does not follow."""
        return self._latch.state

    def advance(self, now_ns: int, ros_ns: int) -> Reading | None:
        """Watches bridge and commands; returns what was measured since the last round."""
        with self._lock:
            state = self._fresh(now_ns)
            if self._latch.silent(now_ns):
                self._send_hold(self.state[1])
            if state is None:
                if not self._lost or self.state[0] == Mode.FOLLOWING:
                    self._latch.hold(self._missing())
                self._lost = True
                return None
            if self._lost:
                self._lost = False
                self._latch.hold("the bridge is back; no command since")
            self._mirror(state)
            if state.positions is None or state.stamp_ns <= self._stamp_ns:
                return None
            self._stamp_ns = state.stamp_ns
            positions = np.array(state.positions)
            velocities = self._velocities(state.stamp_ns, positions)
            stamp_ns = ros_ns - max(0, now_ns - state.measured_ns)
            return Reading(stamp_ns, frozen(positions), frozen(velocities))

    def _fresh(self, now_ns: int) -> State | None:
        """The newest state; None where it is old or missing."""
        state = self._link.state
        return None if state is None or now_ns - state.arrived_ns > self._stale_ns else state

    def _missing(self) -> str:
        why = self._link.problem or f"no state for {self._stale_ns / NS_PER_S:g} s"
        return f"the bridge is lost: {why}"

    def _mirror(self, state: State) -> None:
        """Takes over what the bridge says of itself."""
        if state.bridge != self._bridge:
            self._bridge, self._stamp_ns = state.bridge, 0
            self._past.clear()
            self._latch.fault("the bridge was restarted: what happened to the robot is unknown")
        if state.mode == "fault":
            self._latch.fault(state.reason)
        if self.state[0] != Mode.FOLLOWING or state.mode == "following":
            self._followed_ns = state.arrived_ns
        elif state.arrived_ns - (self._followed_ns or 0) > _DISAGREEMENT_NS:
            why = state.last_refusal if state.refused else state.reason
            self._latch.hold(f"the bridge holds: {why}")

    def _velocities(self, stamp_ns: int, positions: Float) -> Float:
        """[J] per second, over a span: the SDK says none."""
        past = self._past
        past.append((stamp_ns, positions))
        while len(past) > 2 and stamp_ns - past[1][0] >= _SPAN_NS:
            past.popleft()
        since_ns, before = past[0]
        elapsed_s = (stamp_ns - since_ns) / NS_PER_S
        return (positions - before) / elapsed_s if elapsed_s > 0 else np.zeros_like(positions)

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Sends targets by joint name to the bridge, all or none.

        Raises:
            ValueError: a fault, released, no bridge, a joint unknown or missing, a target that is
                not finite, out of range or too far from the measured pose.
        """
        target = in_order(self.joint_names, names, positions)
        with self._lock:
            self._latch.require_obedient()
            state = self._fresh(now_ns)
            if state is None:
                raise ValueError(self._missing())
            if state.positions is None:
                raise ValueError(f"the robot does not report: {state.reason}")
            refusal = self._layout.refusal(target.tolist())
            if refusal is not None:
                raise ValueError(refusal)
            self._require_near(target, state.positions)
            self._sequence += 1
            sent = self._link.send(
                "command",
                sequence=self._sequence,
                seen_ns=state.stamp_ns,
                positions=target.tolist(),
            )
            if not sent:
                raise ValueError(self._missing())
            self._latch.follow(now_ns)

    def _require_near(self, target: Float, measured: list[float]) -> None:
        """Refuses a jump: the bridge would go there as fast as the joint may."""
        rows = zip(self._layout.joints, self._turning, target, measured, strict=True)
        for joint, turning, goal, at in rows:
            distance = abs(joint.wanted(float(goal)) - joint.measured(at))
            if turning and distance > self._largest_distance:
                raise ValueError(
                    f"{joint.name}: command {goal:.4g} is {distance:.3g} rad from the measured "
                    f"{at:.4g}, more than {self._largest_distance:g}"
                )

    def drive(self, forward: float, yaw: float) -> None:
        """Sends the base's velocities [m/s, rad/s].

        A velocity says nothing of who sends it, so the wheels turn only while joint commands are
        followed, which do.

        Raises:
            ValueError: not finite, more than the base may, or not zero while the robot holds.
        """
        most = (self._layout.forward, self._layout.yaw)
        for name, value, limit in zip(("forward", "yaw"), (forward, yaw), most, strict=True):
            if not (math.isfinite(value) and abs(value) <= limit):
                raise ValueError(
                    f"base {name}: command {value:.6g} is outside the range "
                    f"[{-limit:.6g}, {limit:.6g}]"
                )
        with self._lock:
            state, (mode, reason) = self._link.state, self.state
            if mode != Mode.FOLLOWING or state is None:
                if forward or yaw:
                    raise ValueError(f"the base stands still while the robot holds: {reason}")
                return
            self._link.send("base", seen_ns=state.stamp_ns, forward=forward, yaw=yaw)

    def hold(self, reason: str) -> None:
        """Holds; changes nothing of a robot that is released or in a fault."""
        with self._lock:
            if self._latch.hold(reason):
                self._send_hold(reason)

    def _send_hold(self, reason: str) -> None:
        self._link.send("hold", reason=reason)

    def release(self) -> str:
        """Sends nothing any more; says how the robot may be moved.

        Raises:
            ValueError: commands are being followed, or there is a fault.
        """
        with self._lock:
            self._latch.release(_RELEASED)
            self._send_hold("released")
            return _RELEASED

    def take_back(self) -> None:
        """Takes commands again; they start where the robot then is."""
        with self._lock:
            self._latch.take_back()

    def clear_fault(self) -> None:
        """Holds again after a fault.

        Raises:
            ValueError: there is none, or its cause is still there.
        """
        if self.state[0] == Mode.FAULT:
            refusal = self._link.clear_fault(CLEAR_S)
            if refusal:
                raise ValueError(f"the fault is still there: {refusal}")
        bridge_holds = self._link.wait_for(lambda state: state.mode != "fault", CLEAR_S)
        with self._lock:
            if not bridge_holds:
                raise ValueError("the fault is still there: the bridge says so")
            self._latch.clear()

    def close(self) -> None:
        """Holds and ends the connection; the robot keeps its last target and its power."""
        self.hold("the driver closes the connection")
        self._link.close()
