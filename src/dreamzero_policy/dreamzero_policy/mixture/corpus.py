"""Everything there is to train on: windows of all datasets, how often each is drawn, as batches.

What is drawn at a step is a function of seed and step alone: of no process's history, no worker's
and no other step's. A run that goes on after a kill, or on another number of processes, sees the
same windows in the same order. All windows of a step have one length, drawn in proportion to how
many windows have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.mixture.latents import LatentCache
from dreamzero_policy.mixture.source import Source, TrainingEpisode
from dreamzero_policy.mixture.windows import Window
from dreamzero_policy.normalize import ModelVectors
from dreamzero_policy.observation.prompt import NEGATIVE_PROMPT, render
from dreamzero_policy.types import Float


@dataclass(frozen=True)
class Item:
    """A window and where it is from."""

    source: Source
    episode: TrainingEpisode
    window: Window


def items_of(sources: Sequence[Source], *, held_out: bool) -> list[Item]:
    """The windows for training, or those that are held out for validation."""
    return [
        Item(source, episode, window)
        for source in sources
        for episode in source.episodes
        if episode.held_out == held_out
        for window in episode.windows
    ]


def weights_of(items: Sequence[Item], *, balanced: bool) -> Float:
    """[N] how often each window is drawn, adding up to 1.

    Args:
        items: the windows.
        balanced: whether datasets are drawn by their weights alone; otherwise a dataset of twice as
            many windows is drawn twice as often.
    """
    weights = np.array([item.source.spec.weight * item.window.bases for item in items])
    if balanced:
        owner = np.array([id(item.source) for item in items])
        for source in {id(item.source): item.source for item in items}.values():
            mine = owner == id(source)
            weights[mine] *= source.spec.weight / weights[mine].sum()
    return weights / weights.sum()


class Sampler:
    """Which windows each step has.

    Args:
        weights: [N] of the windows.
        chunks: [N] their lengths.
        seed: of the run.
    """

    def __init__(self, weights: Float, chunks: Sequence[int], seed: int) -> None:
        lengths = np.asarray(chunks)
        self._seed = seed
        self._buckets = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
        shares = np.array([weights[bucket].sum() for bucket in self._buckets])
        self._share = np.cumsum(shares / shares.sum())
        self._within = [np.cumsum(weights[b] / weights[b].sum()) for b in self._buckets]

    def step(self, step: int, count: int) -> list[int]:
        """Numbers of the ``count`` windows of a step."""
        rng = np.random.default_rng((self._seed, step))
        bucket = min(int(np.searchsorted(self._share, rng.random(), "right")), len(self._share) - 1)
        numbers = self._buckets[bucket]
        places = np.searchsorted(self._within[bucket], rng.random(count), "right")
        return numbers[np.minimum(places, len(numbers) - 1)].tolist()

    def rng(self, step: int, place: int) -> np.random.Generator:
        """For everything else that is random about the window at a place of a step."""
        return np.random.default_rng((self._seed, step, 1 + place))


@dataclass(frozen=True)
class Corpus:
    """Windows as batches of 1.

    Attributes:
        items: the windows.
        cache: what the encoders made of them.
        vectors: normalisation by the robot's tag; none for robots of video alone.
        states_per_chunk: state rows of a chunk.
        sizes: (padded width of a state, padded width of an action).
        variants: how many sets of pictures there are of each window.
        prompt_dropout: how often a window is shown under the negative prompt.
    """

    items: Sequence[Item]
    cache: LatentCache
    vectors: Mapping[str, ModelVectors]
    states_per_chunk: int
    sizes: tuple[int, int]
    variants: int = 1
    prompt_dropout: float = 0.0

    def draw(self, number: int, rng: np.random.Generator) -> Batch:
        """A window with a variant of its pictures and a wording of its instruction drawn."""
        item = self.items[number]
        variant = int(rng.integers(self.variants))
        wordings = item.episode.wordings(item.window)
        wording = wordings[int(rng.integers(len(wordings)))]
        dropped = rng.random() < self.prompt_dropout
        return self.window(number, variant, None if dropped else wording)

    def window(self, number: int, variant: int, wording: str | None) -> Batch:
        """One window; without a wording it is under the negative prompt."""
        item = self.items[number]
        encoded = self.cache.window(item.source, item.episode, item.window, variant)
        states, actions, mask = self._vectors(item)
        condition = encoded.condition
        return Batch(
            latents=encoded.latents[None],
            condition=None if condition is None else condition[None],
            text=self._text(prompt_of(item, wording))[None],
            clip=encoded.clip[None],
            states=states[None],
            actions=actions[None],
            action_mask=mask[None],
            has_real_action=torch.tensor([item.source.spec.actions]),
        )

    def _vectors(self, item: Item) -> tuple[Tensor, Tensor, Tensor]:
        """States [c n_s, D_s], actions and their mask [A, D_a]."""
        base = item.source.robot.time_base
        (wide, narrow), window = self.sizes, item.window
        count = window.chunks * base.rows_per_chunk
        if not item.source.spec.actions:
            states = torch.zeros(window.chunks * self.states_per_chunk, wide)
            return states, torch.zeros(count, narrow), torch.zeros(count, narrow, dtype=torch.bool)
        vectors = self.vectors[item.source.robot.tag]
        states, actions = [], []
        part = base.rows_per_chunk // self.states_per_chunk
        for rows in window.rows(base):
            raw = item.episode.states[rows[0]]
            states += [vectors.state(item.episode.states[row]) for row in rows[::part]]
            actions.append(vectors.normalised_actions(item.episode.actions[rows], raw))
        mask = torch.from_numpy(vectors.action_mask).expand(count, narrow)
        to_tensor = (torch.from_numpy(np.stack(states)), torch.from_numpy(np.concatenate(actions)))
        return *(x.float() for x in to_tensor), mask

    def _text(self, prompt: str) -> Tensor:
        return _texts(self.cache, prompt)


@lru_cache(maxsize=256)
def _texts(cache: LatentCache, prompt: str) -> Tensor:
    return cache.prompt(prompt)


def prompt_of(item: Item, wording: str | None) -> str:
    """The sentence that the text encoder reads."""
    return NEGATIVE_PROMPT if wording is None else render(item.source.robot.prompt, wording)


def instructions_of(items: Sequence[Item]) -> list[str]:
    """Every sentence that asks for something in training, as the model reads it."""
    wordings = {
        (item.source.robot.prompt, wording): item
        for item in items
        for wording in item.episode.wordings(item.window)
    }
    found = [prompt_of(item, wording) for (_, wording), item in wordings.items()]
    return list(dict.fromkeys(found))


def prompts_of(items: Sequence[Item]) -> list[str]:
    """Every sentence that training may show, the negative prompt among them."""
    return [*instructions_of(items), NEGATIVE_PROMPT]
