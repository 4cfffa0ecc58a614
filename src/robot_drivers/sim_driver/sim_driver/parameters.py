"""What an installation may set of the simulated robot."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.ros.driver_base import DriverParameters
from dreamzero_policy.ros.parameters import parameter


@dataclass(frozen=True, kw_only=True)
class SimDriverParameters(DriverParameters):
    """Parameters of ``driver_node``, besides those of every driver."""

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
