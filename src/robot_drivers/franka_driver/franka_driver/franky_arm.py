"""The arm through franky: no ros2_control, libfranka's 1 kHz loop inside this process.

What is relied upon, from TimSchneider42/franky v2.0.0:

- ``move(motion, asynchronous=True)`` takes over from a running motion where that is; it throws what
  ended the motion before (``include/franky/robot.hpp`` moveInternal, joinMotionUnsafe).
- ``poll_motion()`` throws the same, once, and is true when nothing runs (the header says the
  reverse; the code returns true at the end of the motion).
- a motion object serves once (``src/motion/motion.cpp``).
- ``JointWaypointMotion`` plans with Ruckig from the commanded state to each waypoint's position and
  velocity, takes at least ``minimum_time`` for it, and with ``return_when_finished=False`` stays in
  control at the last one (``include/franky/motion/waypoint_motion.hpp``).
- ``state`` is the control loop's newest while a motion runs, else read from the robot
  (``src/robot.cpp``).
- limits are settable between motions only, up to what franky was built with. Which arm's limits
  that is depends on libfranka's version (``src/robot.cpp`` SEL_VAL), so they are always set here.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from dreamzero_policy.types import NS_PER_S, Float
from franka_driver.arms import ArmModel
from franka_driver.hardware import ArmReading, HardwareFaultError

INSTALL = {
    "fr3": "pip install franky-control",
    "fer": "pip install franky-control OPTIONS, where OPTIONS are those that franky's README "
    "gives for .../by-robot-server-version/5/",
}
"""By arm; a FER's firmware (robot server 5 or less) speaks another protocol than the newest."""

_INTERVAL_S = 1 / 30
_LONGEST_INTERVAL_S = 0.1
_HEADROOM = 0.95  # of the speed limit, for Ruckig refuses a target beyond it by rounding
_HALT_S = 1.5


def load(arm: str) -> ModuleType:
    """The module ``franky``.

    Raises:
        ValueError: it is not installed; says how to.
    """
    try:
        return importlib.import_module("franky")
    except ImportError as error:
        raise ValueError(
            f"connection franky needs the package franky-control ({error}); run: {INSTALL[arm]}"
        ) from error


