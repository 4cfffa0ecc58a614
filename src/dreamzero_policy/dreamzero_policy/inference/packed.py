"""Products with weights through oneDNN on a CPU, from weights laid out once; applied from outside.

What PyTorch calls on a CPU lays a weight out anew for every product, and takes the GELU of a
feed-forward as a pass of its own. Here the layout is made once and the GELU is taken where the
product leaves the registers. The numbers are the same to rounding. It costs the weights' memory a
second time, and later changes of a weight are not seen.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

NARROWEST = 256
"""Width from which a layout of its own pays; below, only what ends in a GELU gains."""

LIMIT = 4 << 30
"""Bytes of weights above which nothing is laid out: the copy would be as large."""


def pack_linears(model: nn.Module, limit: int = LIMIT) -> int:
    """Has the plain linear layers of ``model`` computed by oneDNN where that can be done and pays.

    Nothing changes where oneDNN is not built in, nor for weights on another device or in another
    dtype than float32, nor while gradients are on. Layers that were replaced before, by quantised
    ones for instance, stay as they are.

    Args:
        model: finished; what is done to its weights otherwise comes before this.
        limit: bytes of weights above which nothing is done.

    Returns:
        The number of layers.
    """
    layers = {name: each for name, each in model.named_modules() if _fits(each)}
    if not torch.backends.mkldnn.is_available() or _bytes(layers.values()) > limit:
        return 0
    count = 0
    for module in model.modules():
        parts = [*module.children()] if type(module) is nn.Sequential else []
        if [type(part) for part in parts] != [nn.Linear, nn.GELU, nn.Linear]:
            continue
        first, gelu, second = parts
        if gelu.approximate == "tanh" and _fits(first) and _fits(second):
            module.forward = partial(_feed_forward, module, _laid_out(first), _laid_out(second))
            count += 2
            layers = {name: each for name, each in layers.items() if each not in (first, second)}
    for layer in layers.values():
        if min(layer.weight.shape) >= NARROWEST:
            layer.forward = partial(_linear, layer, _laid_out(layer))
            count += 1
    return count


def _fits(module: nn.Module) -> bool:
    """Whether a module is a linear layer that oneDNN can take over."""
    if type(module) is not nn.Linear or module.bias is None:
        return False
    return module.weight.device.type == "cpu" and module.weight.dtype == torch.float32


def _bytes(layers: object) -> int:
    return sum(layer.weight.nbytes for layer in layers)


def _laid_out(layer: nn.Linear) -> Tensor:
    """The weight in oneDNN's own order."""
    return torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())


def _linear(layer: nn.Linear, weight: Tensor, x: Tensor) -> Tensor:
    """What ``nn.Linear`` computes."""
    if torch.is_grad_enabled() or x.dtype != torch.float32:
        return nn.Linear.forward(layer, x)
    return torch.ops.mkldnn._linear_pointwise(x, weight, layer.bias, "none", [], "")


def _feed_forward(module: nn.Sequential, first: Tensor, second: Tensor, x: Tensor) -> Tensor:
    """What a linear layer, a GELU and another linear layer compute one after the other."""
    if torch.is_grad_enabled() or x.dtype != torch.float32:
        return nn.Sequential.forward(module, x)
    linear, _, out = module
    h = torch.ops.mkldnn._linear_pointwise(x, first, linear.bias, "gelu", [], "tanh")
    return torch.ops.mkldnn._linear_pointwise(h, second, out.bias, "none", [], "")
