"""What a run should reach, beside what it reached: figures of this machine, not the verdict.

Whether the loop closed does not depend on how fast the machine is; these do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """One figure.

    Attributes:
        name: what was measured, with its unit.
        most: what it may be at most.
        measured: what it was; None where nothing was measured.
        reached: whether it is within the goal.
    """

    name: str
    most: float
    measured: float | None
    reached: bool


def goals(summary: Mapping[str, Any]) -> list[Goal]:
    """The goals of a run.

    Args:
        summary: as ``report.summarise`` makes it, with ``all_processes``.
    """
    controller, policy = summary["controller"], summary["policy"]
    period = controller["period_ms_at_receiver"].get("p50")
    nominal = controller["nominal_period_ms"]
    off = None if period is None else round(abs(period - nominal), 4)
    ticks = controller.get("ticks_without_chunk_after_first") if policy["chunks"] else None
    latency, age = policy["latency_ms"], policy["canvas_age_ms"]
    rows = (
        ("from the command to the first motion [s]", 15.0, summary["seconds_to_first_command"]),
        ("median control period, off nominal [ms]", 0.5, off),
        (
            "deviation of the control period, p99 [ms]",
            5.0,
            controller["period_deviation_ms_at_receiver"].get("p99"),
        ),
        ("ticks without a valid chunk after the first", 0, ticks),
        ("chunk latency, largest [ms]", 800.0, latency.get("max")),
        ("age of the canvas that the policy took, largest [ms]", 250.0, age.get("max")),
        ("memory of all processes [MiB]", 4096.0, summary["all_processes"]["resident_mib"]),
    )
    return [
        Goal(name, most, measured, measured is not None and measured <= most)
        for name, most, measured in rows
    ]
