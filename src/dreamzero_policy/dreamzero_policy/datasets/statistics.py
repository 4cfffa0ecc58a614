"""Statistics of a whole dataset from its tables: of the columns, and of relative actions.

Values are those that the tables hold (float32), computed in float64. The order in which episodes
are added is that of the dataset, so the same dataset has the same statistics to the last bit
however many processes made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from dreamzero_policy.datasets import tally
from dreamzero_policy.datasets.layout import ACTION, AGES, STATE
from dreamzero_policy.datasets.tally import Counts, Tally
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.normalize import Statistics
from dreamzero_policy.types import Float, Int

RELATIVE = "relative/"
_AT_ONCE = 64
"""Episodes whose counts are added up together."""

Mapper = Callable[[Callable, Sequence], Iterator[tuple[Any, Any]]]
"""Runs a function over items: (item, result) in whatever order they are ready."""


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of a dataset.

    Attributes:
        columns: by column of the table.
        relative: by relative action key, the rows of all chunks pooled: [D].
        per_row: by relative action key, each row of a chunk on its own: [H, D].
    """

    columns: Mapping[str, Statistics]
    relative: Mapping[str, Statistics]
    per_row: Mapping[str, Statistics]


def compute(robot: Embodiment, tables: Sequence[Path], mapper: Mapper) -> DatasetStatistics:
    """The statistics of tables, in two passes over them.

    Args:
        robot: the layout.
        tables: parquet files with state, action and view ages, one episode each, in order.
        mapper: runs a pass over the tables.

    Raises:
        ValueError: there is no table, or none has the rows of a chunk.
    """
    if not tables:
        raise ValueError("statistics: expected at least one episode")
    first = mapper(_first_pass, [(path, robot) for path in tables])
    tallies: dict[str, Tally] = _gathered(_in_order(first, tables), Tally.total)
    horizon = robot.time_base.rows_per_chunk
    whole = {
        name: part.pooled(horizon) for name, part in tallies.items() if name.startswith(RELATIVE)
    }
    wanted = {name: part.wanted() for name, part in tallies.items()}
    for name, part in whole.items():  # one row's bins, and those of all rows pooled
        pooled = part.wanted() * horizon
        wanted[name] = tuple(np.union1d(*pair) for pair in zip(wanted[name], pooled, strict=True))
    second = mapper(_second_pass, [(path, robot, wanted) for path in tables])
    kept = _gathered((found for _, found in second), tally.total_counts)
    return _assembled(robot, tallies, whole, kept)


def _assembled(
    robot: Embodiment,
    tallies: Mapping[str, Tally],
    whole: Mapping[str, Tally],
    kept: Mapping[str, tuple[Counts, ...]],
) -> DatasetStatistics:
    columns, relative, per_row = {}, {}, {}
    horizon = robot.time_base.rows_per_chunk
    for name, part in tallies.items():
        if not name.startswith(RELATIVE):
            columns[name] = part.statistics(_only(kept[name], part.wanted()))
            continue
        key = name.removeprefix(RELATIVE)
        pooled = tally.pooled(kept[name], horizon)
        relative[key] = whole[name].statistics(_only(pooled, whole[name].wanted()))
        flat = part.statistics(_only(kept[name], part.wanted()))
        per_row[key] = Statistics(
            **{field: getattr(flat, field).reshape(horizon, -1) for field in _FIELDS}
        )
    missing = [key.name for key in robot.action_keys if key.relative and key.name not in relative]
    if missing:
        raise ValueError(f"relative statistics: no episode has the {horizon} rows of a chunk")
    return DatasetStatistics(columns, relative, per_row)


_FIELDS = ("q01", "q99", "min", "max", "mean", "std")


def _only(kept: Sequence[Counts], wanted: Sequence[Int]) -> list[Counts]:
    """Of kept values those that lie in the wanted bins."""
    found = []
    for (values, counts), bins in zip(kept, wanted, strict=True):
        inside = np.isin(tally.bin_numbers(values), bins)
        found.append((values[inside], counts[inside]))
    return found


def _gathered(results: Iterable[dict[str, Any]], total: Callable[[list], Any]) -> dict[str, Any]:
    """By name what results hold of it, added up many at a time: one by one, 1400 took minutes."""
    gathered: dict[str, Any] = {}
    left = iter(results)
    while some := list(islice(left, _AT_ONCE)):
        parts: dict[str, list] = {name: [part] for name, part in gathered.items()}
        for found in some:
            for name, part in found.items():
                parts.setdefault(name, []).append(part)
        gathered = {name: total(each) for name, each in parts.items()}
    return gathered


def episode_statistics(robot: Embodiment, table: Path) -> dict[str, Statistics]:
    """Of the columns of one episode."""
    return {
        name: Statistics.of(rows)
        for name, rows in _values(robot, table).items()
        if not name.startswith(RELATIVE)
    }


def _values(robot: Embodiment, path: Path) -> dict[str, Float]:
    """[L, D] of every column, and [chunks, H * D] of every relative key of long enough episodes."""
    table = pq.read_table(path, columns=[STATE, ACTION, AGES])
    found = {name: _matrix(table[name]) for name in (STATE, ACTION, AGES)}
    found["timestamp"] = np.arange(table.num_rows)[:, None] / robot.time_base.control_hz
    horizon, column = robot.time_base.rows_per_chunk, 0
    states, at = {}, 0
    for key in robot.state_keys:
        states[key.name] = found[STATE][:, at : at + key.width]
        at += key.width
    for key in robot.action_keys:
        if key.relative:
            actions = found[ACTION][:, column : column + key.width]
            rows = tally.relative_rows(actions, states[key.name], horizon)
            if len(rows):
                found[RELATIVE + key.name] = rows
        column += key.width
    return found


def _matrix(column: Any) -> Float:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1).astype(np.float64)


def _first_pass(item: tuple[Path, Embodiment]) -> dict[str, Tally]:
    path, robot = item
    values = _values(robot, path)
    return {name: Tally.of(rows) for name, rows in values.items()}


def _second_pass(
    item: tuple[Path, Embodiment, Mapping[str, Sequence[Int]]],
) -> dict[str, tuple[Counts, ...]]:
    path, robot, wanted = item
    values = _values(robot, path)
    return {name: tally.keep(rows, wanted[name]) for name, rows in values.items()}


def _in_order(results: Iterator, tables: Sequence[Path]) -> Iterator[Any]:
    """Results in the order of the tables."""
    waiting: dict[Path, Any] = {}
    order = iter(tables)
    due = next(order, None)
    for item, result in results:
        waiting[item[0]] = result
        while due in waiting:
            yield waiting.pop(due)
            due = next(order, None)


def merged(parts: Sequence[Float]) -> Statistics:
    """The statistics of [N_i, D] parts, by both passes."""
    whole = Tally.total([Tally.of(part) for part in parts])
    kept = tally.total_counts([tally.keep(part, whole.wanted()) for part in parts])
    return whole.statistics(kept)
