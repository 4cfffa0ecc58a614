"""The rows of the ladder: how each samples and runs, what its floor counts, what it aims at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dreamzero_policy.roofline.floor import Case
from episode import Sampling

FULL = Sampling()
COMPILED = "exact savings, compiled"


@dataclass(frozen=True)
class Rung:
    """A row of the ladder.

    Attributes:
        name: of the row.
        kind: baseline, exact, approximate, or shape only: latency of a checkpoint that nobody has.
        sampling: how a block is sampled.
        case: what the floor counts.
        network: ``published``, or ``packed`` for the engine's forwards.
        compiled: whether it is compiled, and on a GPU recorded, where that can be done.
        precision: of the large matrices.
        goals: median on one H200 by preset [ms].
    """

    name: str
    kind: str
    sampling: Sampling
    case: Case
    network: str = "packed"
    compiled: bool = True
    precision: str = "none"
    goals: dict[str, float] = field(default_factory=dict)


def rungs() -> list[Rung]:
    """All of them, from the bottom."""
    guided = Case(packed=True)
    batched = replace(FULL, batched=True)
    flash = Sampling("all", timesteps=1, guidance=False, final_video_sigma=0.8)
    alone = Case(1, guidance=False, packed=True)
    rows = [
        Rung(
            "published forward, 16 evaluations, guidance",
            "baseline",
            FULL,
            Case(pruned=False, published=True),
            network="published",
            compiled=False,
        ),
        Rung(
            "exact savings, eager",
            "exact",
            FULL,
            guided,
            compiled=False,
            goals={"droid_14b": 4500.0},
        ),
        Rung(
            "and both branches as a batch",
            "exact",
            batched,
            replace(guided, pruned=False),
            compiled=False,
        ),
        Rung(
            COMPILED,
            "exact",
            FULL,
            guided,
            goals={"droid_14b": 2750.0, "wan22_5b": 80.0},
        ),
    ]
    goals = {8: 1350.0, 6: None, 5: 870.0, 4: 700.0, 2: None, 1: None}
    fp8 = {8: 900.0, 5: 580.0, 4: 470.0}
    for precision, wanted in (("none", goals), ("fp8", fp8)):
        for count, goal in wanted.items():
            rows.append(
                Rung(
                    f"{count} of 16{suffix(precision)}",
                    "approximate",
                    replace(FULL, evaluations=count),
                    replace(guided, evaluations=count),
                    precision=precision,
                    goals={"droid_14b": goal} if goal else {},
                )
            )
        shape = {"none": {"droid_14b": 160.0, "wan22_5b": 12.0}, "fp8": {"droid_14b": 110.0}}
        rows.append(
            Rung(
                f"Flash shape, one step{suffix(precision)}",
                "shape only",
                flash,
                alone,
                precision=precision,
                goals=shape[precision],
            )
        )
    rows.append(
        Rung(
            "Flash shape, FP8, refresh done before",
            "shape only",
            replace(flash, hidden_refresh=True),
            replace(alone, hidden_refresh=True),
            precision="fp8",
            goals={"droid_14b": 70.0},
        )
    )
    rows.append(Rung("Flash shape, one step, NVFP4", "shape only", flash, alone, precision="nvfp4"))
    return rows


def suffix(precision: str) -> str:
    """What a row's name ends in."""
    return {"none": "", "fp8": ", FP8", "nvfp4": ", NVFP4"}[precision]
