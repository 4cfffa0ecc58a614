"""Where the small video VAE begins to learn from: averages of colours instead of noise.

From random weights a network this narrow spends its first thousands of steps on the shade of the
table and never sees a coloured thing three pixels wide. So its straight path is set by hand and
every residual branch begins at zero: each latent holds the colours of the four quarters of its
patch, of the newest of its frames, and the decoder draws their mean. All of it learns from there.
"""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import patchify
from torch import Tensor, nn

from dreamzero_policy.model.vae import VideoVAE

_SPARE = 0.5  # of the random weights of channels that are not set
_ENCODER_STAND, _DECODER_STAND = 8.0, 4.0
"""A channel that stands still, before the last norm: beside it the norm is nearly linear."""
_LOG_VARIANCE = -6.0
_RGB, _QUARTERS = 3, 12


@torch.no_grad()
def set_averages(vae: VideoVAE) -> bool:
    """Sets the weights of a VAE that is wide enough for it.

    Args:
        vae: with random weights; changed in place.

    Returns:
        Whether it was set. Released sizes, which halve the picture more often, and narrower ones
        are left alone.
    """
    net = vae.net
    encoder, decoder = net.encoder, net.decoder
    halvings = [x for x in encoder.down_blocks if hasattr(x, "resample")]
    if vae.config.residual or vae.config.z_dim < _QUARTERS or len(halvings) != 2:
        return False
    if halvings[1].dim <= _QUARTERS or decoder.conv_out.in_channels <= _RGB:
        return False
    for block in net.modules():
        if hasattr(block, "conv2"):
            _clear(block.conv2)
        if hasattr(block, "to_qkv"):
            _clear(block.proj)
    of_patch = _colour_of_patch(vae.config.patch_size)
    _encode(net, halvings, of_patch)
    _decode(net, decoder, of_patch)
    return True


def _encode(net: nn.Module, halvings: list[nn.Module], of_patch: Tensor) -> None:
    encoder = net.encoder
    blocks = [x for x in encoder.down_blocks if hasattr(x, "conv_shortcut")]
    wider = [x.conv_shortcut for x in blocks if isinstance(x.conv_shortcut, nn.Conv3d)]
    _map(encoder.conv_in, of_patch / len(of_patch[0]) * _RGB)
    _map(wider[0], torch.eye(_RGB, wider[0].in_channels))
    _map(wider[1], torch.eye(wider[1].in_channels))
    first, second = (halving.resample[1] for halving in halvings)
    _spare(first, _RGB)
    _spare(second, _QUARTERS)
    for colour in range(_RGB):
        first.weight[colour, colour, :2, :2] = 0.25
        for quarter, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            second.weight[_RGB * quarter + colour, colour, row, column] = 1.0
    _map(halvings[0].time_conv, torch.eye(_RGB, first.out_channels))
    _map(halvings[1].time_conv, torch.eye(_QUARTERS, second.out_channels))
    _stand(wider[1], _ENCODER_STAND)
    gain = 2 * _ENCODER_STAND / encoder.norm_out.scale
    channels = net.config.z_dim
    rows = torch.eye(2 * channels, encoder.conv_out.in_channels) * gain
    rows[channels:] = 0.0
    _map(encoder.conv_out, rows)
    encoder.conv_out.bias[channels:] = _LOG_VARIANCE
    for conv in (net.quant_conv, net.post_quant_conv):
        _map(conv, torch.eye(conv.in_channels))


def _decode(net: nn.Module, decoder: nn.Module, of_patch: Tensor) -> None:
    colours = torch.eye(_RGB).repeat(1, _QUARTERS // _RGB) / (_QUARTERS // _RGB)
    rows = torch.zeros(_RGB + _QUARTERS, net.config.z_dim)
    rows[:_RGB, :_QUARTERS] = colours
    rows[_RGB:, :_QUARTERS] = torch.eye(_QUARTERS)
    _map(decoder.conv_in, rows)
    ups = [block.upsamplers[0] for block in decoder.up_blocks if block.upsamplers is not None]
    for up in ups:
        width = up.time_conv.in_channels
        _map(up.time_conv, torch.eye(width).repeat(2, 1))
        narrow = up.resample[1]
        _spare(narrow, _RGB)
        narrow.weight[:_RGB, :_RGB, 1, 1] = torch.eye(_RGB)
    last = ups[-1].resample[1]
    last.weight[-1] = 0.0
    last.bias[-1] = _DECODER_STAND
    gain = 2 * _DECODER_STAND / decoder.norm_out.scale
    out = torch.zeros(of_patch.shape[1], decoder.conv_out.in_channels)
    out[:, :_RGB] = gain * of_patch.T
    _map(decoder.conv_out, out)


def _colour_of_patch(size: int) -> Tensor:
    """[3, 3 size^2] which of a patch's numbers are of which colour."""
    colours = torch.eye(_RGB).reshape(_RGB, _RGB, 1, 1, 1).expand(-1, -1, 1, size, size)
    return patchify(colours, size if size > 1 else None).reshape(_RGB, -1)


def _clear(conv: nn.Module) -> None:
    conv.weight.zero_()
    conv.bias.zero_()


def _spare(conv: nn.Module, used: int) -> None:
    """The first ``used`` outputs cleared, the others kept small."""
    conv.weight.mul_(_SPARE)
    conv.weight[:used] = 0.0
    conv.bias.zero_()


def _map(conv: nn.Module, rows: Tensor) -> None:
    """Output n is row n of the inputs, here and now; further outputs stay small and random."""
    _spare(conv, len(rows))
    middle = (conv.weight.shape[-2] // 2, conv.weight.shape[-1] // 2)
    conv.weight[: len(rows), : rows.shape[1], -1, middle[0], middle[1]] = rows


def _stand(conv: nn.Module, value: float) -> None:
    """The last output is a constant."""
    conv.weight[-1] = 0.0
    conv.bias[-1] = value
