"""The simulated robot as a driver's node sees a robot; its scene may be exchanged while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from dreamzero_policy.ros.driver_robot import Mode, Reading
from sim_driver.hardware import SimulatedRobot


class Driven:
    """A ``driver_robot.Robot``. A simulated one has no faults.

    Attributes:
        simulated: the robot in its scene; another one takes its place from the next call on.
        joint_names: in the driver's order, whatever the scene.
    """

    def __init__(self, simulated: SimulatedRobot) -> None:
        """Begins with a robot in a scene."""
        self.simulated = simulated
        self.joint_names = simulated.joint_names

    @property
    def state(self) -> tuple[Mode, str]:
        """What the robot does, and why it does not follow; empty while it does."""
        released, reason = self.simulated.released, self.simulated.hold_reason
        if released:
            return Mode.RELEASED, reason or ""
        return (Mode.FOLLOWING, "") if reason is None else (Mode.HOLDING, reason)

    def advance(self, now_ns: int, ros_ns: int) -> Reading:
        """Brings the physics up to now and measures."""
        self.simulated.advance(now_ns)
        reading = self.simulated.read()
        return Reading(ros_ns, reading.positions, reading.velocities)

    def command(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Makes for ``positions``; ``ValueError`` refuses them and changes nothing."""
        self.simulated.command(names, positions, now_ns)

    def hold(self, reason: str) -> None:
        """Holds the measured pose; changes nothing of a robot that is released."""
        self.simulated.hold(reason)

    def release(self) -> str:
        """Makes the arm limp; ``ValueError`` while commands are followed."""
        self.simulated.release()
        return "it can be moved by hand"

    def take_back(self) -> None:
        """Holds a released robot again; otherwise changes nothing."""
        self.simulated.take_back()

    def clear_fault(self) -> None:
        """Refuses: there is none."""
        raise ValueError("there is no fault to clear")

    def close(self) -> None:
        """Lets go of nothing."""
