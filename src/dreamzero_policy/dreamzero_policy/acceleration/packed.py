"""Products with weights through oneDNN on a CPU, from weights laid out once; applied from outside.

What PyTorch calls on a CPU lays a weight out anew for every product, and takes the GELU of a
feed-forward as a pass of its own. Here the layout is made once and the GELU is taken where the
product leaves the registers. The numbers are the same to rounding. It costs the weights' memory a
second time, and later changes of a weight are not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Container
from typing import NamedTuple

import torch
from torch import Tensor, nn

NARROWEST = 256
"""Width from which a layout of its own pays; below, only what ends in a GELU gains."""

LIMIT = 1 << 30
"""Bytes of weights above which nothing is laid out: the copy would be as large."""


def pack_linears(model: nn.Module, limit: int = LIMIT) -> int:
    """Has the plain linear layers of ``model`` computed by oneDNN where that can be done and pays.

    Nothing changes where oneDNN is not built in, nor for weights on another device or in another
    dtype than float32, nor while gradients are on. Layers that were replaced before, by quantised
    ones for instance, stay as they are. A model may be compiled afterwards.

    Args:
        model: finished; what is done to its weights otherwise comes before this.
        limit: bytes of weights above which nothing is done.

    Returns:
        The number of layers.
    """
    chosen = _choose(model, (), limit)
    if any(layer.weight.device.type != "cpu" for layer in chosen.layers):
        return 0
    for module in chosen.feed_forwards:
        module.__class__ = _FeedForward
    for layer in chosen.layers:
        _lay_out(layer)
    return len(chosen.layers)


def copied_bytes(model: nn.Module, converted: Container[str] = (), limit: int = LIMIT) -> int:
    """Memory that ``pack_linears`` will take for a model on a CPU in float32.

    Args:
        model: on any device, the meta device included.
        converted: names of layers that will be quantised before.
        limit: as for ``pack_linears``.
    """
    return sum(layer.weight.nbytes for layer in _choose(model, converted, limit).layers)


class _Chosen(NamedTuple):
    """What is to be changed in a model: layers in order, and feed-forwards that hold some."""

    layers: tuple[nn.Linear, ...]
    feed_forwards: tuple[nn.Sequential, ...]


def _choose(model: nn.Module, converted: Container[str], limit: int) -> _Chosen:
    """The layers that can be computed by oneDNN, and gain by it."""
    named = model.named_modules()
    linears = {each: None for name, each in named if name not in converted and _fits(each)}
    bytes_of_all = sum(each.weight.nbytes for each in linears)
    if not torch.backends.mkldnn.is_available() or bytes_of_all > limit:
        return _Chosen((), ())
    wide = [each for each in linears if min(each.weight.shape) >= NARROWEST]
    feed_forwards, inside = [], []
    for module in model.modules():
        parts = [*module.children()] if type(module) is nn.Sequential else []
        if [type(part) for part in parts] != [nn.Linear, nn.GELU, nn.Linear]:
            continue
        first, gelu, second = parts
        if gelu.approximate == "tanh" and first in linears and second in linears:
            feed_forwards.append(module)
            inside += [first, second]
    return _Chosen((*dict.fromkeys([*wide, *inside]),), (*feed_forwards,))


def _fits(module: nn.Module) -> bool:
    """Whether a module is a linear layer that oneDNN can take over."""
    if type(module) is not nn.Linear or module.bias is None:
        return False
    # A quantised weight is a tensor of its own kind.
    return type(module.weight) is nn.Parameter and module.weight.dtype == torch.float32


_copies: dict[int, Tensor] = {}
"""Weights in oneDNN's own order, by the address of the plain one: for compiled programs."""


def _lay_out(layer: nn.Linear) -> None:
    """Has a layer computed from a copy of its weight in oneDNN's own order."""
    layer.__class__ = _Linear
    layer.copy = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
    address = layer.weight.data_ptr()
    _copies[address] = layer.copy
    weakref.finalize(layer, _forget, address, weakref.ref(layer.copy))


def _forget(address: int, copy: weakref.ref[Tensor]) -> None:
    """Drops the copy of a layer that is gone, unless another layer has its address by now."""
    if _copies.get(address) is copy():
        _copies.pop(address, None)


class _Linear(nn.Linear):
    """A linear layer and the copy of its weight; all such are one program to a compiler."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return super().forward(x) if _usual(x) else self.product(x)

    def product(self, x: Tensor, then: str = "none", how: str = "") -> Tensor:
        """The layer and what follows it, in one."""
        if torch.compiler.is_compiling():
            return torch.ops.dreamzero.packed_linear(x, self.weight, self.bias, then, how)
        return torch.ops.mkldnn._linear_pointwise(x, self.copy, self.bias, then, [], how)


class _FeedForward(nn.Sequential):
    """A linear layer, a GELU and another linear layer, the GELU within the first product."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., D]."""
        first, _, second = self
        # Weights that another engine laid out may have been quantised since.
        if _usual(x) or type(first) is not _Linear or type(second) is not _Linear:
            return super().forward(x)
        return second.product(first.product(x, "gelu", "tanh"))


def _usual(x: Tensor) -> bool:
    """Whether the plain layers are to compute."""
    return torch.is_grad_enabled() or x.dtype != torch.float32


# A compiler cannot take a tensor in oneDNN's order. So it is given an operator of our own with the
# plain weight, of which that operator knows the copy.
_operators = torch.library.Library("dreamzero", "FRAGMENT")
_operators.define(
    "packed_linear(Tensor x, Tensor weight, Tensor bias, str then, str how) -> Tensor"
)


def _compute(x: Tensor, weight: Tensor, bias: Tensor, then: str, how: str) -> Tensor:
    copy = _copies[weight.data_ptr()]
    return torch.ops.mkldnn._linear_pointwise(x, copy, bias, then, [], how)


def _shape(x: Tensor, weight: Tensor, bias: Tensor, then: str, how: str) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


_operators.impl("packed_linear", _compute, "CPU")
torch.library.register_fake("dreamzero::packed_linear", _shape, lib=_operators)
