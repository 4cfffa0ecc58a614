"""The node of an AgiBot G1: what ``driver_base`` says of every driver, and the wheeled base.

The robot is behind ``agibot_bridge``, a process of its own beside the maker's SDK. Nothing moves at
the start. At the end the bridge is told to hold, and holds by itself where the driver is killed.
"""

from __future__ import annotations

import sys
import time

from agibot_driver.hardware import G1Robot, layout
from agibot_driver.link import Link
from agibot_driver.parameters import AgibotDriverParameters
from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.ros.diagnostics import Diagnosis, Level, worst
from dreamzero_policy.ros.driver_base import DriverNode, Wheels
from dreamzero_policy.ros.lifecycle import run

_START = "python3 -m agibot_bridge --head-reads degrees (see agibot_bridge/README.md)"


class AgibotDriverNode(DriverNode[AgibotDriverParameters]):
    """Drives a G1 through its bridge."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("agibot_driver", AgibotDriverParameters)
        self._link: Link | None = None
        self._connected = 0

    def _connect(self) -> G1Robot:
        """Connects to the bridge and waits for the robot's first states.

        Raises:
            ValueError: another robot, no bridge, one that refuses, or a robot that does not report.
        """
        settings = self.settings
        if settings.robot != AGIBOT_G1.name:
            raise ValueError(f"parameter robot: expected {AGIBOT_G1.name}, got {settings.robot!r}")
        link = Link(
            settings.bridge_host,
            settings.bridge_port,
            layout(),
            max(1.0, 2 * settings.stale_after_s),
            self.get_fully_qualified_name(),
        )
        try:
            reports = link.wait_for(
                lambda state: state.positions is not None or state.mode == "fault",
                settings.connect_timeout_s,
            )
            if not reports:
                state = link.state
                why = link.problem or f"the robot does not report: {state and state.reason}"
                raise ValueError(
                    f"no robot within {settings.connect_timeout_s:g} s: {why}; on the machine "
                    f"that has AgiBot's SDK run: {_START}"
                )
            robot = G1Robot(
                link,
                settings.command_timeout_s,
                settings.stale_after_s,
                settings.largest_distance,
            )
        except BaseException:
            link.close()
            raise
        self._link = link
        said = {name: value for name, value in link.welcome.items() if name != "type"}
        self.get_logger().info(f"the bridge says {said}")
        return robot

    def _wheels(self) -> Wheels:
        """The base's."""
        return self._robot.drive

    def _diagnose(self) -> list[Diagnosis]:
        """What every driver says, and the link to the bridge."""
        return [*super()._diagnose(), self._link_diagnosis()]

    def _link_diagnosis(self) -> Diagnosis:
        """Connection, round trip and clocks."""
        link = self._link
        state, clocks = link.state, link.clocks
        findings = []
        if link.problem:
            findings.append((Level.ERROR, link.problem))
        values = {"connections": link.connections, "bridge": link.welcome.get("bridge", "")}
        if state is not None:
            values["state_age_ms"] = (time.monotonic_ns() - state.arrived_ns) / 1e6
            values |= {"commands_taken": state.taken, "commands_refused": state.refused}
            values["last_refusal"] = state.last_refusal
        if clocks is not None:
            offset_ms = clocks.wall_offset_ns / 1e6
            values |= {"clock_offset_ms": offset_ms, "round_trip_ms": clocks.round_trip_ns / 1e6}
            if abs(offset_ms) > self.settings.clock_offset_warning_ms:
                findings.append(
                    (Level.WARN, f"the bridge's wall clock is {offset_ms:+.1f} ms from ours")
                )
        level, message = worst(findings, "connected")
        return Diagnosis("bridge", level, message, values)


def main() -> None:
    """Runs the driver as a process."""
    sys.exit(run(AgibotDriverNode))
