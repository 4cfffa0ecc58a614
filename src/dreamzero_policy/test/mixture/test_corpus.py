"""What each step draws: by seed and step alone, in the proportions that were asked for."""

from dataclasses import replace

import numpy as np
import torch

from dreamzero_policy.mixture.corpus import Corpus, Item, Sampler, items_of, prompts_of, weights_of
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.latents import EncodedWindow
from dreamzero_policy.mixture.source import Cutting, open_source
from dreamzero_policy.mixture.vector_statistics import statistics_of
from dreamzero_policy.normalize import ModelVectors
from dreamzero_policy.observation.prompt import NEGATIVE_PROMPT


class Stub:
    """A cache that says what it was asked for."""

    def __init__(self):
        self.asked = []

    def window(self, source, episode, window, variant):
        self.asked.append(variant)
        frames = 1 + 2 * window.chunks
        return EncodedWindow(
            torch.zeros(16, frames, 4, 4), torch.zeros(20, frames, 4, 4), torch.zeros(3, 8)
        )

    def prompt(self, prompt):
        self.asked.append(prompt)
        return torch.full((6, 8), float(prompt == NEGATIVE_PROMPT))


def opened(dataset, droid, **more):
    return open_source(DatasetSpec(dataset, **more), droid, Cutting(most_chunks=2, held_out=0.0))


def corpus_of(source, droid, **more):
    statistics = statistics_of(source)
    vectors = {droid.tag: ModelVectors(droid, *statistics)}
    return Corpus(items_of([source], held_out=False), Stub(), vectors, 1, (64, 32), **more)


def test_a_window_s_vectors_are_those_of_the_robot(dataset, droid):
    source = opened(dataset, droid)
    corpus = corpus_of(source, droid)
    number = next(n for n, item in enumerate(corpus.items) if item.window.chunks == 2)
    batch, item = corpus.window(number, 0, "open it"), corpus.items[number]
    vectors = corpus.vectors[droid.tag]
    for chunk, anchor in enumerate(item.window.rows(droid.time_base)[:, 0]):
        raw = item.episode.states[anchor].astype(np.float64)
        np.testing.assert_allclose(batch.states[0, chunk], vectors.state(raw), atol=1e-6)
        rows = batch.actions[0, 24 * chunk : 24 * chunk + 24].double().numpy()
        absolute = vectors.actions(rows, raw)
        kept = np.abs(rows[:, :8]) < 0.999  # what the percentiles cut off is lost
        true = item.episode.actions[anchor : anchor + 24]
        np.testing.assert_allclose(absolute[kept], true[kept], atol=1e-5)
    assert batch.action_mask[0, :, :8].all()
    assert not batch.action_mask[0, :, 8:].any()


def test_what_is_drawn_is_seed_and_step_alone(dataset, droid):
    corpus = corpus_of(opened(dataset, droid), droid, variants=3, prompt_dropout=0.3)
    weights = weights_of(corpus.items, balanced=False)
    lengths = [item.window.chunks for item in corpus.items]
    one, two = (Sampler(weights, lengths, 5) for _ in range(2))
    assert [one.step(s, 4) for s in range(9)] == [two.step(s, 4) for s in reversed(range(9))][::-1]
    assert one.step(3, 4) != Sampler(weights, lengths, 6).step(3, 4)
    for step in range(20):
        assert len({lengths[number] for number in one.step(step, 8)}) == 1
    dropped = [corpus.draw(0, one.rng(0, place)).text.any().item() for place in range(200)]
    assert {0, 1, 2} <= set(corpus.cache.asked)
    assert 0.2 < sum(dropped) / 200 < 0.4


def test_weights_follow_bases_datasets_and_balance(dataset, droid):
    once, twice = opened(dataset, droid), opened(dataset, droid, weight=2.0)
    small = replace(once, episodes=once.episodes[:1])
    items = items_of([small, twice], held_out=False)
    free, balanced = (weights_of(items, balanced=each) for each in (False, True))
    mine = np.array([item.source is small for item in items])
    np.testing.assert_allclose(balanced[mine].sum(), 1 / 3)
    bases = np.array([item.window.bases for item in items])
    share = bases[mine].sum() / (bases[mine].sum() + 2 * bases[~mine].sum())
    np.testing.assert_allclose(free[mine].sum(), share)


def test_video_alone_has_no_actions_and_every_prompt_is_known(dataset, droid):
    source = opened(dataset, droid, actions=False)
    corpus = corpus_of(opened(dataset, droid), droid)
    corpus = replace(corpus, items=[Item(source, e, e.windows[0]) for e in source.episodes])
    batch = corpus.window(0, 0, None)
    assert not batch.has_real_action.any()
    assert not batch.action_mask.any()
    assert not batch.actions.any()
    prompts = prompts_of(corpus.items)
    assert len(prompts) == 3
    assert NEGATIVE_PROMPT in prompts
    assert corpus.cache.asked[-1] == NEGATIVE_PROMPT
