"""What an installation may set of its AgiBot G1."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.ros.driver_base import DriverParameters
from dreamzero_policy.ros.parameters import parameter


@dataclass(frozen=True, kw_only=True)
class AgibotDriverParameters(DriverParameters):
    """Parameters of ``driver_node``."""

    bridge_host: str = parameter("127.0.0.1", "Address of the machine where agibot_bridge runs.")
    bridge_port: int = parameter(
        47100, "Port on which agibot_bridge serves.", at_least=1, at_most=65535
    )
    connect_timeout_s: float = parameter(
        20.0,
        "Time for the bridge to answer and the robot to report at the start, in seconds.",
        at_least=0.5,
        at_most=120.0,
    )
    stale_after_s: float = parameter(
        0.25,
        "Age of the bridge's newest state at which it counts as lost, in seconds.",
        at_least=0.05,
        at_most=2.0,
    )
    command_timeout_s: float = parameter(
        0.2,
        "Silence on joint_commands after which the robot holds its pose, in seconds.",
        at_least=0.05,
        at_most=5.0,
    )
    largest_distance: float = parameter(
        0.5, "Of a turning joint's target from where it is, in rad.", at_least=0.01, at_most=1.0
    )
    clock_offset_warning_ms: float = parameter(
        20.0, "Difference of the two machines' wall clocks that is a warning.", at_least=1.0
    )
