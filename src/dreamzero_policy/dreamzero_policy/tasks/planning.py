"""Which tasks an episode holds: rare ones first, about as long together as an episode is to be.

Rarity has some play, without which tasks that happen to be rarest together would make episodes of
two minutes or of eight: a task may be taken that was recorded up to ``PLAY`` times more often than
the rarest ones, where that brings the length nearer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from dreamzero_policy.tasks.catalogue import Rules

PLAY = 2
"""Episodes by which a task may be less rare than one that is left out."""

_MOST = 14  # candidates of one choice: 364 triples
_COMMONER, _MET = 0.5, 0.1  # min of length that an episode more, or a pair seen today, is worth


@dataclass(frozen=True)
class Candidate:
    """A task that may be recorded.

    Attributes:
        id: of the task.
        count: episodes that hold it or are planned to.
        seconds: how long it takes.
    """

    id: str
    count: int
    seconds: float


def plan(
    candidates: Sequence[Candidate], episodes: int, rules: Rules, seed: int
) -> list[tuple[str, ...]]:
    """The tasks of each of the next episodes.

    Args:
        candidates: every task of the sheet.
        episodes: how many to plan.
        rules: tasks per episode, its length, and after how many episodes a task retires; no plan
            takes a task beyond that.
        seed: the same one gives the same plans.

    Returns:
        Task ids, none twice in an episode; fewer episodes where tasks run out, and fewer tasks in
        one where fewer are left.
    """
    chance = random.Random(seed)
    left = {one.id: one for one in candidates}
    met: set[frozenset[str]] = set()
    plans = []
    for _ in range(episodes):
        chosen = _choose(list(left.values()), rules, met, chance)
        if not chosen:
            break
        chance.shuffle(chosen)
        plans.append(tuple(one.id for one in chosen))
        met |= {frozenset((a.id, b.id)) for a, b in combinations(chosen, 2)}
        left |= {one.id: replace(one, count=one.count + 1) for one in chosen}
    return plans


def _choose(
    candidates: list[Candidate], rules: Rules, met: set[frozenset[str]], chance: random.Random
) -> list[Candidate]:
    """The tasks of one episode."""
    chance.shuffle(candidates)  # before a stable sort: equals in random order
    rarest = sorted(
        (one for one in candidates if one.count < rules.retire_after), key=lambda one: one.count
    )
    size = min(rules.tasks_per_episode, len(rarest))
    if not size:
        return []
    most = rarest[size - 1].count + PLAY
    pool = [one for one in rarest if one.count <= most][:_MOST]

    def cost(chosen: tuple[Candidate, ...]) -> float:
        minutes = abs(sum(one.seconds for one in chosen) - rules.episode_seconds) / 60.0
        commoner = sum(one.count - rarest[0].count for one in chosen)
        pairs = sum(frozenset((a.id, b.id)) in met for a, b in combinations(chosen, 2))
        return minutes + _COMMONER * commoner + _MET * pairs

    return list(min(combinations(pool, size), key=cost))
