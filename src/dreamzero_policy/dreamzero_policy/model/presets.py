"""The models that exist: three released ones, and the same in miniature."""

from __future__ import annotations

from typing import Any

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.encoder_config import ImageConfig, TextConfig, VaeConfig

_RELEASED_14B: dict[str, Any] = {
    "model_type": "i2v",
    "dim": 5120,
    "ffn_dim": 13824,
    "num_heads": 40,
    "num_layers": 40,
    "in_dim": 36,
    "out_dim": 16,
    "frame_seqlen": 880,
    "num_frame_per_block": 2,
    "num_action_per_block": 24,
    "num_state_per_block": 1,
    "max_chunk_size": 4,
    "max_state_dim": 64,
    "action_dim": 32,
    "hidden_size": 1024,
    "text_dim": 4096,
    "text_len": 512,
    "freq_dim": 256,
    "eps": 1e-6,
}

DROID_14B = ModelConfig.from_upstream(_RELEASED_14B)
"""The released Franka model: blocks of 1.6 s, 24 actions at 15 Hz."""

AGIBOT_14B = ModelConfig.from_upstream(_RELEASED_14B | {"num_action_per_block": 48})
"""The released G1 model: blocks of 1.6 s, 48 actions at 30 Hz. A fine-tune's config may say 24."""

WAN22_5B = ModelConfig.from_upstream(
    _RELEASED_14B
    | {
        "model_type": "ti2v",
        "dim": 3072,
        "ffn_dim": 14336,
        "num_heads": 24,
        "num_layers": 30,
        "in_dim": 48,
        "out_dim": 48,
        "frame_seqlen": 50,
    }
)
"""The small recipe on Wan 2.2: the canvas is resized to 160x320, and no condition channels."""

TINY = ModelConfig(
    model_type="i2v",
    dim=128,
    ffn_dim=384,
    num_heads=2,
    num_layers=4,
    in_dim=36,
    out_dim=16,
    concat_first_frame_latent=True,
    frame_seqlen=60,
    num_frame_per_block=2,
    num_action_per_block=24,
    num_state_per_block=1,
    max_chunk_size=4,
    max_state_dim=64,
    max_action_dim=32,
    hidden_size=128,
    text_dim=64,
    text_len=128,
    freq_dim=256,
    clip_dim=64,
    eps=1e-6,
    state_attends_all=True,
    latent_size=(12, 20),
    target_size=(96, 160),
    num_frames=33,
    vae=VaeConfig(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=16,
        dim_mult=(1, 2, 4),
        num_res_blocks=1,
        temporal_downsample=(True, True),
        residual=False,
        patch_size=2,
        latents_mean=(0.0,) * 16,
        latents_std=(1.0,) * 16,
    ),
    text=TextConfig(
        tokenizer="words",
        vocab_size=8192,
        dim=64,
        head_dim=16,
        ffn_dim=128,
        num_heads=4,
        num_layers=2,
        num_buckets=32,
        max_distance=128,
        eps=1e-6,
    ),
    image=ImageConfig(
        dim=64,
        ffn_dim=128,
        num_heads=4,
        num_layers=3,
        image_size=112,
        patch_size=14,
        projection_dim=64,
        eps=1e-5,
    ),
    evaluations=5,
)
"""The same model in miniature, for a CPU: a canvas of 352x640 is resized to 96x160."""

PRESETS: dict[str, ModelConfig] = {
    "droid_14b": DROID_14B,
    "agibot_14b": AGIBOT_14B,
    "wan22_5b": WAN22_5B,
    "tiny": TINY,
}


def preset(name: str) -> ModelConfig:
    """The preset called ``name``.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
