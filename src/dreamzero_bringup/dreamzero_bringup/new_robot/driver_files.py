"""The texts of a new robot's driver: a ROS package that runs, with no robot behind it yet."""

from __future__ import annotations

from pathlib import Path

from dreamzero_bringup.new_robot.plan import Plan
from dreamzero_bringup.new_robot.robot_files import filled

_PACKAGE = """<?xml version="1.0"?>
<package format="3">
  <name>NAME_driver</name>
  <version>0.1.0</version>
  <description>The driver of NAME.</description>
  <maintainer email="maintainers@example.org">maintainers of NAME</maintainer>
  <license>Apache-2.0</license>
  <exec_depend>rclpy</exec_depend>
  <exec_depend>sensor_msgs</exec_depend>
  <exec_depend>std_srvs</exec_depend>
  <exec_depend>dreamzero_msgs</exec_depend>
  <exec_depend>dreamzero_policy</exec_depend>
  <test_depend>python3-pytest</test_depend>
  <export><build_type>ament_python</build_type></export>
</package>
"""

_SETUP = '''"""Installs the driver of NAME."""

from setuptools import find_packages, setup

NAME_OF_PACKAGE = "NAME_driver"

setup(
    name=NAME_OF_PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME_OF_PACKAGE}"]),
        (f"share/{NAME_OF_PACKAGE}", ["package.xml"]),
    ],
    entry_points={"console_scripts": [f"driver_node = {NAME_OF_PACKAGE}.driver_node:main"]},
    license="Apache-2.0",
)
'''

_SETUP_CFG = """[develop]
script_dir=$base/lib/NAME_driver
[install]
install_scripts=$base/lib/NAME_driver
"""

