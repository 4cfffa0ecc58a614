"""What a user may choose about a graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Side = Literal["robot", "policy"]
SIDES = ("all", *get_args(Side))
"""What ``Options.side`` may be: the whole graph, or one side of it, on one host or two."""


@dataclass(frozen=True)
class Options:
    """What a user may choose about a graph.

    Attributes:
        robot: name of an embodiment, of the package's or of ``config_dir``'s own.
        sim: the simulated robot; otherwise the driver that the robot's file names, if it names one.
        checkpoint: what the policy loads; None for what ``policy.yaml`` says.
        config_dir: folder with ``<node>.yaml`` and ``robots/<robot>.yaml``, and ``<robot>.py``
            beside it for a robot of its own; None for the installed one.
        overrides: ``node.parameter=value`` each, the value in YAML.
        dry_run: commands are computed and published beside the driver's topic, where nobody obeys
            them.
        side: the nodes of one side only, or ``all``.
        policy_host: name or address of the host that runs the policy: this one runs the robot's
            side. Empty where both sides are here.
        robot_host: the same the other way round.
    """

    robot: str
    sim: bool = True
    checkpoint: str | None = None
    config_dir: Path | None = None
    overrides: tuple[str, ...] = ()
    dry_run: bool = False
    side: str = "all"
    policy_host: str = ""
    robot_host: str = ""

    @property
    def other_host(self) -> str:
        """The host of the other side; empty where there is none."""
        return self.policy_host or self.robot_host

    @property
    def here(self) -> str:
        """The side whose nodes run here, or ``all``.

        Raises:
            ValueError: an unknown side, or hosts that contradict it or each other.
        """
        if self.side not in SIDES:
            raise ValueError(f"side must be one of {', '.join(SIDES)}, got {self.side!r}")
        if self.policy_host and self.robot_host:
            raise ValueError(
                "policy_host and robot_host: expected the other host's alone, got "
                f"{self.policy_host!r} and {self.robot_host!r}"
            )
        if not self.other_host:
            return self.side
        here, there = ("robot", "policy") if self.policy_host else ("policy", "robot")
        if self.side not in ("all", here):
            raise ValueError(
                f"{there}_host is {self.other_host!r}, so side is expected to be {here}, "
                f"got {self.side}"
            )
        return here
