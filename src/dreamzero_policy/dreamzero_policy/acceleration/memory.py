"""How much memory a model needs as it is to be run, from its sizes, before anything is loaded.

Weights, caches and the keys of prompt and image are counted tensor by tensor, from the modules
themselves on the meta device. What computing takes on top of them is an estimate: the largest
tensors of the largest step, and what a GPU's libraries keep for themselves.

Sizes are bytes; GB are 10^9 of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from dreamzero_policy.acceleration import packed, quantize
from dreamzero_policy.acceleration.quantize import Precision
from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.model.config import ModelConfig

if TYPE_CHECKING:
    from rich.table import Table

_BITS: dict[Precision, float] = {"int8": 8.0, "fp8": 8.0, "nvfp4": 4.5}
"""Per weight; nvfp4 has a factor of 8 bits for every 16 weights."""

_LIBRARIES = 1_000_000_000
"""What CUDA, cuBLAS and cuDNN keep on a GPU besides tensors."""

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Use:
    """How a model is to be run, as far as memory depends on it.

    Attributes:
        precision: of the network's large matrices.
        branches: copies of the network's memory, 2 with guidance.
        windows: contexts at a time, 2 where a full one restarts warm.
        blocks: in a window; None: as many as the model was trained with.
        text_on_cpu: whether the text encoder stays in the host's memory.
        graphs: whether forwards are recorded as CUDA graphs, which have their own copy of prompt
            and image and their own room to compute in.
    """

    precision: Precision = "none"
    branches: int = 2
    windows: int = 1
    blocks: int | None = None
    text_on_cpu: bool = False
    graphs: bool = False


@dataclass(frozen=True)
class Estimate:
    """Bytes by what they are for.

    Attributes:
        parts: on the device where the model runs.
        host: in the host's memory while the model is loaded, if weights go through it.
    """

    parts: Mapping[str, int]
    host: int

    @property
    def total(self) -> int:
        """Bytes on the device."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        """The total and every part, for a person."""
        parts = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in self.parts.items())
        return f"{self.total / 1e9:.1f} GB ({parts})"


def estimate(
    config: ModelConfig,
    use: Use = Use(),
    device: torch.device | str = "cuda",
    dtype: torch.dtype | None = None,
) -> Estimate:
    """What a model needs.

    Args:
        config: its sizes.
        use: how it is run.
        device: where; it need not be there.
        dtype: of what is not quantised; None: as ``checkpoint.load`` chooses it.

    Raises:
        ValueError: sizes that no model can be built of.
    """
    device = torch.device(device)
    dtype = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    size = dtype.itemsize
    counts = _parameters(config, use.precision)
    whole = {name: part * size for name, part in counts.encoders}
    network = counts.plain * size + counts.converted
    staged = device.type == "cuda" and (use.precision != "none" or use.text_on_cpu)
    parts = {"network": network, **whole}
    if device.type != "cuda" and use.precision != "none":
        parts["network before it is converted"] = counts.network * size - network
    if device.type == "cpu" and dtype == torch.float32 and counts.copied:
        parts["layers laid out for oneDNN"] = counts.copied
    if use.text_on_cpu and device.type == "cuda":
        del parts["text encoder"]
    host = counts.network * size + sum(whole.values()) if staged else 0
    parts |= {
        "context": use.windows * use.branches * _window(config, use.blocks) * size,
        "prompt and image": _keys(config, use.branches) * size * (2 if use.graphs else 1),
        "computing": _computing(config, size) + (_forward(config, size) if use.graphs else 0),
    }
    if device.type == "cuda":
        parts["libraries"] = _LIBRARIES
    return Estimate(parts, host)


@dataclass(frozen=True)
class _Counts:
    """Parameters: of every encoder, of the network, of what stays of it; bytes of what does not.

    ``copied`` are the bytes of the layers that have a copy on a CPU (``packed.py``).
    """

    encoders: tuple[tuple[str, int], ...]
    network: int
    plain: int
    converted: int
    copied: int


@cache
def _parameters(config: ModelConfig, precision: Precision) -> _Counts:
    """Counts of a model's modules."""
    model = build(config)
    network, converted, bytes_of_them = _count(model.dit), 0, 0
    plan = quantize.plan(model.dit, precision).converted
    for target, names in plan.items():
        for name in names:
            weight = model.dit.get_submodule(name).weight
            converted += weight.numel()
            factors = 4 if target != "nvfp4" else 0  # float32, per output
            bytes_of_them += round(weight.numel() * _BITS[target] / 8) + factors * len(weight)
    encoders = (
        ("text encoder", _count(model.text_encoder)),
        ("image encoder", _count(model.image_encoder)),
        ("video VAE", _count(model.vae)),
    )
    names = {name for names in plan.values() for name in names}
    copied = packed.copied_bytes(model.dit, names)
    return _Counts(encoders, network, network - converted, bytes_of_them, copied)


def _count(module: nn.Module) -> int:
    """Parameters; one under two names is counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _window(config: ModelConfig, blocks: int | None) -> int:
    """Numbers in the keys and values of one branch, scratch rows included."""
    if blocks is not None:
        config = config.with_blocks(blocks)
    tail = config.num_action_per_block + config.num_state_per_block
    return config.num_layers * 2 * (config.window_tokens + tail) * config.dim


def _keys(config: ModelConfig, branches: int) -> int:
    """Numbers in the cross-attention's keys and values: of every prompt, and of one image."""
    tokens = branches * config.text_len + config.image.tokens
    return config.num_layers * 2 * tokens * config.dim