_HARDWARE = '''"""NAME behind the interface of every driver, without ROS.

`Loopback` stands where the maker's interface goes. Write a class like it that speaks to the robot;
the rules for commands, silence and faults below need not change.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.ros.driver_robot import Mode, ModeLatch, Reading, in_order
from dreamzero_policy.types import NS_PER_S, Float, frozen

_TOLERANCE = 1e-6  # model units, by which rounding may leave a range


class ConnectionLostError(Exception):
    """The robot does not answer; the message says why."""


class Connection(Protocol):
    """The maker's interface: the units of the wire, joints in the order of ``joint_names``."""

    def read(self) -> Float:
        """[J] measured positions; ``ConnectionLostError`` where there are none."""

    def send(self, positions: Float) -> None:
        """Makes for [J] positions at once; ``ConnectionLostError`` where that fails."""

    def let_go(self) -> str:
        """Lets the robot be moved by hand; says how. ``ValueError`` where it cannot be."""

    def close(self) -> None:
        """Ends the connection; the robot is left holding."""


class Loopback:
    """No robot at all: every joint is where it was told to be."""

    def __init__(self, layout: Embodiment, names: Sequence[str]) -> None:
        """Starts at home."""
        self._joints = [layout.joint(name) for name in names]
        home = dict(zip(layout.action_joints, layout.home, strict=True))
        self._model = np.array([home[name] for name in names])

    def read(self) -> Float:
        """[J] where the joints were told to be."""
        return np.array(
            [j.state_wire.to_wire(m) for j, m in zip(self._joints, self._model, strict=True)]
        )

    def send(self, positions: Float) -> None:
        """Puts every joint where it is told to be."""
        self._model = np.array(
            [j.command_wire.to_model(p) for j, p in zip(self._joints, positions, strict=True)]
        )

    def let_go(self) -> str:
        """Nothing happens."""
        return "there is no robot"

    def close(self) -> None:
        """Nothing to end."""


class CAMELRobot:
    """The robot as the driver's node sees it; see ``driver_robot.Robot``.

    It holds the pose that it has until the first command, and the pose that it then measures when
    commands stop. Between two commands it runs towards the newest no faster than its limits.

    Attributes:
        joint_names: every measured joint, in action order.
    """

    def __init__(
        self, layout: Embodiment, connection: Connection, command_timeout_s: float, now_ns: int
    ) -> None:
        """Takes over a connection.

        Args:
            layout: the robot's.
            connection: to it.
            command_timeout_s: silence after which it holds.
            now_ns: a clock that only goes forward.

        Raises:
            ValueError: the robot does not answer, or a timeout that is not positive.
        """
        joints = [joint for joint in layout.joints if joint.kind != "base"]
        self.joint_names = tuple(joint.name for joint in joints)
        self._joints, self._connection = joints, connection
        self._lower = np.array([joint.lower for joint in joints])
        self._upper = np.array([joint.upper for joint in joints])
        self._fastest = np.array([joint.velocity for joint in joints])
        self._latch = ModeLatch(command_timeout_s)
        self._lock = threading.RLock()
        self._now_ns = now_ns
        try:
            self._measured = self._read()
        except ConnectionLostError as error:
            raise ValueError(f"NAME does not answer: {error}") from error
        self._target = self._setpoint = self._measured

    @property
    def state(self) -> tuple[Mode, str]:
        """What the robot does, and why it does not follow."""
        return self._latch.state

    def advance(self, now_ns: int, ros_ns: int) -> Reading | None:
        """Measures, holds where commands have stopped, and sends the next set-point."""
        with self._lock:
            dt_s = max(now_ns - self._now_ns, 1) / NS_PER_S
            self._now_ns = now_ns
            try:
                before, self._measured = self._measured, self._read()
                if self._latch.silent(now_ns):
                    self._hold_pose()
                if self.state[0] in (Mode.FOLLOWING, Mode.HOLDING):
                    self._step(dt_s)
            except ConnectionLostError as error:
                self._latch.fault(str(error))
                return None
            velocities = (self._measured - before) / dt_s
            span = np.array([j.state_wire.one - j.state_wire.zero for j in self._joints])
            return Reading(ros_ns, frozen(self._wire.copy()), frozen(span * velocities))

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Makes for ``positions`` by joint name, all joints or none.

        Raises:
            ValueError: a fault, released, a joint unknown or missing, or a position that is not
                finite or out of range.
        """
        wire = in_order(self.joint_names, names, positions)
        pairs = zip(self._joints, wire, strict=True)
        target = np.array([joint.command_wire.to_model(value) for joint, value in pairs])
        for joint, value, asked in zip(self._joints, target, wire, strict=True):
            if not joint.lower - _TOLERANCE <= value <= joint.upper + _TOLERANCE:
                ends = sorted(joint.command_wire.to_wire(end) for end in (joint.lower, joint.upper))
                raise ValueError(f"{joint.name}: command {asked:.6g} is outside of {ends}")
        with self._lock:
            self._latch.follow(now_ns)
            self._target = np.clip(target, self._lower, self._upper)

    def hold(self, reason: str) -> None:
        """Holds the measured pose; one that holds already stays where it is."""
        with self._lock:
            if self._latch.hold(reason):
                self._hold_pose()

    def release(self) -> str:
        """Lets the robot go; says how it may be moved."""
        with self._lock:
            self._latch.release("it can be moved by hand")
            return self._connection.let_go()

    def take_back(self) -> None:
        """Holds a released robot where it then is."""
        with self._lock:
            if self._latch.take_back():
                self._hold_pose()

    def clear_fault(self) -> None:
        """Holds again after a fault.

        Raises:
            ValueError: there is no fault, or its cause is still there.
        """
        with self._lock:
            if self.state[0] == Mode.FAULT:
                try:
                    self._measured = self._read()
                except ConnectionLostError as error:
                    raise ValueError(f"the fault is still there: {error}") from error
                self._hold_pose()
            self._latch.clear()

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _read(self) -> Float:
        """[J] measured positions in model units; keeps those of the wire."""
        wire = np.asarray(self._connection.read(), dtype=np.float64).copy()
        if wire.shape != (len(self._joints),) or not np.isfinite(wire).all():
            raise ConnectionLostError(f"expected {len(self._joints)} finite numbers, got {wire}")
        self._wire = wire
        pairs = zip(self._joints, wire, strict=True)
        return np.array([joint.state_wire.to_model(value) for joint, value in pairs])

    def _hold_pose(self) -> None:
        """Stays at the measured pose; a gripper keeps its target and so what it holds."""
        grips = np.array([joint.kind == "gripper" for joint in self._joints])
        self._target = self._setpoint = np.where(grips, self._target, self._measured)

    def _step(self, dt_s: float) -> None:
        """Sends the set-point a little nearer to the target."""
        far = self._fastest * dt_s
        self._setpoint = self._setpoint + np.clip(self._target - self._setpoint, -far, far)
        pairs = zip(self._joints, self._setpoint, strict=True)
        self._connection.send(np.array([joint.command_wire.to_wire(v) for joint, v in pairs]))
'''

