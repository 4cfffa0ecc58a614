"""Products with weights through oneDNN on a CPU, from weights laid out once; applied from outside.

What PyTorch calls on a CPU lays a weight out anew for every product, and takes the GELU of a
feed-forward as a pass of its own. Here the layout is made once and the GELU is taken where the
product leaves the registers. The numbers are the same to rounding. It costs the weights' memory a
second time, and later changes of a weight are not seen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NARROWEST = 256
"""Width from which a layout of its own pays; below, only what ends in a GELU gains."""

LIMIT = 1 << 30
"""Bytes of weights above which nothing is laid out: the copy would be as large."""


def pack_linears(model: nn.Module, limit: int = LIMIT) -> int:
    """Has the plain linear layers of ``model`` computed by oneDNN where that can be done and pays.

    Nothing changes where oneDNN is not built in, nor for weights on another device or in another
    dtype than float32, nor while gradients are on or a compiler looks. Layers that were replaced
    before, by quantised ones for instance, stay as they are.

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
            module.forward = _FeedForward(module)
            count += 2
            layers = {name: each for name, each in layers.items() if each not in (first, second)}
    for layer in layers.values():
        if min(layer.weight.shape) >= NARROWEST:
            layer.forward = _Linear(layer)
            count += 1
    return count


def _fits(module: nn.Module) -> bool:
    """Whether a module is a linear layer that oneDNN can take over."""
    if type(module) is not nn.Linear or module.bias is None:
        return False
    if type(module.weight) is not nn.Parameter:  # a quantised weight is a tensor of its own kind
        return False
    return module.weight.device.type == "cpu" and module.weight.dtype == torch.float32


def _bytes(layers: object) -> int:
    return sum(layer.weight.nbytes for layer in layers)


def _laid_out(layer: nn.Linear) -> Tensor:
    """The weight in oneDNN's own order."""
    return torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())


class _Linear:
    """What ``nn.Linear`` computes.

    Args:
        layer: the layer.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self._layer, self._weight = layer, _laid_out(layer)

    def __call__(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        if _usual(x):
            return nn.Linear.forward(self._layer, x)
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._layer.bias, "none", [], "")


class _FeedForward:
    """What a linear layer, a GELU and another linear layer compute one after the other.

    Args:
        layers: these three.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        self._layers, (first, _, second) = layers, layers
        self._first, self._second = _laid_out(first), _laid_out(second)
        self._biases = first.bias, second.bias

    def __call__(self, x: Tensor) -> Tensor:
        """[..., D] to [..., D]."""
        if _usual(x):
            return nn.Sequential.forward(self._layers, x)
        first, second = self._biases
        h = torch.ops.mkldnn._linear_pointwise(x, self._first, first, "gelu", [], "tanh")
        return torch.ops.mkldnn._linear_pointwise(h, self._second, second, "none", [], "")


def _usual(x: Tensor) -> bool:
    """Whether the plain layers are to compute: a compiler lays weights out for itself."""
    return torch.is_grad_enabled() or torch.compiler.is_compiling() or x.dtype != torch.float32
