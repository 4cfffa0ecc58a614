"""The network against the reference: its numbers, its parameters."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_dit import difference

from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import preset
from dreamzero_policy.sampling.kv_cache import KVCache


def golden_names(kind):
    """Names of the golden cases, for parametrisation; one that skips where there are none."""
    folder = Path(__file__).resolve().parents[4].parent / "shared" / "golden"
    names = sorted(path.stem for path in folder.glob(f"dit_*_{kind}.json"))
    return names or [f"dit_*_{kind}"]


def load_case(golden_dir, name):
    if "*" in name:
        pytest.skip(f"no golden case {name}")
    facts = json.loads((golden_dir / f"{name}.json").read_text())["scalars"]
    tensors = load_file(golden_dir / f"{name}.safetensors")
    latents = tensors.get("x", tensors.get("prefill/x"))
    config = ModelConfig.from_upstream(facts["config"], latent_size=tuple(latents.shape[3:]))
    dit = CausalDiT(config)
    weights = load_file(golden_dir / f"{facts['weights']}.safetensors")
    dit.load_state_dict({key: x.float() for key, x in weights.items()}, strict=True)
    clip = load_file(golden_dir / f"{facts['clip_feature_file']}.safetensors")["clip_feature"]
    return facts, tensors, dit, clip.float()[facts["clip_feature_rows"]]


@pytest.mark.parametrize("name", golden_names("train"))
def test_training_forward_and_gradients_are_the_references(golden_dir, name):
    facts, tensors, dit, clip = load_case(golden_dir, name)

    def forward(action_tau):
        return dit.forward_train(
            tensors["x"],
            tensors["clean_x"],
            tensors["timestep"],
            tensors["action"],
            action_tau,
            tensors["state"],
            tensors.get("y"),
            tensors["context"],
            clip,
        )

    with torch.no_grad():
        video, action = forward(tensors["timestep_action_decoupled"])
    assert difference(video, tensors["video_velocity_decoupled"]) < 2e-5
    assert difference(action, tensors["action_velocity_decoupled"]) < 2e-5
    video, action = forward(tensors["timestep_action"])
    assert difference(video.detach(), tensors["video_velocity"]) < 2e-5
    assert difference(action.detach(), tensors["action_velocity"]) < 2e-5

    loss = (video - tensors["target_video"]).square().mean()
    loss = loss + (action - tensors["target_action"]).square().mean()
    assert loss.item() == pytest.approx(facts["loss"], rel=1e-5)
    loss.backward()
    parameters = dict(dit.named_parameters())
    stored = [key for key in tensors if key.startswith("grad/")]
    assert stored
    for key in stored:
        assert difference(parameters[key.removeprefix("grad/")].grad, tensors[key]) < 1e-4, key
    for key, norm in facts["grad_norms"].items():
        assert parameters[key].grad.norm().item() == pytest.approx(norm, rel=1e-4), key
    for key in facts["parameters_without_gradient"]:
        assert parameters[key].grad is None, key


@pytest.mark.parametrize("name", golden_names("infer"))
def test_cached_inference_is_the_references(golden_dir, name):
    facts, tensors, dit, clip = load_case(golden_dir, name)
    context = dit.embed_context(tensors["context"], clip)
    cache = KVCache.for_model(dit.config, facts["batch"], slide=True)
    for call in facts["calls_in_order"]:
        tag, start = call["tag"], call["start_frame"]
        latents = tensors[f"{tag}/x"]
        y = tensors["y_all"][:, :, start : start + latents.shape[2]]
        if "/step" in tag:
            assert cache.length == call["cache_tokens"]
            video, action = dit.denoise(
                latents,
                tensors[f"{tag}/timestep"],
                tensors[f"{tag}/action"],
                tensors[f"{tag}/timestep_action"],
                tensors[f"{tag.partition('/')[0]}/state"],
                y,
                context,
                cache,
                start,
            )
            assert difference(action, tensors[f"{tag}/action_velocity"]) < 2e-5, tag
        else:
            video = dit.write(latents, y, context, cache, start)
            assert cache.length == call["cache_tokens_after"]
            for layer in range(cache.layers):
                stored = torch.stack(cache.keys_values(layer))
                assert difference(stored, tensors[f"{tag}/kv.{layer}"]) < 2e-5, (tag, layer)
        assert difference(video, tensors[f"{tag}/video_velocity"]) < 2e-5, tag


@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [("droid_14b", 16_484_292_448, 1317), ("wan22_5b", 5_606_692_832, 997)],
)
def test_parameters_are_those_of_the_checkpoints(name, parameters, tensors):
    with torch.device("meta"):
        state = CausalDiT(preset(name)).state_dict()
    assert len(state) == tensors
    assert sum(x.numel() for x in state.values()) == parameters


def test_names_and_shapes_of_the_released_model():
    with torch.device("meta"):
        state = CausalDiT(preset("droid_14b")).state_dict()
    expected = {
        "state_encoder.layer1.W": (1, 64, 1024),
        "state_encoder.layer2.b": (1, 5120),
        "action_encoder.W2.W": (1, 10240, 5120),
        "action_decoder.layer2.W": (1, 1024, 32),
        "patch_embedding.weight": (5120, 36, 1, 2, 2),
        "text_embedding.0.weight": (5120, 4096),
        "time_embedding.0.weight": (5120, 256),
        "time_projection.1.weight": (30720, 5120),
        "blocks.39.modulation": (1, 6, 5120),
        "blocks.0.self_attn.norm_q.weight": (5120,),
        "blocks.0.norm3.bias": (5120,),
        "blocks.0.cross_attn.k_img.weight": (5120, 5120),
        "blocks.0.cross_attn.norm_k_img.weight": (5120,),
        "blocks.0.ffn.2.weight": (5120, 13824),
        "head.modulation": (1, 2, 5120),
        "head.head.weight": (64, 5120),
        "img_emb.proj.0.weight": (1280,),
        "img_emb.proj.3.weight": (5120, 1280),
        "img_emb.proj.4.bias": (5120,),
    }
    assert {key: tuple(state[key].shape) for key in expected} == expected