_PARAMETERS = '''"""What an installation may set of NAME's driver."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.ros.driver_base import DriverParameters
from dreamzero_policy.ros.parameters import parameter


@dataclass(frozen=True, kw_only=True)
class CAMELDriverParameters(DriverParameters):
    """Parameters of ``driver_node``."""

    connection: str = parameter(
        "loopback",
        "How the robot is reached; loopback: not at all, joints are where they were told to be.",
        choices=("loopback",),
    )
'''

_NODE = '''"""The driver of NAME as a ROS node; ``driver_base`` says what every driver does."""

from __future__ import annotations

import sys
import time

from dreamzero_policy import embodiments
from dreamzero_policy.ros.driver_base import DriverNode
from dreamzero_policy.ros.lifecycle import run
from NAME_driver.hardware import Loopback, CAMELRobot
from NAME_driver.parameters import CAMELDriverParameters


class CAMELDriverNode(DriverNode[CAMELDriverParameters]):
    """Drives NAME."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("NAME_driver", CAMELDriverParameters)

    def _connect(self) -> CAMELRobot:
        """Connects; ``ValueError`` for what the user can put right."""
        layout = embodiments.get(self.settings.robot)
        if layout.name != "NAME":
            raise ValueError(f"parameter robot: expected NAME, got {layout.name!r}")
        names = [joint.name for joint in layout.joints if joint.kind != "base"]
        self.get_logger().warning("connection loopback: there is no robot behind this driver")
        timeout_s = self.settings.command_timeout_s
        return CAMELRobot(layout, Loopback(layout, names), timeout_s, time.monotonic_ns())


def main() -> None:
    """Runs the driver as a process."""
    sys.exit(run(CAMELDriverNode))
'''

