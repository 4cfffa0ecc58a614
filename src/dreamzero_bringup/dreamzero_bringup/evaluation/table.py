"""Rollouts to figures: by policy, split and task, each with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dreamzero_bringup.evaluation.plan import Row
from dreamzero_policy.evaluation.figures import Mean, Share

ALL = "all tasks"


@dataclass(frozen=True)
class Cell:
    """Some rollouts together.

    Attributes:
        policy, split, task: of them; ``task`` may be ``ALL``.
        success: how many were done.
        progress: mean of how far they came.
        seconds: mean of how long those took that were done; None without one.
        held_share: mean share of control ticks in which the controller held; None where unknown.
    """

    policy: str
    split: str
    task: str
    success: Share
    progress: Mean
    seconds: Mean | None
    held_share: Mean | None

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "policy": self.policy,
            "split": self.split,
            "task": self.task,
            "rollouts": self.success.of,
            "successes": self.success.successes,
            "success": round(self.success.value, 4),
            "success_standard_error": round(self.success.error, 4),
            "success_wilson_95": [round(self.success.low, 4), round(self.success.high, 4)],
            "progress": round(self.progress.value, 4),
            "progress_standard_error": _known(self.progress.error),
            "seconds_of_successes": self.seconds and round(self.seconds.value, 2),
            "held_share": self.held_share and round(self.held_share.value, 4),
        }


def cells(rows: Sequence[Row]) -> list[Cell]:
    """A cell per policy, split and task in the order of the rows, and per policy and split."""
    found = []
    for policy in _once(row.policy for row in rows):
        for split in _once(row.split for row in rows if row.policy == policy):
            members = [row for row in rows if (row.policy, row.split) == (policy, split)]
            tasks = _once(row.task for row in members)
            for task in tasks:
                found.append(_cell(policy, split, task, [r for r in members if r.task == task]))
            if len(tasks) > 1:
                found.append(_cell(policy, split, ALL, members))
    return found


def _cell(policy: str, split: str, task: str, rows: Sequence[Row]) -> Cell:
    took = [row.seconds for row in rows if row.success]
    held = [row.figures["held_share"] for row in rows if "held_share" in row.figures]
    return Cell(
        *(policy, split, task),
        Share.count([row.success for row in rows]),
        Mean.over([row.progress for row in rows]),
        Mean.over(took) if took else None,
        Mean.over(held) if held else None,
    )


HEADS = ("policy", "instructions", "task", "done", "success", "95 % interval", "progress",
         "s when done", "held")  # fmt: skip


def lines(found: Iterable[Cell]) -> list[tuple[str, ...]]:
    """Cells as text, in the order of ``HEADS``; errors are one standard error."""
    return [
        (
            cell.policy,
            cell.split,
            cell.task,
            f"{cell.success.successes} of {cell.success.of}",
            f"{100 * cell.success.value:.0f} ± {100 * cell.success.error:.0f} %",
            f"{100 * cell.success.low:.0f} to {100 * cell.success.high:.0f} %",
            _with_error(cell.progress),
            "-" if cell.seconds is None else f"{cell.seconds.value:.1f}",
            "-" if cell.held_share is None else f"{100 * cell.held_share.value:.0f} %",
        )
        for cell in found
    ]


def _with_error(mean: Mean) -> str:
    error = _known(mean.error)
    return f"{mean.value:.2f}" + ("" if error is None else f" ± {error:.2f}")


def _known(value: float) -> float | None:
    return None if value != value else round(value, 4)


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
