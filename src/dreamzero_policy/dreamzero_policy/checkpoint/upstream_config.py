"""``config.json`` of a checkpoint: the model's sizes and how it was trained (design: model.md 8.3).

Released files leave the encoders' sizes unsaid, since there is one of each; ours name them in a
block of their own, ``dreamzero_ros``, which the reference ignores.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamzero_policy.checkpoint.plain_config import Section, from_plain, to_plain
from dreamzero_policy.model.config import WAN21_VAE, WAN22_VAE, ModelConfig
from dreamzero_policy.model.presets import PRESETS
from dreamzero_policy.weights.errors import CheckpointError

CONFIG = "config.json"
OWN = "dreamzero_ros"
"""Block of ``config.json`` that only this project writes and reads."""

_REFERENCE = "groot.vla.model.dreamzero"  # where the reference finds its classes; text to us
_HEAD = "wan_flow_matching_action_tf.WANPolicyHead"
_DIT = "wan_video_dit_action_casual_chunk.CausalWanModel"

_DIT_SIZES = (
    *("dim", "ffn_dim", "num_heads", "num_layers", "in_dim", "out_dim", "frame_seqlen"),
    *("num_frame_per_block", "num_action_per_block", "num_state_per_block"),
)
_LIMITS = {"num_layers": 256, "num_res_blocks": 16, "max_chunk_size": 1024, "vocab_size": 1 << 20}
_FLASH_SIGMA = 0.8  # left in the video by the reference where it decouples and says no number
_LARGEST = 1 << 17  # of any other size; a forged one must not make us build for hours


@dataclass(frozen=True)
class Recorded:
    """What ``config.json`` says.

    Attributes:
        model: sizes of every part.
        action_horizon: rows per chunk as the data were cut, None where it is not said.
        train_architecture: "full" or "lora".
        lora_alpha, lora_rank: of adapters; the scale is their ratio.
        tiled: whether the reference encodes observations in overlapping tiles; we never do.
        untrained: description of random weights, None for trained ones.
        base_name, base_fingerprint: the checkpoint that adapters belong to, None where it is not
            said.
    """

    model: ModelConfig
    action_horizon: int | None
    train_architecture: str
    lora_alpha: float
    lora_rank: int
    tiled: bool
    untrained: str | None
    base_name: str | None
    base_fingerprint: str | None

    @property
    def preset(self) -> str | None:
        """Name of the preset with exactly these sizes; where the tokens come from may differ."""
        tokenizer = self.model.text.tokenizer
        for name, config in PRESETS.items():
            if replace(config, text=replace(config.text, tokenizer=tokenizer)) == self.model:
                return name
        return None


def read_config(directory: Path) -> Recorded:
    """Reads ``config.json``.

    Raises:
        CheckpointError: it is missing, or describes no model that we know how to build.
    """
    top = Section.of_json(directory / CONFIG)
    head = top.section("action_head_cfg").section("config")
    own = top.section(OWN) if OWN in top else None
    try:
        model = _own_model(own) if own and "model" in own else _released_model(head)
    except CheckpointError:
        raise
    except (ValueError, TypeError, ArithmeticError) as error:
        raise CheckpointError(f"{CONFIG}: {error}") from error
    _check_sizes(model)
    _check_agreement(head.section("diffusion_model_cfg"), model)
    base = own.section("base") if own and "base" in own else None
    return Recorded(
        model=model,
        action_horizon=top.whole("action_horizon", head.whole("action_horizon", None)),
        train_architecture=head.text("train_architecture", "full"),
        lora_alpha=head.number("lora_alpha", 4.0),
        lora_rank=head.whole("lora_rank", 4),
        tiled=head.flag("tiled", False),
        untrained=own.text("untrained", None) if own else None,
        base_name=base.text("name", None) if base else None,
        base_fingerprint=base.text("fingerprint", None) if base else None,
    )


def _own_model(own: Section) -> ModelConfig:
    """Sizes from our own block."""
    return from_plain(ModelConfig, own.section("model").mapping(), f"{CONFIG}: {OWN}.model")


def _released_model(head: Section) -> ModelConfig:
    """Sizes of a released checkpoint, whose geometry follows from few numbers."""
    dit = head.section("diffusion_model_cfg")
    values: dict[str, Any] = dit.mapping()
    for name in _DIT_SIZES:
        dit.whole(name, most=_limit(name))
    for name in ("text_dim", "text_len", "freq_dim", "max_state_dim", "action_dim", "hidden_size"):
        dit.whole(name, None, most=_limit(name))
    if values.get("max_chunk_size") != -1:
        dit.whole("max_chunk_size", most=_limit("max_chunk_size"))
    dit.text("model_type")
    dit.number("eps", None)
    dit.flag("concat_first_frame_latent", None)
    values = {name: value for name, value in values.items() if value is not None}
    height = head.whole("target_video_height", None, most=_LARGEST)
    width = head.whole("target_video_width", None, most=_LARGEST)
    stride = {16: WAN21_VAE, 48: WAN22_VAE}.get(values["out_dim"], WAN21_VAE).spatial_stride
    latent = target = None
    if height is not None and width is not None:
        target, latent = (height, width), (height // stride, width // stride)
    elif values["out_dim"] == 48 and values["frame_seqlen"] in (50, 55):
        target, latent = (176, 320), (11, 20)  # the reference's own choice where none is configured
    frames = head.whole("num_frames", 33, most=_LARGEST)
    config = ModelConfig.from_upstream(
        values, latent_size=latent, target_size=target, num_frames=frames
    )
    if config.vae is None or config.text is None:
        raise ValueError(
            f"no known VAE has {config.out_dim} latent channels or no known text encoder "
            f"{config.text_dim} channels; known: 16 (Wan 2.1), 48 (Wan 2.2); 4096 (umT5-xxl)"
        )
    if not head.flag("decouple_inference_noise", False):
        return config
    final = head.number("video_inference_final_noise", _FLASH_SIGMA)
    return dataclasses.replace(config, final_video_sigma=final)


def _limit(name: str) -> int:
    """Largest believable value of a size."""
    return _LIMITS.get(name, _LARGEST)


def _check_sizes(value: object, where: str = "") -> None:
    """Refuses sizes that no model has, in any part of the configuration."""
    for field in dataclasses.fields(value):
        part, name = getattr(value, field.name), f"{where}{field.name}"
        if dataclasses.is_dataclass(part):
            _check_sizes(part, f"{name}.")
            continue
        for number in part if isinstance(part, tuple) else (part,):
            if type(number) is int and not 1 <= number <= _limit(field.name):
                raise CheckpointError(
                    f"{CONFIG}: {name}: expected 1 to {_limit(field.name)}, got {number}"
                )
            if type(number) is float and not math.isfinite(number):
                raise CheckpointError(f"{CONFIG}: {name}: expected a finite number, got {number}")
        if field.name in ("eps", "latents_std"):
            numbers = part if isinstance(part, tuple) else (part,)
            if not all(number > 0 for number in numbers):
                raise CheckpointError(f"{CONFIG}: {name}: expected positive values, got {part}")


def _check_agreement(dit: Section, model: ModelConfig) -> None:
    """Refuses a file whose own block says another network than the rest of it."""
    differ = [
        f"{name} is {dit.whole(name)} in diffusion_model_cfg and {getattr(model, name)} in {OWN}"
        for name in _DIT_SIZES
        if dit.whole(name) != getattr(model, name)
    ]
    if differ:
        raise CheckpointError(f"{CONFIG}: {'; '.join(differ)}")


def config_json(
    model: ModelConfig,
    *,
    untrained: str | None = None,
    train_architecture: str = "full",
    lora: tuple[int, float] = (4, 4.0),
    base: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """``config.json`` in the released layout.

    Args:
        model: sizes of every part.
        untrained: description of random weights.
        train_architecture: "full" or "lora".
        lora: rank and alpha of adapters.
        base: name and fingerprint of the checkpoint that adapters belong to.
    """
    target = model.target_size or (None, None)
    own: dict[str, Any] = {"model": to_plain(model)}
    if untrained is not None:
        own["untrained"] = untrained
    if base is not None:
        own["base"] = {"name": base[0], "fingerprint": base[1]}
    head = {
        "num_frames": model.num_frames,
        "num_frame_per_block": model.num_frame_per_block,
        "action_horizon": model.num_action_per_block,
        "action_dim": model.max_action_dim,
        "max_action_dim": model.max_action_dim,
        "max_state_dim": model.max_state_dim,
        "hidden_size": 64,  # of the reference's head; unrelated to ours
        "tiled": False,
        "train_architecture": train_architecture,
        "lora_rank": lora[0],
        "lora_alpha": lora[1],
        "lora_target_modules": "q,k,v,o,ffn.0,ffn.2",
        "target_video_height": target[0],
        "target_video_width": target[1],
        "decouple_inference_noise": model.final_video_sigma is not None,
        "video_inference_final_noise": (
            _FLASH_SIGMA if model.final_video_sigma is None else model.final_video_sigma
        ),
        "diffusion_model_cfg": {
            "_target_": f"{_REFERENCE}.modules.{_DIT}",
            "model_type": model.model_type,
            **{name: getattr(model, name) for name in _DIT_SIZES},
            "freq_dim": model.freq_dim,
            "eps": model.eps,
            "max_chunk_size": model.max_chunk_size,
            "concat_first_frame_latent": model.concat_first_frame_latent,
        },
    }
    return {
        "model_type": "vla",
        "architectures": ["VLA"],
        "action_horizon": model.num_action_per_block,
        "action_dim": model.max_action_dim,
        "model_dtype": "bfloat16",
        "backbone_cfg": {},
        "action_head_cfg": {"_target_": f"{_REFERENCE}.action_head.{_HEAD}", "config": head},
        OWN: own,
    }
