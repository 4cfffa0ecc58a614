"""Low-rank adapters: a layer's weight is W + (alpha / r) B A, with A [r, in] and B [out, r].

On a robot adapters are always merged into W before the cast to the working dtype. Training wraps
the layers instead, so that W stays frozen (design: model.md 8.4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

TARGETS = ("q", "k", "v", "o", "ffn.0", "ffn.2")
"""Last name parts of the linear layers that the reference adapts."""

_TENSOR = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")


def split_name(name: str) -> tuple[str, str | None]:
    """(plain name, "A", "B" or None) of a tensor in a checkpoint of any adapter library's version.

    Plain names lack ``base_model.model.`` and ``base_layer.``; an adapter's tensor gets the name of
    the weight that it changes.
    """
    name = name.replace("base_model.model.", "").replace(".base_layer.", ".")
    match = _TENSOR.fullmatch(name)
    return (f"{match[1]}.weight", match[2]) if match else (name, None)


def merged(weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """A weight with its adapter, in float32.

    Args:
        weight: [out, in].
        a: [r, in].
        b: [out, r].
        scale: alpha over r.

    Raises:
        ValueError: shapes that do not fit.
    """
    if a.ndim != 2 or b.ndim != 2 or weight.ndim != 2:
        raise ValueError(f"expected matrices, got {[list(t.shape) for t in (weight, a, b)]}")
    if a.shape[0] != b.shape[1] or (b.shape[0], a.shape[1]) != tuple(weight.shape):
        raise ValueError(
            f"expected A [r, {weight.shape[1]}] and B [{weight.shape[0]}, r], "
            f"got {list(a.shape)} and {list(b.shape)}"
        )
    return torch.addmm(weight.float(), b.float(), a.float(), alpha=scale)


class AdaptedLinear(nn.Module):
    """A frozen linear layer with an adapter that learns; starts out as the layer alone.

    Args:
        base: the layer.
        rank: r.
        alpha: with r the scale.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank: expected at least 1, got {rank}")
        self.base_layer = base.requires_grad_(False)
        self.scale = alpha / rank
        like = base.weight
        self.lora_A = nn.Linear(base.in_features, rank, bias=False).to(like.device, like.dtype)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False).to(like.device, like.dtype)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=5**0.5)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return self.base_layer(x) + self.scale * self.lora_B(self.lora_A(x))

    def merge(self) -> nn.Linear:
        """The layer with the adapter in its weight."""
        weight, a, b = self.base_layer.weight, self.lora_A.weight, self.lora_B.weight
        with torch.no_grad():
            weight.copy_(merged(weight, a, b, self.scale))
        return self.base_layer


def add(model: nn.Module, rank: int, alpha: float, targets: tuple[str, ...] = TARGETS) -> list[str]:
    """Wraps every linear layer of a model's blocks whose name ends in one of ``targets``.

    Args:
        model: the DiT.
        rank: r of every adapter.
        alpha: over r, the scale of every adapter.
        targets: last parts of names.

    Returns:
        Names of the wrapped layers.

    Raises:
        ValueError: nothing is called so.
    """
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("blocks.") and _ends(name, targets)
    ]
    if not names:
        raise ValueError(f"targets: no linear layer of a block ends in {', '.join(targets)}")
    for name in names:
        model.set_submodule(name, AdaptedLinear(model.get_submodule(name), rank, alpha))
    return names


def merge(model: nn.Module) -> None:
    """Undoes ``add``, adapters now in the weights."""
    for name, module in list(model.named_modules()):
        if isinstance(module, AdaptedLinear):
            model.set_submodule(name, module.merge())


def trained(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """(released name, tensor) of what a checkpoint of adapters holds.

    These are the adapters, and the codecs of actions and states, which are always trained in full.
    """
    for name, parameter in model.named_parameters():
        adapter = re.fullmatch(r"(.+\.lora_[AB])\.weight", name)
        if adapter:
            yield f"action_head.model.base_model.model.{adapter[1]}.default.weight", parameter
        elif re.match(r"(state_encoder|action_encoder|action_decoder)\.", name):
            yield f"action_head.model.base_model.model.{name}", parameter


def missing_twins(adapters: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Weights of which only half of the adapter is there."""
    return [name for name, halves in adapters.items() if set(halves) != {"A", "B"}]


def _ends(name: str, targets: tuple[str, ...]) -> bool:
    """Whether the last parts of a name are one of ``targets``."""
    return any(name.endswith(f".{target}") for target in targets)
