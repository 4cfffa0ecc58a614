"""Rollouts to a study's result: rows with their errors, conclusions, and the page about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paper.conclusions import Conclusion, conclude
from paper.study import MEASURES, Measure, Study
from paper.uncertainty import Estimate, Outcomes, level

Rollouts = Mapping[str, Mapping[int, Iterable[Any]]]
"""By arm, by seed: rows of an evaluation."""

NOT_RUN = "not run"


def outcomes(by_seed: Mapping[int, Iterable[Any]], split: str, measure: Measure) -> Outcomes:
    """Of one arm, by seed, task and scene."""
    return {
        seed: {
            (row.task, row.seed, row.choice): float(getattr(row, measure))
            for row in rows
            if row.split == split
        }
        for seed, rows in by_seed.items()
    }


def result(study: Study, rollouts: Rollouts, setup: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is known of a study, as JSON has it.

    Args:
        study: which.
        rollouts: that were made.
        setup: what they hold for.
    """
    concluded = [
        conclude(claim, measure, *(outcomes(rollouts[arm], claim.split, measure) for arm in pair))
        for claim in study.claims
        for pair in [(claim.one, claim.other)]
        for measure in MEASURES
    ]
    return {
        "study": study.name,
        "title": study.title,
        "paper": study.paper,
        "differs": study.differs,
        "setup": dict(setup),
        "rows": [
            _row(arm.name, split, rollouts[arm.name])
            for split in study.splits
            for arm in study.arms
        ],
        "conclusions": [each.plain() for each in concluded],
        "lines": [each.line for each in concluded],
        "verdict": verdict(concluded),
    }


def verdict(concluded: Iterable[Conclusion]) -> str:
    """One line of all claims, of how many tasks were done."""
    said = [each for each in concluded if each.measure == "success"]
    counts = {each.verdict: sum(one.verdict == each.verdict for one in said) for each in said}
    return "; ".join(f"{name}: {count} of {len(said)} claims" for name, count in counts.items())


def _row(arm: str, split: str, by_seed: Mapping[int, Iterable[Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"arm": arm, "split": split}
    for measure in MEASURES:
        found = outcomes(by_seed, split, measure)
        estimate = level(found)
        row[measure] = estimate and {
            **estimate.plain(),
            "by_seed": {
                seed: round(sum(of_seed.values()) / len(of_seed), 4)
                for seed, of_seed in found.items()
                if of_seed
            },
        }
    row["state"] = "measured" if row["success"] else NOT_RUN
    return row


COLUMNS = ("arm", "instructions", "seeds", "rollouts", "success", "95 %", "progress")


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    if row["state"] == NOT_RUN:
        return (row["arm"], row["split"], "0", "0", NOT_RUN, "", "")
    success, progress = row["success"], row["progress"]
    low, high = (100 * min(1.0, max(0.0, success[end])) for end in ("low", "high"))
    return (
        *(row["arm"], row["split"], str(success["seeds"]), str(success["rollouts"])),
        f"{100 * success['mean']:.0f} ± {100 * success['error']:.0f} %",
        f"{low:.0f} to {high:.0f} %",
        f"{progress['mean']:.2f} ± {progress['error']:.2f}",
    )


def page(found: Mapping[str, Any], table: str) -> str:
    """A study for people, as markdown.

    Args:
        found: as ``result``.
        table: its rows, as markdown.
    """
    setup = "\n".join(f"* {name}: {_words(value)}" for name, value in found["setup"].items())
    lines = "\n".join(f"* {line}" for line in found["lines"])
    return (
        f"# {found['title']}\n\nThe paper: {found['paper']}\n\nHere: {found['differs']}\n\n"
        f"{table}\n\nErrors are one standard error over seeds and rollouts.\n\n"
        f"## Conclusions\n\n{lines}\n\n## Setup\n\n{setup}\n"
    )


def _words(value: object) -> str:
    """A setting, for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each) or 'none'}" for name, each in value.items())
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def estimate_of(row: Mapping[str, Any], measure: Measure) -> Estimate | None:
    """A row's figures, as they were made."""
    known = row[measure]
    if known is None:
        return None
    return Estimate(**{name: known[name] for name in Estimate.__dataclass_fields__})
