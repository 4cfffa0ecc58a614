"""What an installation may set of the simulated robot."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.ros.parameters import NodeParameters, parameter
from sim_driver.hardware import COMMAND_TIMEOUT_S


@dataclass(frozen=True, kw_only=True)
class SimDriverParameters(NodeParameters):
    """Parameters of ``driver_node``."""

    seed: int = parameter(
        0, "Scene: what lies where, its shade, the light. The same seed, the same scene.",
        at_least=0, at_most=2**31 - 1,
    )  # fmt: skip
    task: str = parameter(
        "", "Name of the task whose objects lie on the table; empty for a block of every colour."
    )
    choice: int = parameter(
        -1,
        "Which instruction of the scene, by index; -1 for the one that the seed draws.",
        at_least=-1,
        at_most=2**31 - 1,
    )
    camera_hz: float = parameter(15.0, "Images per second and camera.", at_least=1.0, at_most=60.0)
    joint_state_hz: float = parameter(
        100.0, "Joint states per second.", at_least=10.0, at_most=500.0
    )
    command_timeout_s: float = parameter(
        COMMAND_TIMEOUT_S,
        "Silence on joint_commands after which the robot holds its pose, in seconds.",
        at_least=0.05,
        at_most=5.0,
    )
    realtime_priority: int = parameter(
        10,
        "Real-time priority of the threads that receive commands, where the user may have one; 0 "
        "for none.",
        at_least=0,
        at_most=99,
    )
