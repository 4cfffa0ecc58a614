"""Stores and multiplies the network's large matrices in fewer bits, applied to a finished network.

What each precision converts, of the linear layers of every block:

    int8     all of them: weights alone, for a CPU's memory; sums stay in the working dtype
    fp8      all but the self-attention's queries, keys and values, which stay in bfloat16
    nvfp4    the same layers in four bits, and the three that fp8 leaves out in fp8

Softmax and attention, norms, modulation, embeddings of time, text, image, actions and states, and
both decoders always stay in the working dtype: they are small or what everything else hangs on.
With fp8 and nvfp4 weights are scaled once and activations at every call, fp8 by a factor per row.
The encoders are not touched. All of it is approximate.

The work is torchao's; it is imported when something is converted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor, nn

from dreamzero_policy.model.dit import CausalDiT

Precision = Literal["none", "int8", "fp8", "nvfp4"]

_CAPABILITY: dict[Precision, tuple[int, int]] = {"none": (0, 0), "fp8": (8, 9), "nvfp4": (10, 0)}
"""Least compute capability of a GPU: Ada and Hopper multiply in 8 bits, Blackwell in 4 as well."""

_ALIGNED = 16
"""Matrix sizes that tensor cores take in 8 or 4 bits are multiples of this."""


@dataclass(frozen=True)
class Quantized:
    """What became of the linear layers of the blocks, by name.

    Attributes:
        converted: precision to the layers in it.
        left: layers that stay as they were because a side of them is no multiple of 16.
    """

    converted: dict[Precision, tuple[str, ...]]
    left: tuple[str, ...]


def check(precision: Precision, device: torch.device | str) -> None:
    """Makes sure that a device computes in a precision, before anything is loaded onto it.

    Raises:
        ValueError: it does not, or there is no such precision; the message names the device, its
            capability and the precisions that it has.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision: expected one of {get_args(Precision)}, got {precision!r}")
    device = torch.device(device)
    has = precisions(device)
    if precision in has:
        return
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        name = f"{torch.cuda.get_device_name(device)} ({device}, compute capability "
        name += f"{capability[0]}.{capability[1]})"
    else:
        name = f"the device {device}"
    least = _CAPABILITY.get(precision)
    needs = "a CPU" if least is None else f"a GPU of compute capability {least[0]}.{least[1]}"
    raise ValueError(
        f"precision: {precision} needs {needs}, which {name} is not; it has {', '.join(has)}"
    )


def precisions(device: torch.device | str) -> tuple[Precision, ...]:
    """Those that a device computes in."""
    device = torch.device(device)
    if device.type != "cuda":
        return ("none", "int8") if device.type == "cpu" else ("none",)
    capability = torch.cuda.get_device_capability(device)
    return tuple(name for name, least in _CAPABILITY.items() if capability >= least)


def plan(dit: CausalDiT, precision: Precision) -> Quantized:
    """Which layers a precision would convert, into what."""
    converted: dict[Precision, list[str]] = {}
    left = []
    for name, module in dit.named_modules():
        if not (name.startswith("blocks.") and isinstance(module, nn.Linear)):
            continue
        target = _target(name, precision)
        if target == "none":
            continue
        aligned = module.in_features % _ALIGNED == module.out_features % _ALIGNED == 0
        if target == "int8" or aligned:
            converted.setdefault(target, []).append(name)
        else:
            left.append(name)
    return Quantized({key: tuple(names) for key, names in converted.items()}, tuple(left))


def _target(name: str, precision: Precision) -> Precision:
    """The precision of one layer of a block."""
    sensitive = name.rpartition(".")[0].endswith("self_attn") and not name.endswith(".o")
    if not sensitive:
        return precision
    return {"none": "none", "int8": "int8", "fp8": "none", "nvfp4": "fp8"}[precision]


def precision_of(dit: CausalDiT) -> Precision:
    """The precision that a network was converted to."""
    weights = (module.weight for module in dit.blocks.modules() if isinstance(module, nn.Linear))
    kinds = {type(weight).__name__ for weight in weights}
    names = {"NVFP4Tensor": "nvfp4", "Float8Tensor": "fp8", "Int8Tensor": "int8"}
    return next((mode for kind, mode in names.items() if kind in kinds), "none")


