"""Means over seeds and rollouts with standard errors that know of both.

Rollouts lie within seeds: every seed is a training of its own and is tried on scenes of its own,
the same for all arms. The mean is that of the seeds' means. Its variance has two parts, of seeds
and of rollouts within them:

    within   what S seeds of n rollouts would differ by if all seeds were equally good:
             the sum over seeds of v_s / (n_s + 2), over S^2
    between  the variance of the S means, over S; on average it holds both parts

The variance is the larger of the two: three means that agree by luck do not make it smaller than
the rollouts allow. ``v_s`` is taken with two more rollouts, one failed and one done, so that 40 of
40 are not certain either (as Agresti and Coull do). Degrees of freedom are Satterthwaite's for
the two parts: from S - 1 where seeds decide to S (n - 1) where rollouts do.

Arms are compared by the differences of the same scene under the same seed, each seed with two more
pairs of which one is lost and one won by ``sqrt(1/2)`` (for successes, Agresti and Min's interval).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

Outcomes = Mapping[int, Mapping[Hashable, float]]
"""By seed, by scene: how far a rollout came, or whether it was done."""


@dataclass(frozen=True)
class Estimate:
    """A mean and what is known of it.

    Attributes:
        mean: over seeds.
        error: its standard error.
        low, high: 95 % interval.
        seeds: how many.
        rollouts: of all seeds together.
        fewest: rollouts, or pairs, of the seed that has fewest.
    """

    mean: float
    error: float
    low: float
    high: float
    seeds: int
    rollouts: int
    fewest: int

    def plain(self) -> dict[str, float | int]:
        """As JSON has it."""
        named = {name: round(getattr(self, name), 4) for name in ("mean", "error", "low", "high")}
        return {**named, "seeds": self.seeds, "rollouts": self.rollouts, "fewest": self.fewest}


def level(outcomes: Outcomes) -> Estimate | None:
    """Of one arm; None without a rollout."""
    return _estimate([list(of_seed.values()) for of_seed in outcomes.values()], (0.0, 1.0))


def contrast(one: Outcomes, other: Outcomes, share: float = 1.0) -> Estimate | None:
    """Of ``one`` less ``share`` times ``other``, over scenes that both tried; None without one."""
    pairs = [
        [value - share * other[seed][scene] for scene, value in mine.items() if scene in other[seed]]
        for seed, mine in one.items()
        if seed in other
    ]
    return _estimate(pairs, (-math.sqrt(0.5), math.sqrt(0.5)))


def _estimate(samples: Sequence[Sequence[float]], added: tuple[float, float]) -> Estimate | None:
    """Of samples by seed, of which the empty ones say nothing."""
    known = [np.asarray(sample, dtype=float) for sample in samples if len(sample)]
    if not known:
        return None
    count = len(known)
    means = [float(sample.mean()) for sample in known]
    parts = [float(np.append(sample, added).var()) / (len(sample) + 2) for sample in known]
    within = sum(parts) / count**2
    between = float(np.var(means, ddof=1)) / count if count > 1 else 0.0
    of_seeds = max(0.0, between - within)
    variance = within + of_seeds
    free = variance**2 / (
        (of_seeds**2 / (count - 1) if of_seeds else 0.0)
        + sum((part / count**2) ** 2 / (len(x) + 1) for part, x in zip(parts, known, strict=True))
    )
    error = math.sqrt(variance)
    reach, mean = float(t.ppf(0.975, free)) * error, float(np.mean(means))
    sizes = [len(sample) for sample in known]
    return Estimate(mean, error, mean - reach, mean + reach, count, sum(sizes), min(sizes))
