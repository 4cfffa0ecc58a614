"""Untrained weights: repeatable, distinct, and tame at any depth."""

import torch

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.weights.random_weights import random_tensor


def test_a_tensor_depends_on_its_name_and_seed_alone():
    one = random_tensor("a.weight", (4, 5), 0)
    random_tensor("b.weight", (4, 5), 0)
    assert torch.equal(one, random_tensor("a.weight", (4, 5), 0))
    assert not torch.equal(one, random_tensor("b.weight", (4, 5), 0))
    assert not torch.equal(one, random_tensor("a.weight", (4, 5), 1))


def test_every_output_is_finite_and_of_order_one():
    robot = embodiments.get("droid")
    loaded = checkpoint.load("random:tiny", robot)
    seen = robot.example(frames=9)
    canvases = torch.from_numpy(seen.canvases.copy())
    clip, y, first = loaded.model.encode_first(canvases[0])
    latents = loaded.model.encode_frames(canvases)
    text = loaded.model.encode_prompt(seen.prompt)
    for tensor in (clip, y, first, latents, text):
        assert tensor.isfinite().all()
        assert 0.05 < tensor.std() < 5
