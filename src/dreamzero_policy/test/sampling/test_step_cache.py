"""Which timesteps run."""

import pytest
import torch
from safetensors.torch import load_file

from dreamzero_policy.sampling.step_cache import (
    SimilarSteps,
    StaticSteps,
    similarity,
    step_cache,
)


def decisions(cache, velocities):
    """Timesteps at which a network runs that would predict ``velocities[i]`` at timestep i."""
    decider, computed, ran = cache.start(len(velocities)), [], []
    lasts = []
    for i, velocity in enumerate(velocities):
        if decider.runs(i, computed):
            computed = [*computed, (velocity, torch.ones(1, 2))]
            ran.append(i)
            lasts.append(decider.last(i))
    assert not any(lasts[:-1])
    return ran


def turning(cosine):
    """16 velocities, each at the given cosine to the one before."""
    angle = torch.arccos(torch.tensor(cosine, dtype=torch.float64)) * torch.arange(16)
    return torch.stack([angle.cos(), angle.sin()], dim=1).unsqueeze(1)


@pytest.mark.parametrize(
    ("evaluations", "expected"),
    [
        (1, [0]),
        (2, [0, 8]),
        (4, [0, 1, 6, 11]),
        (5, [0, 1, 2, 7, 12]),
        (6, [0, 1, 5, 10, 14, 15]),
        (7, [0, 1, 2, 6, 10, 14, 15]),
        (8, [0, 1, 2, 6, 10, 13, 14, 15]),
        (16, list(range(16))),
        ("all", list(range(16))),
    ],
)
def test_static_choices(evaluations, expected):
    assert decisions(step_cache(evaluations), torch.zeros(16, 1, 2)) == expected


def test_all_alike_gives_four_evaluations():
    assert decisions(SimilarSteps(), torch.ones(16, 1, 3)) == [0, 1, 6, 11]


def test_similar_gives_six_and_different_gives_all():
    # Cosine between computed velocities decides: equal steps of 0.94 apart while all are computed.
    same = torch.ones(16, 1, 2)
    rule = SimilarSteps(((2.0, 4), (0.93, 2)))
    assert decisions(rule, same) == [0, 1, 4, 7, 10, 13]
    assert decisions(SimilarSteps(), turning(0.5)) == list(range(16))


def test_dynamic_decisions_are_the_reference_s(golden_dir):
    tensors = load_file(golden_dir / "samplers.safetensors")
    for velocities, run in zip(tensors["dynamic/velocity"], tensors["dynamic/run"], strict=True):
        assert decisions(step_cache("dynamic"), velocities) == run.nonzero().flatten().tolist()


def test_a_new_block_starts_without_history():
    cache = step_cache("dynamic")
    assert decisions(cache, torch.ones(5, 1, 3)) == [0, 1]
    assert decisions(cache, torch.ones(16, 1, 3)) == [0, 1, 6, 11]


def test_similarity_averages_over_the_batch():
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    b = torch.tensor([[2.0, 0.0], [0.0, -3.0]])
    assert similarity(a, b) == pytest.approx(0.0)


@pytest.mark.parametrize("evaluations", [0, 3, 9, "some"])
def test_an_unknown_choice_lists_the_known_ones(evaluations):
    with pytest.raises(ValueError, match=r"\[1, 2, 4, 5, 6, 7, 8\]"):
        step_cache(evaluations)


def test_the_published_masks_need_sixteen_timesteps():
    with pytest.raises(ValueError, match="16 timesteps"):
        step_cache(8, steps=4)
    assert decisions(step_cache("all", steps=4), torch.zeros(4, 1, 2)) == [0, 1, 2, 3]


def test_a_mask_must_compute_the_first_timestep_and_reach_the_last():
    with pytest.raises(ValueError, match="first timestep"):
        StaticSteps((False, True))
    with pytest.raises(ValueError, match="expected 3 marks, got 2"):
        decisions(StaticSteps((True, False)), torch.zeros(3, 1, 2))


def test_the_last_evaluation_is_known_from_a_mask_and_at_the_end_from_similarity():
    for evaluations, last in ((1, 0), (2, 8), (4, 11), (5, 12), (8, 15), (16, 15)):
        decider = step_cache(evaluations).start(16)
        assert [step for step in range(16) if decider.runs(step, ()) and decider.last(step)] == [
            last
        ]
    short = StaticSteps((True, True, False, True)).start(3)
    assert [short.last(step) for step in range(3)] == [False, True, True]
    dynamic = step_cache("dynamic").start(16)
    assert [step for step in range(16) if dynamic.last(step)] == [15]


def test_the_paper_s_rule_has_one_threshold_and_looks_at_actions_too():
    rule = step_cache("dynamic_joint")
    assert decisions(rule, torch.ones(16, 1, 3)) == [0, 1, 6, 11]
    assert decisions(rule, turning(0.5)) == list(range(16))
    # Video velocities that agree, beside actions that do not: skipped by the video alone.
    computed = [(torch.ones(1, 3), 9 * torch.eye(2)[i : i + 1]) for i in range(2)]
    for name, skipped in (("dynamic", True), ("dynamic_joint", False)):
        decider = step_cache(name).start(16)
        assert decider.runs(0, ())
        assert decider.runs(1, computed[:1])
        assert decider.runs(2, computed) is not skipped
