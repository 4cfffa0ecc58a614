"""Stands for franky: what its C++ does, with Ruckig and a clock that the test turns.

Sources, TimSchneider42/franky v2.0.0 unless said:

- ``move`` raises what ended the motion before, refuses a motion that was started already, and with
  ``asynchronous`` returns at once: include/franky/robot.hpp moveInternal.
- ``poll_motion`` and ``join_motion`` raise a stored failure once and are true when nothing runs:
  include/franky/robot.hpp joinMotionUnsafe.
- a motion starts from the commanded state, plans each waypoint with Ruckig at 1 kHz, not faster
  than ``minimum_time``, and ends 10 ms after the last one or stays there:
  include/franky/motion/waypoint_motion.hpp, position_waypoint_motion.hpp.
- ``JointStopMotion`` is a motion by nothing: include/franky/motion/stop_motion.hpp.
- limits cannot be set while a motion runs, nor above their maximum:
  include/franky/dynamics_limit.hpp.
- a robot that stopped itself is in mode Reflex, moves no more, and leaves it by recovery alone:
  libfranka, docs of ControlException and Robot::automaticErrorRecovery.
- ``move`` and ``grasp`` of the hand block; ``stop`` from another thread ends them with a
  CommandException: doc/guide/gripper.md, libfranka Gripper::stop.
"""

import enum
import threading
from types import SimpleNamespace

import numpy as np
from ruckig import InputParameter, OutputParameter, Result, Ruckig

HOME = np.array([0.0, -0.628, 0.0, -2.513, 0.0, 1.885, 0.0])


class Exception_(Exception):  # noqa: N801, N818
    """franky.Exception: the base of libfranka's."""


class ControlException(Exception_):
    """A motion was ended by the robot."""


class NetworkException(Exception_):
    """The connection failed."""


class CommandException(Exception_):
    """The hand refused or was stopped."""


class MotionReuseException(Exception):  # noqa: N818
    """A motion object was used twice."""


class RealtimeConfig(enum.Enum):
    Enforce = 0
    Ignore = 1


class RobotMode(enum.Enum):
    Other = 0
    Idle = 1
    Move = 2
    Guiding = 3
    Reflex = 4
    UserStopped = 5
    AutomaticErrorRecovery = 6


class Duration:
    def __init__(self, milliseconds=0):
        if not isinstance(milliseconds, int) or milliseconds < 0:
            raise TypeError("Duration takes unsigned milliseconds")
        self._ms = milliseconds

    def to_msec(self):
        return self._ms


class JointState:
    def __init__(self, position, velocity=(0.0,) * 7):
        assert len(position) == len(velocity) == 7
        self.position, self.velocity = np.array(position), np.array(velocity)


class JointWaypoint:
    def __init__(self, target, minimum_time=None):
        assert isinstance(target, JointState)
        assert minimum_time is None or isinstance(minimum_time, Duration)
        self.target, self.minimum_time = target, minimum_time


class JointWaypointMotion:
    def __init__(self, waypoints, relative_dynamics_factor=1.0, return_when_finished=True):
        self.waypoints, self.return_when_finished = list(waypoints), return_when_finished
        self.started = False


class JointStopMotion(JointWaypointMotion):
    def __init__(self, relative_dynamics_factor=1.0):
        super().__init__([])


class Limit:
    def __init__(self, robot, most):
        self._robot, self.max, self._value = robot, np.array(most), np.array(most)

    def set(self, value):
        if self._robot.is_in_control:
            raise RuntimeError("limits cannot be set while the robot is in control")
        if (np.array(value) > self.max).any():
            raise RuntimeError("a limit must be at most its maximum")
        self._value = np.array(value)

    def get(self):
        return self._value


