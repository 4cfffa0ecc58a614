"""Three-dimensional convolutions through oneDNN on a CPU, applied to a finished model from outside.

On one thread PyTorch takes its own slow algorithm for a small 3-D convolution of batch 1, where
oneDNN's takes a quarter of the time. Only this choice is changed; the numbers are the same to
rounding.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn


def prefer_onednn(model: nn.Module) -> int:
    """Has every plain 3-D convolution of ``model`` computed by oneDNN where that can be done.

    Nothing changes where oneDNN is not built in. A convolution on another device, in another dtype,
    or whose gradient is wanted, goes the usual way.

    Returns:
        The number of convolutions.
    """
    if not torch.backends.mkldnn.is_available():
        return 0
    plain = [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv3d)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    ]
    for module in plain:
        module._conv_forward = partial(_convolve, module)
    return len(plain)


def _convolve(module: nn.Conv3d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What ``nn.Conv3d`` computes."""
    usual = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled()
    if usual:
        return nn.Conv3d._conv_forward(module, x, weight, bias)
    return torch.mkldnn_convolution(
        x, weight, bias, module.padding, module.stride, module.dilation, module.groups
    )