class FrankyArm:
    """A connected arm; it is the only process of this machine that commands it.

    Every command becomes a motion that passes the commanded pose at the speed of the commands and
    then brakes to rest within the limits. The next command takes over before that. So the arm comes
    to rest even where this process hangs.
    """

    def __init__(
        self,
        franky: ModuleType | Any,
        model: ArmModel,
        robot_ip: str,
        *,
        lead_s: float,
        dynamics: float,
        realtime: bool,
    ) -> None:
        """Connects, checks what can be checked, and sets the limits.

        Args:
            franky: the module.
            model: which arm it is to be.
            robot_ip: of its control.
            lead_s: how long after a command its pose is reached.
            dynamics: share of the arm's speed, acceleration and jerk that is used, 0 to 1.
            realtime: whether to refuse a kernel without PREEMPT_RT, as libfranka does by default.

        Raises:
            ValueError: no connection, another arm, or another process has it.
        """
        self._franky, self._model, self._ip = franky, model, robot_ip
        self._lead_s, self._dynamics, self._realtime = lead_s, dynamics, realtime
        self._velocity = np.array(model.velocity) * dynamics
        self._acceleration = np.array(model.acceleration) * dynamics
        self._robot: Any = None
        self._time_ms: int | None = None
        self._newest: tuple[Float, int] | None = None  # command and when
        self._interval_s = _INTERVAL_S
        self._owned = _own(robot_ip)
        try:
            self._connect()
        except Exception as error:
            self._owned.close()
            if isinstance(error, ValueError):
                raise
            raise ValueError(
                f"could not connect to the {model.name} at {robot_ip}: {_words(error)}. Unlock the "
                "joints and activate FCI in Desk; an incompatible library version needs: "
                f"{INSTALL[model.name]}"
            ) from error

    def _connect(self) -> None:
        """Opens the connection and sets the limits of this arm."""
        config = self._franky.RealtimeConfig
        robot = self._franky.Robot(
            self._ip, realtime_config=config.Enforce if self._realtime else config.Ignore
        )
        urdf = getattr(robot, "model_urdf", "")  # libfranka 0.15 and newer
        if self._model.name == "fer" and "fr3" in urdf.lower():
            raise ValueError("parameter arm: expected fr3, which the robot says it is, got fer")
        for name, values in (
            ("velocity", self._model.velocity),
            ("acceleration", self._model.acceleration),
            ("jerk", self._model.jerk),
        ):
            limit = getattr(robot, f"joint_{name}_limit")
            allowed = np.minimum(np.array(values), np.asarray(limit.max))
            limit.set(list(allowed))
            if name == "velocity":
                self._velocity = allowed * self._dynamics
            elif name == "acceleration":
                self._acceleration = allowed * self._dynamics
        robot.relative_dynamics_factor = self._dynamics
        self._robot, self._time_ms = robot, None

    def read(self, ros_ns: int) -> ArmReading | None:
        """What the control loop or the robot says now; None where its clock has not moved."""
        if self._robot is None:
            self._robot_lost(ConnectionError("connecting again has failed"))
        try:
            state = self._robot.state
        except Exception as error:  # noqa: BLE001  # whatever a vendor's library throws
            self._robot_lost(error)
        time_ms = state.time.to_msec()
        if time_ms == self._time_ms:
            return None
        self._time_ms = time_ms
        return ArmReading(
            ros_ns,
            np.array(state.q, dtype=float),
            np.array(state.dq, dtype=float),
            self._trouble(state),
        )

    def _trouble(self, state: Any) -> str:
        """Why the robot stopped itself."""
        try:
            self._robot.poll_motion()
        except Exception as error:  # noqa: BLE001  # thrown once: what ended the motion
            return _words(error)
        modes = self._franky.RobotMode
        if state.robot_mode not in (modes.Idle, modes.Move):
            mode = getattr(state.robot_mode, "name", state.robot_mode)
            return f"the robot is in mode {mode}: {state.current_errors!r}"
        return ""

    def _robot_lost(self, error: Exception) -> None:
        """The connection failed."""
        raise HardwareFaultError(
            f"no connection to the {self._model.name} at {self._ip}: {_words(error)}"
        ) from error

    def make_for(self, positions: Float, now_ns: int) -> None:
        """Passes ``positions`` ``lead_s`` from now at the commands' speed, then brakes."""
        velocity = self._speed(positions, now_ns)
        brake = positions + velocity * np.abs(velocity) / self._acceleration
        franky = self._franky
        lead = franky.Duration(round(self._lead_s * 1000))
        waypoints = [
            franky.JointWaypoint(
                franky.JointState(list(positions), list(velocity)), minimum_time=lead
            )
        ]
        if velocity.any():
            waypoints.append(franky.JointWaypoint(franky.JointState(list(brake))))
        self._move(franky.JointWaypointMotion(waypoints, return_when_finished=False))
        self._newest = (positions.copy(), now_ns)

    def _speed(self, positions: Float, now_ns: int) -> Float:
        """[7] rad/s of the commands, as fast as the arm may brake inside its range."""
        if self._newest is None:
            return np.zeros(7)
        before, since_s = self._newest[0], (now_ns - self._newest[1]) / NS_PER_S
        if not 0 < since_s <= _LONGEST_INTERVAL_S:
            self._interval_s = _INTERVAL_S
            return np.zeros(7)
        # Commands come at a steady rate; what differs between arrivals is the way they took.
        self._interval_s += 0.1 * (since_s - self._interval_s)
        velocity = (positions - before) / self._interval_s
        upper, lower = np.array(self._model.upper), np.array(self._model.lower)
        room = np.where(velocity > 0, upper - positions, positions - lower)
        most = np.minimum(
            _HEADROOM * self._velocity, np.sqrt(self._acceleration * np.maximum(room, 0.0))
        )
        return np.clip(velocity, -most, most)

    def halt(self, positions: Float) -> None:
        """Brakes to rest where a motion runs; at rest the robot's own control holds."""
        self._newest = None
        try:
            running = self._robot.is_in_control
        except Exception as error:  # noqa: BLE001
            self._robot_lost(error)
        if running:
            self._move(self._franky.JointStopMotion())

    def step(self, now_ns: int) -> None:
        """Nothing: libfranka's loop does it."""

    def _move(self, motion: Any) -> None:
        """Takes up a motion without waiting for it."""
        try:
            self._robot.move(motion, asynchronous=True)
        except Exception as error:  # of this motion, or what ended the one before
            self._newest = None
            raise HardwareFaultError(_words(error)) from error

    def let_go(self) -> str:
        """There is nothing to let go by: FCI has no hand guiding."""
        return "no motion runs; guide it with the buttons on its wrist, after switching FCI off"

    def recover(self) -> None:
        """Connects again where the connection is gone, and has the robot clear its errors."""
        self._newest = None
        try:
            try:
                state = self._robot.state
            except Exception:  # noqa: BLE001  # of a connection that has failed
                self._robot = None
                self._connect()
                state = self._robot.state
            modes = self._franky.RobotMode
            if state.robot_mode in (modes.UserStopped, modes.Guiding):
                raise ValueError(
                    f"the robot is in mode {state.robot_mode.name}: release its stop button and "
                    "leave hand guiding first"
                )
            # What ended the last motion is thrown once, if nobody has asked yet.
            with contextlib.suppress(Exception):
                self._robot.poll_motion()
            if not self._robot.recover_from_errors():
                raise ValueError(
                    f"the robot keeps its errors: {self._robot.state.current_errors!r}"
                )
        except ValueError:
            raise
        except Exception as error:
            raise HardwareFaultError(_words(error)) from error

    def close(self) -> None:
        """Comes to rest and ends the connection."""
        with contextlib.suppress(Exception):  # it may be in a fault, which is shown
            if self._robot is not None and self._robot.is_in_control:
                self._robot.move(self._franky.JointStopMotion(), asynchronous=True)
                self._robot.join_motion(timeout=_HALT_S)
        self._robot = None
        self._owned.close()


def _words(error: Exception) -> str:
    """What an exception of libfranka says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _own(robot_ip: str) -> Any:
    """An open lock file; it is held until closed.

    Raises:
        ValueError: another process of this machine has it.
    """
    name = "".join(letter if letter.isalnum() else "_" for letter in robot_ip)
    path = Path(tempfile.gettempdir()) / f"franka_driver_{name}.lock"
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ValueError(
            f"another process of this machine drives the robot at {robot_ip} (it holds {path}): "
            "only one may"
        ) from error
    return file