class Robot:
    """The arm; ``run(ms)`` lets time pass.

    Attributes:
        q, dq, ddq: commanded, and at once measured.
        velocities: every commanded velocity, one row per ms.
        moves: every motion taken up.
    """

    model_urdf = "<robot name='fr3'/>"
    built_with = ((2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26), (10.0,) * 7, (5000.0,) * 7)
    newest = None
    unreachable = ""

    def __init__(self, host, realtime_config=RealtimeConfig.Enforce):
        if Robot.unreachable:
            raise NetworkException(Robot.unreachable)
        Robot.newest = self
        self.host, self.realtime_config = host, realtime_config
        self.q, self.dq, self.ddq = HOME.copy(), np.zeros(7), np.zeros(7)
        self.mode, self.errors, self.ms = RobotMode.Idle, "[]", 0
        self.is_in_control, self._failure, self.lost = False, None, None
        self.moves, self.velocities, self.positions, self.recoveries = [], [], [], 0
        self.relative_dynamics_factor = 1.0
        self.joint_velocity_limit, self.joint_acceleration_limit, self.joint_jerk_limit = (
            Limit(self, most) for most in Robot.built_with
        )
        self._lock = threading.RLock()  # franky's control_mutex_

    @property
    def state(self):
        if self.lost:
            raise NetworkException(self.lost)
        return SimpleNamespace(
            q=list(self.q),
            dq=list(self.dq),
            robot_mode=self.mode,
            current_errors=self.errors,
            time=Duration(self.ms),
        )

    def _rethrow(self):
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def poll_motion(self):
        if self.is_in_control:
            return False
        self._rethrow()
        return True

    def join_motion(self, timeout=None):
        while self.is_in_control:
            self.run(1)
        self._rethrow()
        return True

    def move(self, motion, asynchronous=False):
        assert asynchronous, "a driver must not wait for a motion"
        if motion.started:
            raise MotionReuseException("motions cannot be reused")
        if not self.is_in_control:
            self._rethrow()
            if self.lost:
                raise NetworkException(self.lost)
            if self.mode != RobotMode.Idle:
                raise ControlException("command not possible in the current mode")
        motion.started = True
        self.moves.append(motion)
        with self._lock:
            self._begin(motion)

    def _begin(self, motion):
        self.is_in_control, self.mode, self._motion = True, RobotMode.Move, motion
        self._left = list(motion.waypoints) or [JointWaypoint(JointState(self.q))]
        self._otg, self._out, self._in = Ruckig(7, 0.001), OutputParameter(7), InputParameter(7)
        factor = self.relative_dynamics_factor
        self._in.max_velocity = list(self.joint_velocity_limit.get() * factor)
        self._in.max_acceleration = list(self.joint_acceleration_limit.get() * factor)
        self._in.max_jerk = list(self.joint_jerk_limit.get() * factor)
        self._next()

    def _next(self):
        waypoint = self._left.pop(0)
        self._in.current_position, self._in.current_velocity = list(self.q), list(self.dq)
        self._in.current_acceleration = list(self.ddq)
        self._in.target_position = list(waypoint.target.position)
        self._in.target_velocity = list(waypoint.target.velocity)
        self._in.target_acceleration = [0.0] * 7
        lead = waypoint.minimum_time
        self._in.minimum_duration = None if lead is None else lead.to_msec() / 1000

    def run(self, milliseconds):
        for _ in range(milliseconds):
            if not self.lost:
                self.ms += 1
            with self._lock:
                if self.is_in_control:
                    self._cycle()
            self.velocities.append(self.dq.copy())
            self.positions.append(self.q.copy())

    def _cycle(self):
        result = self._otg.update(self._in, self._out)
        assert result in (Result.Working, Result.Finished), result
        self._out.pass_to_input(self._in)
        self.q = np.array(self._out.new_position)
        self.dq = np.array(self._out.new_velocity)
        self.ddq = np.array(self._out.new_acceleration)
        if result == Result.Finished:
            if self._left:
                self._next()
            elif self._motion.return_when_finished:
                self.is_in_control, self.mode = False, RobotMode.Idle

    def reflex(self, words="cartesian_reflex"):
        """A collision."""
        with self._lock:
            self.is_in_control, self.mode, self.errors = False, RobotMode.Reflex, f'["{words}"]'
            self.dq, self.ddq = np.zeros(7), np.zeros(7)
            self._failure = ControlException(
                f"libfranka: Move command aborted: motion aborted by reflex! [{words!r}]"
            )

    def lose(self):
        """The cable is pulled."""
        self.lost = "libfranka: UDP receive: Timeout"
        if self.is_in_control:
            self.is_in_control = False
            self._failure = NetworkException(self.lost)

    def recover_from_errors(self):
        self.recoveries += 1
        if self.mode == RobotMode.Reflex:
            self.mode, self.errors = RobotMode.Idle, "[]"
        return self.mode == RobotMode.Idle


class Gripper:
    """A hand that moves at its speed on the wall clock; jaws meet an object at ``object_m``."""

    def __init__(self, host):
        self.max_width, self.width, self.object_m = 0.08, 0.08, 0.0
        self.calls, self._stopped, self._busy = [], threading.Event(), threading.Lock()
        self.fails = None

    @property
    def state(self):
        if self.fails:
            raise NetworkException(self.fails)
        return SimpleNamespace(width=self.width, max_width=self.max_width)

    def move(self, width, speed):
        self.calls.append(("move", round(width, 4), speed))
        return self._go(width, speed)

    def grasp(self, width, speed, force, epsilon_inner=0.005, epsilon_outer=0.005):
        self.calls.append(("grasp", round(width, 4), speed, force, epsilon_outer))
        self._go(max(width, self.object_m), speed)
        return width - epsilon_inner <= self.width <= width + epsilon_outer

    def stop(self):
        self.calls.append(("stop",))
        self._stopped.set()
        return True

    def _go(self, width, speed):
        assert self._busy.acquire(blocking=False), "two commands reached the hand together"
        try:
            self._stopped.clear()
            while abs(self.width - width) > 1e-6:
                if self._stopped.wait(0.005):
                    raise CommandException("libfranka gripper: Command aborted!")
                self.width += np.clip(width - self.width, -speed * 0.005, speed * 0.005)
            return True
        finally:
            self._busy.release()
