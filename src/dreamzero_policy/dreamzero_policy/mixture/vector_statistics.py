"""Statistics of states and actions that training normalises with, and later the robot.

They come from the dataset's own files where it has them, and are worked out where it has not. Those
of several datasets of one robot are put together as the reference does: widest percentiles, mean
and deviation by rows. Files that do not belong to the rows are refused: they would train a policy
that moves wrongly.

A joint that nobody moved is measured with noise all the same, and noise that fills [-1, 1] cannot
be learned: it only adds to every loss and gradient. Such columns are given room, so that they stay
near 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dreamzero_policy.datasets.errors import DatasetError
from dreamzero_policy.datasets.files import read_json
from dreamzero_policy.datasets.layout import ACTION, STATE
from dreamzero_policy.embodiments.embodiment import Embodiment, Key
from dreamzero_policy.mixture.source import Source
from dreamzero_policy.normalize import Statistics, relative_statistics

Found = tuple[dict[str, Statistics], dict[str, Statistics]]
"""Of state keys and of action keys, by name."""

_POOLED = 500
"""Episodes that relative statistics are worked out from, where no file has them."""

_SLACK = 1e-3  # of a column's range: rounding
_NOISE = 1e-3
"""Of a joint's limits: who moves less has not been moved."""


def statistics_of(source: Source) -> Found:
    """Statistics of a dataset with actions.

    Raises:
        DatasetError: its files are damaged or belong to other rows.
    """
    whole = _columns(source)
    _check(source, whole)
    relative = _relative(source)
    states = _split(source.robot.state_keys, whole["state"])
    actions = _split(source.robot.action_keys, whole["action"])
    return states, actions | relative


def merged(parts: Sequence[Found], rows: Sequence[int]) -> Found:
    """Of several datasets of one robot."""
    pairs = zip(*parts, strict=True)
    return tuple(
        {name: _joined([found[name] for found in side], rows) for name in side[0]} for side in pairs
    )


def _joined(parts: Sequence[Statistics], rows: Sequence[int]) -> Statistics:
    shares = np.array(rows, dtype=np.float64)[:, None] / sum(rows)
    stacked = {name: np.stack([getattr(part, name) for part in parts]) for name in _SIX}
    mean = (shares * stacked["mean"]).sum(axis=0)
    second = (shares * (stacked["std"] ** 2 + stacked["mean"] ** 2)).sum(axis=0)
    return Statistics(
        q01=stacked["q01"].min(axis=0),
        q99=stacked["q99"].max(axis=0),
        min=stacked["min"].min(axis=0),
        max=stacked["max"].max(axis=0),
        mean=mean,
        std=np.sqrt(np.maximum(second - mean**2, 0)),
    )


def with_room(found: Found, robot: Embodiment) -> Found:
    """The same with wider percentiles where a column varies by noise alone, around its middle.

    One that never changed at all keeps them: on the robot it is its constant (data.md 2.1).

    Args:
        found: by key.
        robot: whose limits say what is little.
    """
    sides = ((robot.state_keys, robot.state_joints), (robot.action_keys, robot.action_joints))
    wider = []
    for (keys, names), statistics in zip(sides, found, strict=True):
        limits = [robot.joint(name) for name in names]
        least = _NOISE * np.array([joint.upper - joint.lower for joint in limits])
        wider.append(
            {key.name: _wider(statistics[key.name], least[_span(keys, key)]) for key in keys}
        )
    return tuple(wider)


def _wider(statistics: Statistics, least: np.ndarray) -> Statistics:
    middle, width = (statistics.q01 + statistics.q99) / 2, statistics.q99 - statistics.q01
    noise = (width > 0) & (width < least)
    return replace(
        statistics,
        q01=np.where(noise, middle - least / 2, statistics.q01),
        q99=np.where(noise, middle + least / 2, statistics.q99),
    )


_SIX = ("q01", "q99", "min", "max", "mean", "std")


def _columns(source: Source) -> dict[str, Statistics]:
    """Of the state and action vectors in model order."""
    path = source.data.folder / "meta" / "stats.json"
    found: dict[str, Statistics] = {}
    stored = read_json(path) if path.is_file() else {}
    for what, column, keys in (
        ("state", STATE, source.robot.state_keys),
        ("action", ACTION, source.robot.action_keys),
    ):
        values = _stored(source, stored, what, column, keys)
        found[what] = values or Statistics.of(_rows(source, what))
    return found


