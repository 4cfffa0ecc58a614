"""Text encoder, image encoder and video VAE against the reference, at the sizes of a case."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from dreamzero_policy.checkpoint.key_maps import IMAGE, TEXT, VAE, layout
from dreamzero_policy.checkpoint.load import assign
from dreamzero_policy.golden.report import ENCODER, Case
from dreamzero_policy.inference.reference import expand_frames
from dreamzero_policy.model.config import MASK_CHANNELS, ImageConfig, TextConfig, VaeConfig
from dreamzero_policy.model.image_encoder import ImageEncoder
from dreamzero_policy.model.text_encoder import TextEncoder
from dreamzero_policy.model.vae import VideoVAE

_WEIGHT = "w/"
_NO_VAE = SimpleNamespace(config=SimpleNamespace(num_res_blocks=1, residual=False))
"""Stands for the VAE where the names of another part's weights are made."""


class _Part(nn.Module):
    """One component in the place that it has in the whole model, where its weights are named."""

    def __init__(self, name: str, component: nn.Module) -> None:
        super().__init__()
        setattr(self, name, component)
        if name != "vae":
            self.vae = _NO_VAE


def _load(case: Case, name: str, component: nn.Module, prefix: str, optional: set[str]) -> None:
    """Fills a component with the weights of a case.

    Raises:
        ValueError: names or shapes do not match.
    """
    part = _Part(name, component)
    slots = layout(part)
    given = {prefix + k.removeprefix(_WEIGHT) for k in case.tensors if k.startswith(_WEIGHT)}
    missing = sorted(set(slots) - given - optional)
    if missing or given - set(slots):
        raise ValueError(
            f"{case.name}: weights missing: {missing}; unknown: {sorted(given - set(slots))}"
        )
    for key in given:
        tensor = case[_WEIGHT + key.removeprefix(prefix)]
        if tuple(tensor.shape) != slots[key].shape:
            raise ValueError(
                f"{case.name}: {key}: expected shape {slots[key].shape}, got {tuple(tensor.shape)}"
            )
        assign(part, slots[key], tensor, torch.device("cpu"), torch.float32)
    component.eval()


@torch.inference_mode()
def check_text(case: Case) -> None:
    """The umT5 encoder on token ids and their mask."""
    heads = case.scalar("num_heads")
    config = TextConfig(
        tokenizer="bytes",
        vocab_size=case.scalar("vocab"),
        dim=case.scalar("dim"),
        head_dim=case.scalar("dim_attn") // heads,
        ffn_dim=case.scalar("dim_ffn"),
        num_heads=heads,
        num_layers=case.scalar("num_layers"),
        num_buckets=case["w/blocks.0.pos_embedding.embedding.weight"].shape[0],
        max_distance=128,
        eps=1e-6,
    )
    encoder = TextEncoder(config, text_len=case["ids"].shape[1])
    _load(case, "text_encoder", encoder, TEXT, set())
    mask = case["mask"]
    ours, theirs = encoder.embed(case["ids"], mask), case["out"]
    case.compare_with("out", ours, theirs * mask[..., None], ENCODER)


@torch.inference_mode()
def check_image(case: Case) -> None:
    """The CLIP tower on first frames."""
    dim, projection = case["w/head"].shape
    config = ImageConfig(
        dim=dim,
        ffn_dim=case["w/transformer.0.mlp.0.bias"].shape[0],
        num_heads=case.scalar("vision_heads"),
        num_layers=case.scalar("vision_layers"),
        image_size=case.scalar("image_size"),
        patch_size=case.scalar("patch"),
        projection_dim=projection,
        eps=1e-5,
    )
    encoder = ImageEncoder(config)
    _load(case, "image_encoder", encoder, f"{IMAGE}visual.", {f"{IMAGE}log_scale"})
    images = case["image"][:, 0]
    corner = case["preprocessed_corner"]
    ours = encoder.preprocess(images)[..., : corner.shape[-2], : corner.shape[-1]]
    case.compare("preprocessed_corner", ours, ENCODER)
    case.compare("out", encoder.encode(images), ENCODER)


@torch.inference_mode()
def check_vae(case: Case) -> None:
    """Encode, decode, the image condition, and the clips that a context is refreshed with."""
    residual = case.scalar("class") == "WanVideoVAE38"
    widths = tuple(case.scalar("dim_mult"))
    config = VaeConfig(
        base_dim=case.scalar("dim"),
        decoder_base_dim=case["w/decoder.head.0.gamma"].shape[0] // widths[0],
        z_dim=case.scalar("z_dim"),
        dim_mult=widths,
        num_res_blocks=case.scalar("num_res_blocks"),
        temporal_downsample=tuple(case.scalar("temporal_downsample")),
        residual=residual,
        patch_size=2 if residual else 1,
        latents_mean=tuple(case["latent_mean"].tolist()),
        latents_std=tuple(case["latent_std"].tolist()),
    )
    vae = VideoVAE(config)
    _load(case, "vae", vae, VAE, set())
    case.decide("spatial_stride", config.spatial_stride, case.scalar("spatial_stride"))
    video = case["video"]
    case.compare("latent", vae.encode(video), ENCODER)
    stream = vae.stream()
    pieces = [stream.push(video[:, :, i : i + 1]) for i in range(video.shape[2])]
    pieces = torch.cat([piece for piece in pieces if piece is not None], dim=2)
    case.compare_with("latent, frame by frame", pieces, case["latent"], ENCODER)
    case.compare("decoded", vae.decode(case["z"]), ENCODER)
    image = case["image"]
    case.compare("image_latent", vae.encode(image), ENCODER)
    if "image_zeros_latent" in case.tensors:
        frames = 1 + 4 * (case["image_zeros_latent"].shape[2] - 1)
        y = vae.condition(image[:, :, 0], frames).whole()
        case.compare("image_zeros_latent", y[:, MASK_CHANNELS:], ENCODER)
    for name, clip in (("four", "four"), ("eight", None)):
        if f"{name}_latent" not in case.tensors:
            continue
        frames = video[:1, :, :8] if clip is None else case[clip]
        block = case[f"{name}_latent"].shape[2]
        positions = list(expand_frames(frames.shape[2], block))
        ours = vae.encode(frames[:, :, positions])[:, :, -block:]
        case.compare(f"{name}_latent", ours, ENCODER)
