"""Operations and parameters of the encoders are those of the modules."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dreamzero_policy.model.image_encoder import ImageEncoder
from dreamzero_policy.model.presets import PRESETS
from dreamzero_policy.model.text_encoder import TextEncoder
from dreamzero_policy.model.vae import VideoVAE
from dreamzero_policy.roofline import encoder_counts

CASES = pytest.mark.parametrize("name", ["droid_14b", "wan22_5b", "tiny"])
META = torch.device("meta")


def on_meta(make):
    with META:
        module = make().eval()
    return module, sum(p.numel() for p in module.parameters())


def operations(work) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops()


@CASES
def test_the_text_encoder(name):
    config = PRESETS[name]
    module, parameters = on_meta(lambda: TextEncoder(config.text, config.text_len))
    assert encoder_counts.text_parameters(config.text) == parameters
    ids = torch.zeros(1, config.text_len, dtype=torch.int64, device=META)
    found = operations(lambda: module.net(input_ids=ids))  # a mask cannot be read on meta
    assert encoder_counts.text(config.text, config.text_len).total == found


@CASES
def test_the_image_encoder(name):
    config = PRESETS[name].image
    module, parameters = on_meta(lambda: ImageEncoder(config))
    assert encoder_counts.image_parameters(config) == parameters
    pixels = torch.empty(1, 3, config.image_size, config.image_size, device=META)
    found = operations(lambda: module.net(pixels))
    every = encoder_counts.image(config)
    layers = config.num_layers
    whole = every._replace(
        linear=every.linear * layers / (layers - 1),
        attention=every.attention * layers / (layers - 1),
    )
    assert whole.total == pytest.approx(found, rel=1e-9)


def test_a_square_image_of_224_has_257_tokens():
    assert PRESETS["droid_14b"].image.tokens == 257


@CASES
@pytest.mark.parametrize(("groups", "first"), [(0, True), (1, True), (2, True)])
def test_the_vae_encoder(name, groups, first):
    config = PRESETS[name]
    module, parameters = on_meta(lambda: VideoVAE(config.vae))
    assert encoder_counts.vae_parameters(config.vae) == parameters
    stride = config.vae.spatial_stride
    size = tuple(side * stride for side in config.latent_size)
    frames = torch.empty(1, 3, 1 + 4 * groups, *size, device=META)
    found = operations(lambda: module.stream().push(frames))
    assert encoder_counts.vae_encode(config, groups, first).total == found


@CASES
def test_the_newest_group_costs_what_it_adds(name):
    config = PRESETS[name]
    two, one = (encoder_counts.vae_encode(config, n, True) for n in (2, 1))
    newest = encoder_counts.vae_encode(config, 1, False)
    assert two.total == pytest.approx(one.plus(newest).total)


@CASES
@pytest.mark.parametrize("latents", [1, 3])
def test_the_vae_decoder(name, latents):
    config = PRESETS[name]
    module, _ = on_meta(lambda: VideoVAE(config.vae))
    z = torch.empty(1, config.out_dim, latents, *config.latent_size, device=META)
    module._statistics = lambda like: (torch.zeros((), device=META), torch.ones((), device=META))
    found = operations(lambda: module.decode(z))
    assert encoder_counts.vae_decode(config, latents - 1, True).total == found
