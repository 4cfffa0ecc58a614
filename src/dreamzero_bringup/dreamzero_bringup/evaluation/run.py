"""What ``dreamzero evaluate`` does in closed loop: the rollouts that are missing, then the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from dreamzero_bringup.evaluation import page
from dreamzero_bringup.evaluation.plan import Row, Store, Try, Wanted, tries
from dreamzero_bringup.evaluation.rollouts import Job, attempt
from dreamzero_bringup.evaluation.specs import Spec, open_policy
from dreamzero_bringup.evaluation.table import Cell
from dreamzero_policy import embodiments
from dreamzero_policy.conversion.workers import Workers

Tell = Callable[[str, int, int], None]


def evaluate(
    wanted: Wanted,
    specs: Sequence[Spec],
    folder: Path,
    *,
    workers: int = 1,
    films: int = 8,
    predictions: bool = False,
    tell: Tell = lambda stage, done, total: None,
) -> tuple[list[Cell], Path]:
    """Makes the rollouts that are not there yet and writes the page.

    Args:
        wanted: what.
        specs: who is asked.
        folder: of the evaluation.
        workers: processes, in virtual time.
        films: of each policy, task and split, the first so many are filmed.
        predictions: whether films show what policies expect to see.
        tell: told how many rollouts are done of how many.

    Returns:
        The figures and the page.

    Raises:
        ValueError: a policy, task, robot or folder that cannot be used; what was made is kept.
    """
    labels = [spec.label for spec in specs]
    if len(set(labels)) != len(labels):
        raise ValueError(f"policies: expected each label once, got {', '.join(labels)}")
    if not specs:
        raise ValueError("policies: expected at least one, got none")
    if workers > 1 and any(spec.kind == "remote" for spec in specs):
        raise ValueError("workers: a server answers one attempt at a time: expected 1 with ws://")
    folder = folder.expanduser().resolve()
    robot = embodiments.get(wanted.robot)
    wanted_tries = tries(wanted, labels)
    opened = {spec.label: open_policy(spec, robot) for spec in specs}  # what is wrong shows now
    described = {label: policy.description for label, policy in opened.items()}
    del opened
    sources = {spec.label: spec.identity for spec in specs}
    store = Store(folder, wanted, described, sources)
    missing = store.missing(wanted_tries)
    total, there = len(wanted_tries), len(wanted_tries) - len(missing)
    filmed = _filmed(wanted_tries, films)
    tell("rollouts", there, total)
    if wanted.through == "virtual":
        made = partial(_in_virtual_time, workers=workers, predictions=predictions)
    else:
        made = _through_nodes
    try:
        for row in made(wanted, specs, folder, filmed, missing):
            store.add(row)
            there += 1
            tell("rollouts", there, total)
    except OSError as error:
        raise ValueError(f"{folder}: {error}; what was made before is kept") from error
    finally:
        rows = _ordered(store.rows, wanted_tries)
        found = page.write(folder, wanted, rows, store.policies, total - there)
    return found, folder / page.PAGE


def _in_virtual_time(
    wanted: Wanted,
    specs: Sequence[Spec],
    folder: Path,
    filmed: set[Try],
    missing: Sequence[Try],
    *,
    workers: int,
    predictions: bool,
) -> Iterator[Row]:
    by_label = {spec.label: spec for spec in specs}
    jobs = [
        Job(
            one,
            by_label[one.policy],
            wanted,
            folder,
            film=one in filmed,
            predictions=predictions,
            alone=workers < 2,
        )
        for one in missing
    ]
    with Workers(workers) as processes:
        for _, row in processes.run(attempt, jobs):
            yield row


def _through_nodes(
    wanted: Wanted, specs: Sequence[Spec], folder: Path, filmed: set[Try], missing: Sequence[Try]
) -> Iterator[Row]:
    from dreamzero_bringup.evaluation.through_nodes import rollouts

    for spec in specs:
        mine = [one for one in missing if one.policy == spec.label]
        if mine:
            yield from rollouts(wanted, spec, mine, folder, filmed)


def _filmed(all_of_them: Sequence[Try], films: int) -> set[Try]:
    """The first so many of each policy, split and task."""
    counts: dict[tuple[str, str, str], int] = {}
    found = set()
    for one in all_of_them:
        key = (one.policy, one.split, one.task)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= films:
            found.add(one)
    return found


def _ordered(rows: Sequence[Row], wanted: Sequence[Try]) -> list[Row]:
    """Rows in the order of the plan, whichever was ready first; others behind them."""
    place = {
        (one.policy, one.split, one.task, one.seed, one.choice): at for at, one in enumerate(wanted)
    }
    return sorted(rows, key=lambda row: place.get(row.key, len(place)))