def _rows(source: Source, what: str) -> np.ndarray:
    return np.concatenate(
        [getattr(episode, f"{what}s") for episode in source.episodes], dtype=np.float64
    )


def _stored(
    source: Source, stored: Mapping[str, dict], what: str, column: str, keys: Sequence[Key]
) -> Statistics | None:
    """Of one vector as ``stats.json`` has it; None where it has not all of it."""
    slices = (source.data.modality or {}).get(what, {})
    parts: dict[str, list] = {name: [] for name in _SIX}
    for key in keys:
        for name in (key.name,) if key.name in slices else key.parts:
            entry = slices.get(name)
            values = entry and stored.get(entry.get("original_key", column), {})
            if not values or any(six not in values for six in _SIX):
                return None
            for six in _SIX:
                parts[six] += values[six][entry["start"] : entry["end"]]
    try:
        return Statistics.from_mapping(what, parts)
    except ValueError as error:
        raise DatasetError(f"{source.data.folder / 'meta' / 'stats.json'}: {error}") from error


def _check(source: Source, whole: Mapping[str, Statistics]) -> None:
    """Refuses statistics of other rows."""
    for what, names in (
        ("state", source.robot.state_joints),
        ("action", source.robot.action_joints),
    ):
        rows, stored = _rows(source, what), whole[what]
        if stored.width != len(names):
            raise DatasetError(
                f"stats.json: {what}: expected {len(names)} columns, got {stored.width}"
            )
        slack = _SLACK * (stored.max - stored.min) + 1e-6
        low, high = rows.min(axis=0), rows.max(axis=0)
        outside = (low < stored.min - slack) | (high > stored.max + slack)
        if outside.any():
            at = int(outside.argmax())
            raise DatasetError(
                f"stats.json does not belong to these rows: {what} {names[at]}: expected values in "
                f"[{stored.min[at]:g}, {stored.max[at]:g}], got [{low[at]:g}, {high[at]:g}]; "
                "remove meta/stats.json to have it worked out"
            )


def _split(keys: Sequence[Key], whole: Statistics) -> dict[str, Statistics]:
    """By key."""
    found, start = {}, 0
    for key in keys:
        columns = slice(start, start + key.width)
        found[key.name] = Statistics(**{six: getattr(whole, six)[columns] for six in _SIX})
        start += key.width
    return found


def _relative(source: Source) -> dict[str, Statistics]:
    """Of the relative action keys."""
    robot, meta = source.robot, source.data.folder / "meta"
    wanted = [key for key in robot.action_keys if key.relative]
    if not wanted:
        return {}
    path, about = meta / "relative_stats_dreamzero.json", meta / "embodiment.json"
    horizon = robot.time_base.rows_per_chunk
    cut = read_json(about).get("actions_per_chunk") if about.is_file() else None
    stored = read_json(path) if path.is_file() and cut in (None, horizon) else {}
    if all(key.name in stored for key in wanted):
        try:
            return {key.name: Statistics.from_mapping(key.name, stored[key.name]) for key in wanted}
        except ValueError as error:
            raise DatasetError(f"{path}: {error}") from error
    return {key.name: _worked_out(source, key, horizon) for key in wanted}


def _worked_out(source: Source, key: Key, horizon: int) -> Statistics:
    """Of one relative key, from some of the episodes where there are many."""
    robot, episodes = source.robot, source.episodes
    if len(episodes) > _POOLED:
        chosen = np.random.default_rng(42).choice(len(episodes), _POOLED, replace=False)
        episodes = [episodes[at] for at in sorted(chosen)]
    of_action, of_state = _span(robot.action_keys, key), _span(robot.state_keys, key)
    pooled, _ = relative_statistics(
        [episode.actions[:, of_action].astype(np.float64) for episode in episodes],
        [episode.states[:, of_state].astype(np.float64) for episode in episodes],
        horizon,
    )
    return pooled


def _span(keys: Sequence[Key], wanted: Key) -> slice:
    start = 0
    for key in keys:
        if key.name == wanted.name:
            return slice(start, start + key.width)
        start += key.width
    raise DatasetError(f"no state {wanted.name} for the relative action of that name")