_TEST = '''"""The rules of NAME's driver, against joints that are where they are told to be."""

from pathlib import Path

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.ros.driver_robot import Mode
from NAME_driver.hardware import ConnectionLostError, Loopback, CAMELRobot

MS = 1_000_000
LAYOUT = embodiments.get(str(Path(__file__).resolve().parents[2] / "robots" / "NAME.py"))
NAMES = tuple(joint.name for joint in LAYOUT.joints if joint.kind != "base")
POSE = dict(zip(LAYOUT.action_joints, LAYOUT.home, strict=True))
HOME = np.array([LAYOUT.joint(name).command_wire.to_wire(POSE[name]) for name in NAMES])


@pytest.fixture
def robot():
    return CAMELRobot(LAYOUT, Loopback(LAYOUT, NAMES), command_timeout_s=0.2, now_ns=0)


def away(share=0.2):
    """A command that moves every joint by a share of its range, towards the far end."""
    joints = [LAYOUT.joint(name) for name in NAMES]
    home = [joint.command_wire.to_model(value) for joint, value in zip(joints, HOME, strict=True)]
    ends = [max((j.lower, j.upper), key=lambda e: abs(e - h)) for j, h in zip(joints, home)]
    return [
        j.command_wire.to_wire(h + share * (e - h))
        for j, h, e in zip(joints, home, ends, strict=True)
    ]


def test_it_holds_until_it_is_commanded(robot):
    assert robot.state == (Mode.HOLDING, "no command yet")
    reading = robot.advance(10 * MS, 0)
    assert len(reading.positions) == len(NAMES)


def test_it_follows_no_faster_than_its_limits_and_holds_in_silence(robot):
    before, wanted = robot.advance(10 * MS, 0).positions, away()
    for now in range(20, 500, 10):
        robot.command(NAMES, wanted, now * MS)
        after = robot.advance(now * MS, 0).positions
        for name, one, other in zip(NAMES, before, after, strict=True):
            joint = LAYOUT.joint(name)
            moved = abs(joint.state_wire.to_model(other) - joint.state_wire.to_model(one))
            assert moved <= joint.velocity * 0.0101
        before = after
    assert robot.state[0] == Mode.FOLLOWING
    held = robot.advance(800 * MS, 0).positions
    assert robot.state == (Mode.HOLDING, "no command for 0.2 s")
    np.testing.assert_allclose(robot.advance(900 * MS, 0).positions, held, atol=1e-9)


def test_a_partial_or_impossible_command_changes_nothing(robot):
    with pytest.raises(ValueError, match="missing"):
        robot.command(NAMES[:-1], HOME[:-1], 10 * MS)
    with pytest.raises(ValueError, match="outside of"):
        robot.command(NAMES, away(5.0), 10 * MS)
    assert robot.state[0] == Mode.HOLDING


def test_a_lost_robot_is_a_fault_until_an_operator_clears_it(robot, monkeypatch):
    def lost():
        raise ConnectionLostError("the cable is out")

    monkeypatch.setattr(robot._connection, "read", lost)
    assert robot.advance(10 * MS, 0) is None
    assert robot.state == (Mode.FAULT, "the cable is out")
    with pytest.raises(ValueError, match="the fault is still there"):
        robot.clear_fault()
    monkeypatch.undo()
    robot.clear_fault()
    assert robot.state[0] == Mode.HOLDING
'''

_README = """# NAME_driver

Speaks to NAME: publishes `joint_states` and `driver_status`, takes `joint_commands` from one
publisher only, holds when they stop. Written by `dreamzero new-robot`; what it does not have yet is
the robot: `hardware.py` has `Loopback`, joints that are where they were told to be.

1. In `hardware.py` write a class with the four methods of `Connection` that speaks to the robot, in
   the units that `robots/NAME.py` gives as `state_wire` and `command_wire`.
2. In `parameters.py` add what it needs (an address, a bus), and its name to the choices of
   `connection`; in `driver_node.py` make it.
3. Test it against a fake of the maker's interface before it has power: order of calls, rates,
   units, loss of the link.

Before the first power-on, with the emergency stop in hand: what does the robot do when commands
stop, and when this process is killed? Does it clip or refuse what is out of range? Does each joint
turn the way the layout says?
"""


def files(plan: Plan) -> dict[Path, str]:
    """Text by path below the robot's folder."""
    package = f"{plan.name}_driver"
    camel = "".join(part.capitalize() for part in plan.name.split("_"))
    top, inside = Path(package), Path(package) / package
    texts = {
        top / "package.xml": _PACKAGE,
        top / "setup.py": _SETUP,
        top / "setup.cfg": _SETUP_CFG,
        top / "README.md": _README,
        top / "resource" / package: "",
        inside / "__init__.py": '"""The driver of NAME."""\n',
        inside / "hardware.py": _HARDWARE,
        inside / "parameters.py": _PARAMETERS,
        inside / "driver_node.py": _NODE,
        top / "test" / "test_hardware.py": _TEST,
    }
    return {path: _named(text, plan.name, camel) for path, text in texts.items()}


def _named(text: str, name: str, camel: str) -> str:
    """``text`` with the robot's name, also as a part of other names."""
    return filled(text, NAME_driver=f"{name}_driver", NAME=name).replace("CAMEL", camel)
