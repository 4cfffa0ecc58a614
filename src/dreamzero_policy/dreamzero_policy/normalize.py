"""Statistics, and the maps between a robot's numbers and the numbers that a checkpoint knows.

Shapes: S joints in the state, A joints in the action, H rows of a chunk, D columns of one key.

The order on the way in is: take the columns of a key, subtract the state where the key is relative,
normalise, concatenate, pad with zeros on the right. The way out is the same, backwards. Statistics
and arithmetic are float64: normalised states and training actions agree with the reference to the
last bit, denormalised actions to float32, in which the reference undoes it (design: data.md 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from dreamzero_policy.embodiments.embodiment import Embodiment, Key
from dreamzero_policy.types import Float, frozen

Mode = Literal["q99", "min_max", "mean_std", "scale", "binary"]


@dataclass(frozen=True)
class Statistics:
    """What is known of one key's columns: each float64 [D], or [H, D] where every row has its own.

    Attributes:
        q01, q99: first and 99th percentile.
        min, max: extremes.
        mean, std: mean and population standard deviation.

    Raises:
        ValueError: shapes differ, a value is not finite, or an upper value is below its lower one.
    """

    q01: Float
    q99: Float
    min: Float
    max: Float
    mean: Float
    std: Float

    def __post_init__(self) -> None:
        """Checks that the six agree and makes them read-only."""
        for field in fields(self):
            array = np.array(getattr(self, field.name), dtype=np.float64)
            if array.ndim not in (1, 2) or array.shape != np.shape(self.q01):
                raise ValueError(
                    f"{field.name}: expected [D] or [H, D], the same for all six statistics, "
                    f"got {list(array.shape)} beside q01 of {list(np.shape(self.q01))}"
                )
            if not np.isfinite(array).all():
                raise ValueError(f"{field.name}: expected finite values, got {array.tolist()}")
            object.__setattr__(self, field.name, frozen(array))
        if np.any(self.q99 < self.q01) or np.any(self.max < self.min) or np.any(self.std < 0):
            raise ValueError("expected q01 <= q99, min <= max and std >= 0 in every column")

    @classmethod
    def from_mapping(cls, name: str, values: Mapping[str, Sequence[float]]) -> Statistics:
        """The statistics of one key as a checkpoint's metadata holds them.

        Args:
            name: the key, for the message.
            values: the six lists by name; further entries are ignored.

        Raises:
            ValueError: an entry is missing or does not fit the others.
        """
        wanted = [field.name for field in fields(cls)]
        missing = [entry for entry in wanted if entry not in values]
        if missing:
            raise ValueError(f"statistics of {name}: expected {wanted}, missing {missing}")
        try:
            return cls(**{entry: np.asarray(values[entry], dtype=np.float64) for entry in wanted})
        except ValueError as error:
            raise ValueError(f"statistics of {name}: {error}") from error

    @classmethod
    def of(cls, values: Float, axis: int = 0) -> Statistics:
        """The statistics of ``values`` along ``axis``."""
        q01, q99 = np.quantile(values, [0.01, 0.99], axis=axis)
        return cls(
            q01=q01,
            q99=q99,
            min=values.min(axis),
            max=values.max(axis),
            mean=values.mean(axis),
            std=values.std(axis),
        )

    @property
    def width(self) -> int:
        """D, the number of columns."""
        return int(self.q01.shape[-1])


class Normalizer:
    """One key's map to [-1, 1] or its like, and back (design: data.md 2.1).

    With lower and upper value ``a, b`` (the percentiles of ``q99``, the extremes of ``min_max``):
    forward ``clip(2 (x - a) / (b - a) - 1, -1, 1)``, inverse ``(y + 1) / 2 (b - a) + a`` without a
    clip. A column that never moved, ``a == b``, passes raw through ``q99`` (then clipped) and
    becomes 0 in ``min_max``; the inverse gives its constant.
    """

    def __init__(self, mode: Mode, statistics: Statistics) -> None:
        """Chooses the map.

        Raises:
            ValueError: there is no such mode.
        """
        if mode not in get_args(Mode):
            raise ValueError(f"normalisation mode: expected one of {get_args(Mode)}, got {mode!r}")
        self.mode, self.statistics = mode, statistics

        if mode == "mean_std":
            self._zero, self._span = statistics.mean, statistics.std
        elif mode == "q99":
            self._zero = statistics.q01
            self._span = statistics.q99 - self._zero
        else:
            self._zero = statistics.min
            self._span = statistics.max - self._zero
        self._largest = np.maximum(abs(statistics.min), abs(statistics.max))
        self._moves = (self._largest if mode == "scale" else self._span) != 0

    def forward(self, values: Float, *, clip: bool = True) -> Float:
        """Normalises ``values`` [..., D] (or [..., H, D] with statistics per row).

        Args:
            values: in model units.
            clip: whether ``q99`` and ``min_max`` are cut to [-1, 1]; without, ``inverse`` undoes it
                for every column that moves.
        """
        values = np.asarray(values, dtype=np.float64)
        if self.mode == "binary":
            return (values > 0.5).astype(np.float64)
        if self.mode == "scale":
            scaled = values / np.where(self._moves, self._largest, 1.0)
            return np.where(self._moves, scaled, 0.0)
        shifted = (values - self._zero) / np.where(self._moves, self._span, 1.0)
        if self.mode == "mean_std":
            return np.where(self._moves, shifted, values)
        still = values if self.mode == "q99" else 0.0
        scaled = np.where(self._moves, 2.0 * shifted - 1.0, still)
        return (
            np.clip(scaled, -1.0, 1.0)
            if clip
            else np.where(self._moves, scaled, np.clip(still, -1.0, 1.0))
        )

    def inverse(self, values: Float) -> Float:
        """Undoes ``forward`` but for its clip, same shapes.

        Raises:
            ValueError: the mode is ``scale``, for which the reference defines no inverse.
        """
        values = np.asarray(values, dtype=np.float64)
        if self.mode == "scale":
            raise ValueError("normalisation mode 'scale' has no inverse")
        if self.mode == "binary":
            return (values > 0.5).astype(np.float64)
        if self.mode == "mean_std":
            return values * self._span + self._zero
        return (values + 1.0) / 2.0 * self._span + self._zero


class ModelVectors:
    """State and action vectors between the robot's numbers and the checkpoint's padded ones.

    A relative action key has the measured state of the same name subtracted, taken at the chunk's
    first row: the very snapshot that goes into the call (design: data.md 2.2, 2.5). Nothing is
    clipped on the way out: limits belong to the controller.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        state_stats: Mapping[str, Statistics],
        action_stats: Mapping[str, Statistics],
        max_state_dim: int = 64,
        max_action_dim: int = 32,
        mode: Mode = "q99",
    ) -> None:
        """Pairs every key with its statistics.

        Args:
            embodiment: which keys there are, in their order.
            state_stats: by state key name.
            action_stats: by action key name; of a relative key, those of the relative values.
            max_state_dim: width of the state after padding.
            max_action_dim: width of an action row after padding.
            mode: normalisation of every key; the released checkpoints use ``q99`` throughout.

        Raises:
            ValueError: a key has no statistics or ones of another width, or a vector is too wide.
        """
        for what, count, widest in (
            ("state", len(embodiment.state_joints), max_state_dim),
            ("action", len(embodiment.joints), max_action_dim),
        ):
            if count > widest:
                raise ValueError(
                    f"{embodiment.name}: {what} of {count} does not fit the model's {widest}"
                )
        self._states = _pair("state", embodiment.state_keys, state_stats, mode)
        self._actions = _pair("action", embodiment.action_keys, action_stats, mode)
        self._state_columns = {key.name: columns for key, columns, _ in self._states}
        self._state_dim, self._action_dim = max_state_dim, max_action_dim
        self._state_width = len(embodiment.state_joints)
        self._action_width = len(embodiment.joints)

    @property
    def state_mask(self) -> np.ndarray:
        """[max_state_dim] bool, true where a joint is."""
        return np.arange(self._state_dim) < self._state_width

    @property
    def action_mask(self) -> np.ndarray:
        """[max_action_dim] bool, true where a joint is."""
        return np.arange(self._action_dim) < self._action_width

    def state(self, raw: Float) -> Float:
        """Normalises a state and pads it with zeros: [S] in model units to [max_state_dim]."""
        raw = self._raw_state(raw)
        padded = np.zeros(self._state_dim)
        for _, columns, normalizer in self._states:
            padded[columns] = normalizer.forward(raw[columns])
        return padded

    def actions(self, normalised: Float, raw_state: Float) -> Float:
        """What the model said, as absolute targets.

        Args:
            normalised: [H, max_action_dim] as the model gives it.
            raw_state: [S] the state in model units that went into that very call.

        Returns:
            [H, A] float64 absolute targets in model units, unclipped.
        """
        normalised = self._chunk("normalised actions", normalised, self._action_dim)
        raw_state = self._raw_state(raw_state)
        absolute = np.empty((len(normalised), self._action_width))
        for key, columns, normalizer in self._actions:
            absolute[:, columns] = normalizer.inverse(normalised[:, columns])
            if key.relative:
                absolute[:, columns] += raw_state[self._state_columns[key.name]]
        return absolute

    def normalised_actions(self, absolute: Float, raw_state: Float, *, clip: bool = True) -> Float:
        """The inverse of ``actions``.

        Args:
            absolute: [H, A] targets in model units.
            raw_state: [S] the measured state at the first row.
            clip: whether to clip as the normaliser does, as in training; without, ``actions`` gives
                the same targets back.

        Returns:
            [H, max_action_dim] float64, zero where no joint is.
        """
        absolute = self._chunk("absolute actions", absolute, self._action_width)
        raw_state = self._raw_state(raw_state)
        padded = np.zeros((len(absolute), self._action_dim))
        for key, columns, normalizer in self._actions:
            values = absolute[:, columns]
            if key.relative:
                values = values - raw_state[self._state_columns[key.name]]
            padded[:, columns] = normalizer.forward(values, clip=clip)
        return padded

    def _raw_state(self, raw: Float) -> Float:
        raw = np.asarray(raw, dtype=np.float64)
        if raw.shape != (self._state_width,):
            raise ValueError(f"raw state: expected [{self._state_width}], got {list(raw.shape)}")
        return raw

    @staticmethod
    def _chunk(what: str, rows: Float, width: int) -> Float:
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"{what}: expected [H, {width}], got {list(rows.shape)}")
        return rows


