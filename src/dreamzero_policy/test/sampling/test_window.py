"""The operations on the context, with the fake network and with the real one."""

import pytest
import torch

from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import preset
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.network import Literal
from dreamzero_policy.sampling.window import Window

TEXTS = (torch.ones(1, 1, 1), torch.zeros(1, 1, 1))


def latents(*numbers):
    return (
        torch.tensor(numbers, dtype=torch.float32).reshape(1, 1, -1, 1, 1).expand(1, 16, -1, 2, 2)
    )


def begin(fake, number=5):
    _, condition = fake.model.begin(torch.full((4, 4, 3), number, dtype=torch.uint8))
    window = Window(Literal(fake.model.dit), branches=2)
    window.restart(condition.first_latent, condition, torch.zeros(1, 1, 1), TEXTS)
    return window


def rows(window, branch=0):
    return window.caches[branch].keys_values(0)[0][0, :, 0, 0].tolist()


def test_frames_enter_every_branch_in_order(fake):
    window = begin(fake)
    window.refresh(latents(7, 9))
    assert rows(window, 0) == rows(window, 1) == [5, 7, 9]
    assert window.frames == 3
    assert torch.cat(window.latents, dim=2)[0, 0, :, 0, 0].tolist() == [5, 7, 9]


def test_a_restart_drops_everything(fake):
    window = begin(fake)
    window.refresh(latents(7, 9))
    _, condition = fake.model.begin(torch.full((4, 4, 3), 20, dtype=torch.uint8))
    window.restart(condition.first_latent, condition, torch.zeros(1, 1, 1), TEXTS)
    assert rows(window) == [20]
    assert len(window.latents) == window.frames == 1


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_borrowed_is_given_back(fake, fails):
    window = begin(fake)
    window.refresh(latents(7, 9))
    kept = window.latents
    try:
        with window.borrowed(1):
            assert rows(window) == [5]
            assert window.frames == len(window.latents) == 1
            window.refresh(latents(8, 10))
            assert rows(window) == [5, 8, 10]
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    assert rows(window) == [5, 7, 9]
    assert window.latents is kept
    with window.borrowed(0):
        _, condition = fake.model.begin(torch.full((4, 4, 3), 20, dtype=torch.uint8))
        window.restart(condition.first_latent, condition, torch.zeros(1, 1, 1), TEXTS)
        assert rows(window) == [20]
    assert rows(window) == [5, 7, 9]
    window.refresh(latents(11, 13))
    assert rows(window) == [5, 7, 9, 11, 13]
    assert fake.model.dit.conditions[-1] == 5


def test_denoising_writes_nothing(fake):
    window = begin(fake)
    velocity = window.velocity(torch.ones(1, 1, 64), guidance=5.0)
    video, actions = velocity(torch.zeros(1, 16, 2, 2, 2), torch.zeros(1, 24, 32), 999, 999, False)
    assert video.shape == (1, 16, 2, 2, 2)
    assert actions.shape == (1, 24, 32)
    assert rows(window) == [5]
    assert len(fake.model.dit.seen) == 2


def test_misuse_is_refused(fake):
    window = Window(Literal(fake.model.dit), branches=2)
    with pytest.raises(ValueError, match="after a first one"):
        window.refresh(latents(1, 2))
    with pytest.raises(ValueError, match="one per branch, 2, got 1"):
        window.restart(latents(1), None, torch.zeros(1, 1, 1), TEXTS[:1])
    with pytest.raises(ValueError, match="2 latent frames"):
        begin(fake).refresh(latents(1, 2, 3))


def test_the_real_network_s_context_is_given_back_bit_for_bit():
    config = preset("tiny")
    torch.manual_seed(0)
    dit = CausalDiT(config).eval()
    dit.initialise(output_std=0.02)
    height, width = config.latent_size

    def video(frames, channels=16):
        return torch.randn(1, channels, frames, height, width)

    with torch.inference_mode():
        window = Window(Forwards(dit), branches=2)
        y = video(9, 20)
        texts = [dit.embed_text(torch.randn(1, config.text_len, config.text_dim)) for _ in range(2)]
        image = dit.embed_image(torch.randn(1, 50, config.clip_dim))
        window.restart(video(1), lambda start, count: y[:, :, start : start + count], image, texts)
        window.refresh(video(2))
        noise = video(2), torch.randn(1, config.num_action_per_block, 32)
        velocity = window.velocity(torch.randn(1, 1, 64), guidance=5.0)
        before = velocity(*noise, 999, 999, False)
        stored = [torch.stack(c.keys_values(i)) for c in window.caches for i in range(4)]
        with window.borrowed(1):
            window.refresh(video(2))
            window.velocity(torch.randn(1, 1, 64), guidance=5.0)(*noise, 999, 999, False)
        after = [torch.stack(c.keys_values(i)) for c in window.caches for i in range(4)]
        assert all(torch.equal(a, b) for a, b in zip(stored, after, strict=True))
        again = velocity(*noise, 999, 999, False)
        assert torch.equal(before[0], again[0])
        assert torch.equal(before[1], again[1])
