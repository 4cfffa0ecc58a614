"""What a walk brought: findings, motions, traces, verdicts, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamzero_bringup.doctor.finding import Finding
from dreamzero_bringup.walk.judge import Verdict
from dreamzero_bringup.walk.plan import Move
from dreamzero_bringup.walk.trace import Trace
from dreamzero_policy.embodiments.embodiment import Embodiment


@dataclass
class Walked:
    """What a walk brought.

    Attributes:
        robot: whose.
        simulated: whether it was the simulated one.
        domain_id: where.
        sections: findings by section.
        moves, traces, verdicts: by joint that moved.
        ended: why before all joints were done; empty where all were.
        disabled: whether the controller said at the end that motion is disabled.
    """

    robot: Embodiment
    simulated: bool
    domain_id: int
    sections: dict[str, list[Finding]] = field(
        default_factory=lambda: {"first power-on": [], "motion": [], "cameras": []}
    )
    moves: dict[str, Move] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ended: str = ""
    disabled: bool = True

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return any(f.level == "fail" for rows in self.sections.values() for f in rows)