def _pair(
    what: str, keys: Sequence[Key], statistics: Mapping[str, Statistics], mode: Mode
) -> tuple[tuple[Key, slice, Normalizer], ...]:
    """Each key with its columns and its normaliser, in order."""
    missing = [key.name for key in keys if key.name not in statistics]
    if missing:
        raise ValueError(
            f"no {what} statistics for {missing}; there are some for {sorted(statistics)}"
        )
    pairs, start = [], 0
    for key in keys:
        if statistics[key.name].width != key.width:
            raise ValueError(
                f"{what} statistics of {key.name}: expected {key.width} columns, "
                f"got {statistics[key.name].width}"
            )
        columns = slice(start, start + key.width)
        pairs.append((key, columns, Normalizer(mode, statistics[key.name])))
        start += key.width
    return tuple(pairs)


def relative_statistics(
    actions: Sequence[Float], states: Sequence[Float], horizon: int
) -> tuple[Statistics, Statistics]:
    """Statistics of actions relative to the state at the first row of every possible chunk.

    Args:
        actions: per episode [L, D] absolute actions of one relative key.
        states: per episode [L, D] measured states of the same key.
        horizon: H, rows of a chunk; an episode shorter than that adds nothing.

    Returns:
        The statistics with the rows of all chunks pooled [D], and those per row [H, D]
        (design: data.md 2.3).

    Raises:
        ValueError: episodes do not pair up, or none is as long as a chunk.
    """
    if len(actions) != len(states) or horizon < 1:
        raise ValueError(
            f"expected one state array per action array and a horizon of at least 1, "
            f"got {len(actions)} and {len(states)} arrays, horizon {horizon}"
        )
    chunks = []
    for episode, (action, state) in enumerate(zip(actions, states, strict=True)):
        if np.ndim(action) != 2 or np.shape(action) != np.shape(state):
            raise ValueError(
                f"episode {episode}: expected actions and states of one shape [L, D], "
                f"got {list(np.shape(action))} and {list(np.shape(state))}"
            )
        if len(action) >= horizon:
            windows = np.lib.stride_tricks.sliding_window_view(action, horizon, axis=0)
            anchors = state[: len(windows), None]
            chunks.append(np.moveaxis(windows, -1, 1) - anchors)
    if not chunks:
        raise ValueError(f"no episode has the {horizon} rows of a chunk")
    rows = np.concatenate(chunks)
    return Statistics.of(rows.reshape(-1, rows.shape[-1])), Statistics.of(rows)
