"""Names of tensors: what a released checkpoint calls them and what our modules call them.

A policy checkpoint stores the DiT under the names that our module has, and the frozen encoders
under names of their own; transformers and diffusers use others (design: model.md 8.2, Appendix C).
``layout`` states the whole correspondence for one configuration: every tensor of a checkpoint, its
shape there, and where it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

DIT = "action_head.model."
TEXT = "action_head.text_encoder."
IMAGE = "action_head.image_encoder.model."
VAE = "action_head.vae.model."
COMPONENTS = {"text encoder": TEXT, "image encoder": IMAGE, "video VAE": VAE, "causal DiT": DIT}
"""Prefix of each component's tensors, by what people call it."""


@dataclass(frozen=True)
class Slot:
    """One tensor of a checkpoint.

    Attributes:
        name: in the checkpoint.
        shape: in the checkpoint.
        parameters: our parameters that it fills: one, or several of equal size that lie in it one
            behind the other along axis 0 (the fused query, key and value of CLIP).
        shapes: shape of each of them; the same number of elements, singleton axes may differ.
    """

    name: str
    shape: tuple[int, ...]
    parameters: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def split(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """(our name, our tensor) for each part of a checkpoint's tensor, as views of it."""
        parts = tensor.chunk(len(self.parameters)) if len(self.parameters) > 1 else (tensor,)
        for name, shape, part in zip(self.parameters, self.shapes, parts, strict=True):
            yield name, part.reshape(shape)

    def join(self, tensors: dict[str, Tensor]) -> Tensor:
        """The checkpoint's tensor from our parameters by name."""
        parts = [tensors[name] for name in self.parameters]
        whole = torch.cat(parts) if len(parts) > 1 else parts[0]
        return whole.reshape(self.shape)


def layout(model: nn.Module) -> dict[str, Slot]:
    """Every tensor of a checkpoint of this model, by its name there.

    Args:
        model: a ``DreamZero``, or a module with some of its parts; may be on the meta device.
    """
    vae = getattr(model, "vae", None)
    levels = (vae.config.num_res_blocks, vae.config.residual) if vae else (0, False)
    slots: dict[str, Slot] = {}
    fused: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name, parameter in model.named_parameters():
        upstream, shape = _upstream(name, *levels), tuple(parameter.shape)
        match = re.fullmatch(r"(.*\.self_attn)\.([qkv])_proj\.(weight|bias)", upstream)
        if match:
            key = f"{match[1].removesuffix('.self_attn')}.attn.to_qkv.{match[3]}"
            fused.setdefault(key, []).append((match[2], name, shape))
            continue
        slots[upstream] = Slot(upstream, _upstream_shape(upstream, shape), (name,), (shape,))
    for upstream, parts in fused.items():
        parts.sort(key=lambda part: "qkv".index(part[0]))
        rows, *rest = parts[0][2]
        names, shapes = tuple(p[1] for p in parts), tuple(p[2] for p in parts)
        slots[upstream] = Slot(upstream, (3 * rows, *rest), names, shapes)
    return slots


def _upstream_shape(upstream: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape in the checkpoint of a tensor that is ours in another number of axes."""
    if upstream == f"{IMAGE}visual.cls_embedding":
        return (1, 1, *shape)
    if upstream == f"{IMAGE}visual.pos_embedding":
        return (1, *shape)
    return shape


def _upstream(name: str, res_blocks: int, residual: bool) -> str:
    """A checkpoint's name of our parameter; CLIP's query, key and value still apart."""
    part, _, rest = name.partition(".")
    if part == "dit":
        return DIT + rest
    if part == "text_encoder":
        return TEXT + _replace(rest.removeprefix("net."), _TEXT_RULES)
    if part == "image_encoder":
        if rest == "log_scale":
            return IMAGE + rest
        return f"{IMAGE}visual.{_replace(rest.removeprefix('net.'), _IMAGE_RULES)}"
    return VAE + _vae_name(rest.removeprefix("net."), res_blocks, residual)


def _replace(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Applies every rule in order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


_TEXT_RULES = (
    (r"^shared\.", "token_embedding."),
    (r"^encoder\.final_layer_norm\.", "norm."),
    (r"^encoder\.block\.(\d+)\.layer\.0\.layer_norm\.", r"blocks.\1.norm1."),
    (
        r"^encoder\.block\.(\d+)\.layer\.0\.SelfAttention\.relative_attention_bias\.",
        r"blocks.\1.pos_embedding.embedding.",
    ),
    (r"^encoder\.block\.(\d+)\.layer\.0\.SelfAttention\.", r"blocks.\1.attn."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.layer_norm\.", r"blocks.\1.norm2."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wi_0\.", r"blocks.\1.ffn.gate.0."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wi_1\.", r"blocks.\1.ffn.fc1."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wo\.", r"blocks.\1.ffn.fc2."),
)
_IMAGE_RULES = (
    (r"^embeddings\.class_embedding$", "cls_embedding"),
    (r"^embeddings\.position_embedding\.weight$", "pos_embedding"),
    (r"^embeddings\.patch_embedding\.", "patch_embedding."),
    (r"^pre_layrnorm\.", "pre_norm."),
    (r"^post_layernorm\.", "post_norm."),
    (r"^encoder\.layers\.(\d+)\.", r"transformer.\1."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.layer_norm([12])\.", r".norm\1."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
)
_RESIDUAL_RULES = (
    (r"\.norm1\.", ".residual.0."),
    (r"\.conv1\.", ".residual.2."),
    (r"\.norm2\.", ".residual.3."),
    (r"\.conv2\.", ".residual.6."),
    (r"\.conv_shortcut\.", ".shortcut."),
)
_VAE_RULES = (
    (r"^quant_conv\.", "conv1."),
    (r"^post_quant_conv\.", "conv2."),
    (r"^(encoder|decoder)\.conv_in\.", r"\1.conv1."),
    (r"^(encoder|decoder)\.norm_out\.", r"\1.head.0."),
    (r"^(encoder|decoder)\.conv_out\.", r"\1.head.2."),
    (r"\.mid_block\.attentions\.0\.", ".middle.1."),
)


def _vae_name(name: str, res_blocks: int, residual: bool) -> str:
    """A checkpoint's name of a parameter of ``AutoencoderKLWan``."""
    if re.search(r"\.(resnets|down_blocks)\.\d+\.(norm|conv)", name):
        name = _replace(name, _RESIDUAL_RULES)
    name = _replace(name, _VAE_RULES)
    name = re.sub(r"\.mid_block\.resnets\.(\d)\.", lambda m: f".middle.{2 * int(m[1])}.", name)
    if residual:
        name = re.sub(
            r"\.(down|up)sampler\.", lambda m: f".resnets.{_last(m[1], res_blocks)}.", name
        )
        name = re.sub(r"\.down_blocks\.(\d+)\.resnets\.", r".downsamples.\1.downsamples.", name)
        return re.sub(r"\.up_blocks\.(\d+)\.resnets\.", r".upsamples.\1.upsamples.", name)
    name = re.sub(r"\.upsamplers\.0\.", f".resnets.{res_blocks + 1}.", name)
    name = name.replace(".down_blocks.", ".downsamples.")
    per_level = res_blocks + 2  # the decoder's blocks of a level and the step to the next

    def running_number(match: re.Match[str]) -> str:
        return f".upsamples.{int(match[1]) * per_level + int(match[2])}."

    return re.sub(r"\.up_blocks\.(\d+)\.resnets\.(\d+)\.", running_number, name)


def _last(direction: str, res_blocks: int) -> int:
    """Number of a level's step to the next one, counted behind its residual blocks."""
    return res_blocks if direction == "down" else res_blocks + 1
