"""Which timesteps run the network; the others reuse the last velocities (design: model.md 6.5).

The solver advances at every timestep either way. ``StaticSteps`` decides by index; ``SimilarSteps``
skips while successive video velocities point the same way (paper A.5, Algorithm 2). Both are
immutable; ``start()`` gives what one block consults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_CHOSEN = {
    5: (0, 1, 2, 7, 12),
    6: (0, 1, 5, 10, 14, 15),
    7: (0, 1, 2, 6, 10, 14, 15),
    8: (0, 1, 2, 6, 10, 13, 14, 15),
}
"""Indices, out of 16, that each published static choice computes."""

GRID = 16
"""Number of timesteps that the published choices are made for."""


class Decider(Protocol):
    """Consulted once per timestep of one block, in order."""

    def runs(self, step: int, computed: Sequence[Tensor]) -> bool:
        """Whether to run the network at ``step``, given the video velocities computed so far."""
        ...


class StepCache(Protocol):
    """A rule for skipping timesteps."""

    def start(self) -> Decider:
        """A decider for one block."""
        ...


@dataclass(frozen=True)
class StaticSteps:
    """Computes the timesteps whose index is marked.

    Attributes:
        mask: one mark per timestep; with fewer timesteps its first entries count. The first must be
            set.

    Raises:
        ValueError: the mask is empty or would skip the first timestep, when there is nothing to
            reuse.
    """

    mask: tuple[bool, ...]

    def __post_init__(self) -> None:
        """Checks that there is something to reuse."""
        if not self.mask or not self.mask[0]:
            raise ValueError(f"step mask: its first timestep must be computed, got {self.mask}")

    def start(self) -> StaticSteps:
        """Itself: it remembers nothing."""
        return self

    def runs(self, step: int, computed: Sequence[Tensor]) -> bool:
        """The mark of ``step``.

        Raises:
            ValueError: the mask is shorter than the schedule.
        """
        if step >= len(self.mask):
            raise ValueError(
                f"step mask: expected a mark for timestep {step}, got {len(self.mask)}"
            )
        return self.mask[step]


@dataclass(frozen=True)
class SimilarSteps:
    """Skips while the last two computed video velocities are alike.

    Attributes:
        alike: above this cosine similarity four timesteps are skipped, then one is computed without
            a test.
        similar: above this one two timesteps are skipped, then one is computed without a test.
    """

    alike: float = 0.95
    similar: float = 0.93

    def start(self) -> _Similarity:
        """A decider with no history."""
        return _Similarity(self)


class _Similarity:
    """The countdown of one block."""

    def __init__(self, rule: SimilarSteps) -> None:
        self._rule = rule
        self._skips = 0
        self._forced = False

    def runs(self, step: int, computed: Sequence[Tensor]) -> bool:
        """Counts a skip down, or tests the last two of ``computed``."""
        if self._skips:
            self._skips -= 1
            self._forced = self._skips == 0
            return False
        if self._forced or len(computed) < 2:
            self._forced = False
            return True
        likeness = similarity(computed[-2], computed[-1])
        skips = 4 if likeness > self._rule.alike else 2 if likeness > self._rule.similar else 0
        if skips:
            self._skips = skips - 1
            return False
        return True


def similarity(a: Tensor, b: Tensor) -> float:
    """Cosine of the angle between two velocities [B, ...], in float32, averaged over the batch."""
    return torch.cosine_similarity(a.flatten(1).float(), b.flatten(1).float(), dim=1).mean().item()


def step_cache(evaluations: int | str, steps: int = GRID) -> StepCache:
    """The rule that a user names.

    Args:
        evaluations: 5, 6, 7 or 8 network evaluations out of 16 timesteps, ``"all"``, or
            ``"dynamic"``. A number equal to ``steps`` means all.
        steps: timesteps of the schedule.

    Raises:
        ValueError: there is no such choice for this number of timesteps; the message lists those
            there are.
    """
    if evaluations == "dynamic":
        return SimilarSteps()
    if evaluations in ("all", steps):
        return StaticSteps((True,) * steps)
    if evaluations in _CHOSEN and steps == GRID:
        chosen = _CHOSEN[evaluations]
        return StaticSteps(tuple(index in chosen for index in range(GRID)))
    raise ValueError(
        f"evaluations: expected one of {sorted(_CHOSEN)} with {GRID} timesteps, 'all' or "
        f"'dynamic'; got {evaluations!r} with {steps}"
    )
