"""CLIP: the reference's numbers, and the way an image gets there."""

import torch
from safetensors.torch import load_file
from torch import nn

from dreamzero_policy.checkpoint.key_maps import IMAGE, layout
from dreamzero_policy.checkpoint.load import assign
from dreamzero_policy.model.encoder_config import ImageConfig
from dreamzero_policy.model.image_encoder import ImageEncoder

SMALL = ImageConfig(64, 256, 4, 3, 224, 14, 1024, 1e-5)


@torch.no_grad()
def test_encodes_as_the_reference(golden_dir):
    golden = load_file(golden_dir / "clip_small.safetensors")
    with torch.device("meta"):
        part = nn.Module()
        part.image_encoder = ImageEncoder(SMALL).eval()
    slots = layout(part)
    weights = {f"{IMAGE}visual.{n[2:]}": t for n, t in golden.items() if n.startswith("w/")}
    weights[f"{IMAGE}log_scale"] = torch.tensor(0.0)
    assert set(weights) == set(slots)
    for name, tensor in weights.items():
        assert tuple(tensor.shape) == slots[name].shape
        assign(part, slots[name], tensor, torch.device("cpu"), torch.float32)
    part.image_encoder.restore_buffers()
    image = golden["image"][:, 0]
    corner = part.image_encoder.preprocess(image)[..., :24, :24]
    assert torch.allclose(corner, golden["preprocessed_corner"], atol=1e-6)
    out = part.image_encoder.encode(image)
    assert (out - golden["out"]).abs().max() / golden["out"].abs().max() < 5e-5


def test_bicubic_overshoot_is_not_clamped():
    with torch.device("meta"):
        encoder = ImageEncoder(SMALL)
    image = -torch.ones(1, 3, 8, 8)
    image[..., 4:] = 1.0
    out = encoder.preprocess(image)[0, 0]
    white = (1.0 - 0.48145466) / 0.26862954
    assert out.max() > white + 1e-3
