"""Which timesteps run the network; the others reuse the last velocities (design: model.md 6.5).

The solver advances at every timestep either way. ``StaticSteps`` decides by index; ``SimilarSteps``
skips while successive velocities point the same way. Both are immutable; ``start()`` gives what one
block consults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Velocities = tuple[Tensor | None, Tensor]
"""Of video and actions, as one evaluation gave them."""

_CHOSEN = {
    1: (0,),
    2: (0, 8),
    4: (0, 1, 6, 11),
    5: (0, 1, 2, 7, 12),
    6: (0, 1, 5, 10, 14, 15),
    7: (0, 1, 2, 6, 10, 14, 15),
    8: (0, 1, 2, 6, 10, 13, 14, 15),
}
"""Indices, out of 16, that each fixed choice computes. Those of 5 to 8 are the reference's; that of
4 is what its similarity rule computes where it skips most; 2 and 1 are ours."""

GRID = 16
"""Number of timesteps that the fixed choices are made for."""


class Decider(Protocol):
    """Consulted once per timestep of one block, in order."""

    def runs(self, step: int, computed: Sequence[Velocities]) -> bool:
        """Whether to run the network at ``step``, given the velocities computed so far."""
        ...

    def last(self, step: int) -> bool:
        """Whether no timestep after ``step`` will run it, whatever this one gives."""
        ...


class StepCache(Protocol):
    """A rule for skipping timesteps."""

    def start(self, steps: int) -> Decider:
        """A decider for one block of so many timesteps."""
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

    def start(self, steps: int) -> StaticSteps:
        """The marks that count; it remembers nothing.

        Raises:
            ValueError: the mask is shorter than the schedule.
        """
        if steps > len(self.mask):
            raise ValueError(f"step mask: expected {steps} marks, got {len(self.mask)}")
        return StaticSteps(self.mask[:steps])

    def runs(self, step: int, computed: Sequence[Velocities]) -> bool:
        """The mark of ``step``."""
        return self.mask[step]

    def last(self, step: int) -> bool:
        """Whether no mark follows."""
        return not any(self.mask[step + 1 :])


@dataclass(frozen=True)
class SimilarSteps:
    """Skips while the last two computed velocities are alike.

    After a skip one timestep is computed without a test.

    Attributes:
        rules: (cosine similarity, timesteps to skip above it), the highest first.
        actions: whether velocities of video and actions together must be alike, as in the paper
            (A.5, Algorithm 2), or those of the video alone, as in the reference.
    """

    rules: tuple[tuple[float, int], ...] = ((0.95, 4), (0.93, 2))
    actions: bool = False

    def start(self, steps: int) -> _Similarity:
        """A decider with no history."""
        return _Similarity(self, steps)


class _Similarity:
    """The countdown of one block."""

    def __init__(self, rule: SimilarSteps, steps: int) -> None:
        self._rule, self._steps = rule, steps
        self._skips = 0
        self._forced = False

    def runs(self, step: int, computed: Sequence[Velocities]) -> bool:
        """Counts a skip down, or tests the last two of ``computed``."""
        if self._skips:
            self._skips -= 1
            self._forced = self._skips == 0
            return False
        if self._forced or len(computed) < 2:
            self._forced = False
            return True
        likeness = similarity(*(self._tested(pair) for pair in computed[-2:]))
        skips = next((skips for least, skips in self._rule.rules if likeness > least), 0)
        if skips:
            self._skips = skips - 1
            self._forced = self._skips == 0
        return not skips

    def last(self, step: int) -> bool:
        """Only at the end: what a timestep gives decides about all others."""
        return step == self._steps - 1

    def _tested(self, velocities: Velocities) -> Tensor:
        """What must be alike, [B, ...]."""
        video, actions = velocities
        if video is None:
            return actions
        if not self._rule.actions:
            return video
        return torch.cat([video.flatten(1), actions.flatten(1).to(video)], dim=1)


def similarity(a: Tensor, b: Tensor) -> float:
    """Cosine of the angle between two velocities [B, ...], in float32, averaged over the batch."""
    return torch.cosine_similarity(a.flatten(1).float(), b.flatten(1).float(), dim=1).mean().item()


def step_cache(evaluations: int | str, steps: int = GRID) -> StepCache:
    """The rule that a user names.

    Args:
        evaluations: 1, 2 or 4 to 8 network evaluations out of 16 timesteps, ``"all"``,
            ``"dynamic"`` (the reference's rule) or ``"dynamic_joint"`` (the paper's). A number
            equal to ``steps`` means all.
        steps: timesteps of the schedule.

    Raises:
        ValueError: there is no such choice for this number of timesteps; the message lists those
            there are.
    """
    if evaluations == "dynamic":
        return SimilarSteps()
    if evaluations == "dynamic_joint":
        return SimilarSteps(((0.95, 4),), actions=True)
    if evaluations in ("all", steps):
        return StaticSteps((True,) * steps)
    if evaluations in _CHOSEN and steps == GRID:
        chosen = _CHOSEN[evaluations]
        return StaticSteps(tuple(index in chosen for index in range(GRID)))
    raise ValueError(
        f"evaluations: expected one of {sorted(_CHOSEN)} with {GRID} timesteps, 'all', 'dynamic' "
        f"or 'dynamic_joint'; got {evaluations!r} with {steps}"
    )