def _forward(config: ModelConfig, size: int) -> int:
    """Bytes of the tensors of a refresh and an evaluation in one forward, estimated.

    Some ten of all tokens, two of them in float32, and the two of the feed-forward layer.
    """
    tail = config.num_action_per_block + config.num_state_per_block
    tokens = 2 * config.num_frame_per_block * config.frame_seqlen + tail
    return tokens * (config.dim * (8 * size + 8) + 2 * config.ffn_dim * size)


def _computing(config: ModelConfig, size: int) -> int:
    """Bytes of the largest step's tensors, estimated.

    A forward, four frames in the VAE's widest layers, or a prompt's scores in float32.
    """
    height, width = (side * config.vae.spatial_stride for side in config.latent_size)
    pixels = height * width // config.vae.patch_size**2
    channels = max(config.vae.base_dim, config.vae.decoder_base_dim)
    frames = 6 * channels * 4 * pixels * size
    text = config.text
    scores = 3 * text.num_heads * config.text_len**2 * 4 + 4 * config.text_len * text.ffn_dim * size
    return max(_forward(config, size), frames, scores)


def free(device: torch.device | str) -> int:
    """Bytes that are free on a device now: of a CPU, what the host or its container can still give.

    Raises:
        RuntimeError: there is no such GPU.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return min((psutil.virtual_memory().available, *_container()))


def _container() -> Iterator[int]:
    """What the container may still take, if it is limited."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return
    if limit.isdigit():
        yield int(limit) - used + int(cached.get("inactive_file", 0))


def check(
    config: ModelConfig,
    use: Use,
    device: torch.device | str,
    dtype: torch.dtype | None = None,
) -> Estimate:
    """Refuses to load what would not fit.

    Args:
        config: as for ``estimate``.
        use: the same.
        device: the same, and it is there.
        dtype: the same.

    Returns:
        What is needed.

    Raises:
        ValueError: more is needed than is free; the message has what, and which options would fit.
    """
    needed, device = estimate(config, use, device, dtype), torch.device(device)
    room = free(device)
    if needed.total > room:
        fits = "; ".join(_fitting(config, use, device, dtype, room)) or "nothing that can be set"
        raise ValueError(
            f"memory: the model needs {needed}, and {_where(device)} has {room / 1e9:.1f} GB free; "
            f"what would fit: {fits}"
        )
    if needed.host and needed.host > (room := free("cpu")):
        raise ValueError(
            f"memory: {needed.host / 1e9:.1f} GB of the host's memory are needed for weights that "
            f"go through it or stay there, and {room / 1e9:.1f} GB are free"
        )
    return needed


def _fitting(
    config: ModelConfig,
    use: Use,
    device: torch.device,
    dtype: torch.dtype | None,
    room: int,
) -> Iterator[str]:
    """Settings that need no more than ``room``, and none of them more changes than it takes."""
    changes: dict[str, dict[str, object]] = {}
    if device.type == "cuda" and not use.text_on_cpu:
        changes["text_encoder: cpu"] = {"text_on_cpu": True}
    if use.branches > 1:
        changes["guidance_scale: 1.0"] = {"branches": 1}
    if use.windows > 1:
        changes["restart: cold"] = {"windows": 1}
    if device.type == "cuda" and use.precision == "none":
        has = quantize.precisions(device)
        changes |= {f"precision: {name}": {"precision": name} for name in has if name != "none"}
    enough: list[set[str]] = []
    for count in range(1, len(changes) + 1):
        for words in itertools.combinations(changes, count):
            merged = {key: value for word in words for key, value in changes[word].items()}
            if len(merged) < count or any(fewer <= set(words) for fewer in enough):
                continue
            smaller = estimate(config, replace(use, **merged), device, dtype)
            if smaller.total <= room:
                enough.append(set(words))
                yield f"{' with '.join(words)} ({smaller.total / 1e9:.1f} GB)"


def _where(device: torch.device) -> str:
    """The device as a person knows it."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return "this host"


def table(config: ModelConfig) -> Table:
    """What a GPU needs for a model, by the settings that matter most."""
    from rich.table import Table
    from rich.text import Text

    made = Table(
        *("precision", "guidance", "text encoder", "GB", "of it weights", "context", "the rest"),
        title=Text("memory of a GPU, estimated"),
        title_justify="left",
    )
    for precision, branches, apart in (
        *(("none", 2, False), ("none", 1, False), ("none", 1, True)),
        *(("fp8", 2, False), ("fp8", 1, False), ("fp8", 1, True), ("nvfp4", 1, True)),
    ):
        use = Use(precision, branches, text_on_cpu=apart, graphs=True)
        needed = estimate(config, use)
        weights = sum(
            size
            for name, size in needed.parts.items()
            if name in ("network", "text encoder", "image encoder", "video VAE")
        )
        context = needed.parts["context"]
        sizes = (needed.total, weights, context, needed.total - weights - context)
        made.add_row(
            precision,
            "on" if branches == 2 else "off",
            "cpu" if apart else "device",
            *(f"{size / 1e9:.2f}" for size in sizes),
        )
    return made
