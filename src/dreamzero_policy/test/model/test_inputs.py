"""What calls of the network refuse, and that it leaves the cache as it was."""

import pytest
import torch
from small_dit import SMALL, block_of, episode, network

from dreamzero_policy.sampling.kv_cache import KVCache


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latents": torch.zeros(1, 15, 2, 4, 6)}, r"latents: expected \[\*, 16, "),
        ({"latents": torch.zeros(1, 16, 2, 4, 8)}, "expected 6 tokens per frame, got 8"),
        ({"latents": torch.zeros(1, 16, 3, 4, 6)}, r"latents: expected \[1, \*, 2, "),
        ({"latents": torch.zeros(2, 16, 2, 4, 6)}, "context: expected a batch of 2, got 1"),
        ({"y": None}, "y: expected 20 condition channels, got None"),
        ({"y": torch.zeros(1, 20, 9, 4, 6)}, r"y: expected \[1, 20, 2, 4, 6\]"),
        ({"video_tau": torch.zeros(1, 3)}, r"video_tau: expected \[1, 2\], got \[1, 3\]"),
        ({"actions": torch.zeros(1, 23, 32)}, r"actions: expected \[1, 24, 32\]"),
        ({"action_tau": torch.zeros(1)}, r"action_tau: expected \[1, 24\], got \[1\]"),
        ({"state": torch.zeros(1, 1, 8)}, r"state: expected \[1, 1, 64\], got \[1, 1, 8\]"),
        ({"start_frame": 3}, r"end at token 18 \(latent frame 3\), got 6"),
    ],
)
def test_a_wrong_call_is_refused_by_name(changes, message):
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    with pytest.raises(ValueError, match=message):
        dit.denoise(**block_of(SMALL, inputs, 0) | changes, context=context, cache=cache)
    assert cache.position == SMALL.frame_seqlen