def quantize(
    dit: CausalDiT, precision: Precision, device: torch.device | str | None = None
) -> Quantized:
    """Converts a network in place.

    Args:
        dit: with its weights; fp8 and nvfp4 expect them in bfloat16.
        precision: what to convert it to; nothing is done where it is in it already.
        device: where the network goes, layer by layer as it is converted, so that a GPU never holds
            the unconverted whole; None: it stays where it is.

    Returns:
        What was converted, and what could not be.

    Raises:
        ValueError: the device does not compute in this precision, the weights have another dtype,
            or they are in another precision already.
    """
    device = torch.device(device or dit.patch_embedding.weight.device)
    check(precision, device)
    now, planned = precision_of(dit), plan(dit, precision)
    if now not in ("none", precision):
        raise ValueError(f"precision: expected weights that are not converted yet, got {now}")
    if precision in ("fp8", "nvfp4") and dit.dtype != torch.bfloat16:
        raise ValueError(f"precision: {precision} expects bfloat16 weights, got {dit.dtype}")
    if now == "none":
        convert(dit, planned, device)
    dit.to(device)
    return planned


def convert(dit: CausalDiT, planned: Quantized, device: torch.device) -> None:
    """Converts layers without asking what the device can: as ``quantize`` does after its checks."""
    makers = {"int8": _int8, "fp8": _fp8, "nvfp4": _nvfp4}
    for precision, names in planned.converted.items():
        for name in names:
            module = dit.get_submodule(name)
            weight = module.weight.detach().to(device)
            layer = _layer(module, makers[precision](weight), rows=precision != "int8")
            owner, _, leaf = name.rpartition(".")
            setattr(dit.get_submodule(owner), leaf, layer.to(device).eval())


class AlignedLinear(nn.Linear):
    """A linear layer that is given a multiple of 16 rows, whatever comes.

    The rows that are added are zero and cut off again; a row's factor is its own, so they change
    nothing in the others.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, in] to [B, L, out]."""
        rows = x.shape[-2]
        padding = -rows % _ALIGNED
        if not padding:
            return super().forward(x)
        return super().forward(F.pad(x, (0, 0, 0, padding)))[..., :rows, :]


def _layer(module: nn.Linear, weight: Tensor, rows: bool) -> nn.Linear:
    """A layer of another weight, and the same bias."""
    with torch.device("meta"):
        kind = AlignedLinear if rows else nn.Linear
        layer = kind(module.in_features, module.out_features, module.bias is not None)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = module.bias
    return layer


def _int8(weight: Tensor) -> Tensor:
    """Whole numbers of 8 bits and a factor per output."""
    from torchao.quantization import Int8Tensor, PerRow

    return Int8Tensor.from_hp(weight, granularity=PerRow())


def _fp8(weight: Tensor) -> Tensor:
    """Numbers of 8 bits and a factor per output; activations get one per token at every call."""
    from torchao.float8.inference import Float8MMConfig
    from torchao.quantization import Float8Tensor, PerRow
    from torchao.quantization.quantize_.workflows import QuantizeTensorToFloat8Kwargs

    return Float8Tensor.from_hp(
        weight,
        granularity=PerRow(),
        mm_config=Float8MMConfig(use_fast_accum=True),
        act_quant_kwargs=QuantizeTensorToFloat8Kwargs(granularity=PerRow()),
    )


def _nvfp4(weight: Tensor) -> Tensor:
    """Numbers of 4 bits, an 8-bit factor per 16 of them, and one for the tensor."""
    from torchao.prototype.mx_formats.nvfp4_tensor import (
        NVFP4Tensor,
        QuantizeTensorToNVFP4Kwargs,
        per_tensor_amax_to_scale,
    )

    return NVFP4Tensor.to_nvfp4(
        weight,
        per_tensor_scale=per_tensor_amax_to_scale(weight.abs().max()),
        is_swizzled_scales=True,
        act_quant_kwargs=QuantizeTensorToNVFP4Kwargs(
            use_dynamic_per_tensor_scale=True, is_swizzled_scales=True, use_triton_kernel=False
        ),
    )
