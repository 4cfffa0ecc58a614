"""What the small image encoder says of a first picture: the colours of every patch, and its place.

A small network from nothing sees in its video tokens what colours there are, but its attention
knows places only relative to each other: to say where on the table a thing lies it would have to
find its way from landmarks. A trained image encoder tells it, and a random one drowns it: what is
random about a whole picture can only be learned by heart. So the weights of the small one are set
by hand, once and for all: a token is the mean colours of the four quarters of its patch, as far as
they are not grey, and waves along both axes that tell its place. How bright it is, which changes
with the light of every scene, stays with the video. Colours are stronger than places: with both
alike a small transformer told where a named thing is in 69 of 100 new scenes, so in 86.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dreamzero_policy.model.image_encoder import ImageEncoder

_RGB = 3
_COLOURS = 4 * _RGB
_CHROMA, _WAVE = 3.0, 0.25  # of what is not grey; amplitude of a wave


@torch.no_grad()
def set_colours_and_places(encoder: ImageEncoder) -> bool:
    """Sets the weights of an image encoder, if its patches halve and it is wide enough.

    Args:
        encoder: with random weights; changed in place.

    Returns:
        Whether it was set.
    """
    config = encoder.config
    waves = (config.dim - _COLOURS) // 4
    if config.patch_size % 2 or waves < 4:
        return False
    net = encoder.net
    half = config.patch_size // 2
    patches = net.embeddings.patch_embedding.weight
    patches.zero_()
    for quarter, (top, left) in enumerate(((0, 0), (0, half), (half, 0), (half, half))):
        for colour in range(_RGB):
            part = patches[_RGB * quarter + colour, :, top : top + half, left : left + half]
            part[:] = -_CHROMA / (_RGB * half**2)
            part[colour] += _CHROMA / half**2
    net.embeddings.class_embedding.zero_()
    places = net.embeddings.position_embedding.weight
    places.zero_()
    places[1:, _COLOURS : _COLOURS + 4 * waves] = _places(
        config.image_size // config.patch_size, waves
    )
    torch.nn.init.ones_(net.pre_layrnorm.weight)
    torch.nn.init.zeros_(net.pre_layrnorm.bias)
    for layer in net.encoder.layers:
        for silent in (layer.self_attn.out_proj, layer.mlp.fc2):
            silent.weight.zero_()
            silent.bias.zero_()
    return True


def _places(side: int, waves: int) -> Tensor:
    """[side * side, 4 * waves], row by row: sines and cosines along y, then along x."""
    steps = (torch.arange(side) + 0.5) / side
    angles = math.pi * steps[:, None] * torch.arange(1, waves + 1)
    axis = _WAVE * torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.cat(
        [axis[:, None].expand(-1, side, -1), axis[None].expand(side, -1, -1)], dim=2
    ).flatten(0, 1)
