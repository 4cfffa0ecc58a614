"""The network: against the reference, against slow twins of itself, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dreamzero_policy.model import dit as dit_module
from dreamzero_policy.model.block import Run
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.masks import AttentionCall, teacher_forcing
from dreamzero_policy.model.presets import TINY, preset
from dreamzero_policy.sampling.kv_cache import KVCache

SMALL = replace(
    TINY,
    dim=64,
    ffn_dim=96,
    num_heads=4,
    num_layers=2,
    frame_seqlen=6,
    latent_size=(4, 6),
    target_size=(32, 48),
    hidden_size=32,
    text_len=5,
)
VARIANTS = {
    "i2v": SMALL,
    "ti2v, odd height": replace(
        SMALL,
        model_type="ti2v",
        in_dim=48,
        out_dim=48,
        concat_first_frame_latent=False,
        latent_size=(5, 6),
        target_size=None,
        vae=None,
    ),
    "other blocks": replace(
        SMALL,
        num_heads=2,
        num_frame_per_block=3,
        num_action_per_block=8,
        num_state_per_block=2,
        max_chunk_size=3,
    ),
    "single frames": replace(SMALL, num_frame_per_block=1, max_chunk_size=2),
}


def difference(got, expected):
    """Largest difference over the largest value."""
    assert got.shape == expected.shape
    return ((got - expected).abs().max() / expected.abs().max()).item()


def network(config, seed=0):
    """A network in which every parameter matters."""
    torch.manual_seed(seed)
    dit = CausalDiT(config)
    for name, parameter in dit.named_parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.2
        torch.nn.init.normal_(parameter, mean=float("norm" in name and "weight" in name), std=scale)
    return dit


def episode(config, batch=1, seed=1):
    """Random inputs of a full window."""
    torch.manual_seed(seed)
    frames, blocks = config.window_frames, config.max_chunk_size
    video = (batch, config.out_dim, frames, *config.latent_size)
    taus = 1000 * torch.rand(batch, 1 + blocks)
    per_block = taus[:, 1:].repeat_interleave(config.num_frame_per_block, dim=1)
    actions = blocks * config.num_action_per_block
    return {
        "noisy": torch.randn(video),
        "clean": torch.randn(video),
        "video_tau": torch.cat([taus[:, :1], per_block], dim=1),
        "actions": torch.randn(batch, actions, config.max_action_dim),
        "action_tau": 1000 * torch.rand(batch, actions),
        "state": torch.randn(batch, blocks * config.num_state_per_block, config.max_state_dim),
        "y": torch.randn(batch, config.condition_channels or 20, *video[2:]),
        "text": torch.randn(batch, config.text_len, config.text_dim),
        "clip": torch.randn(batch, config.image.tokens, config.clip_dim),
    }


def block_of(config, inputs, block):
    """Arguments of ``denoise`` for one block of an episode, context and cache left out."""
    start = 1 + block * config.num_frame_per_block
    frames = slice(start, start + config.num_frame_per_block)
    acts, states = (
        slice(block * count, (block + 1) * count)
        for count in (config.num_action_per_block, config.num_state_per_block)
    )
    return {
        "latents": inputs["noisy"][:, :, frames],
        "video_tau": inputs["video_tau"][:, frames],
        "actions": inputs["actions"][:, acts],
        "action_tau": inputs["action_tau"][:, acts],
        "state": inputs["state"][:, states],
        "y": inputs["y"][:, :, frames],
        "start_frame": start,
    }


def stream(dit, inputs, context):
    """The window as inference sees it: yields (block, video velocity, action velocity)."""
    config = dit.config
    cache = KVCache.for_model(config, inputs["noisy"].shape[0], dit.dtype)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    for block in range(config.max_chunk_size):
        arguments = block_of(config, inputs, block)
        yield block, *dit.denoise(**arguments, context=context, cache=cache)
        start = arguments["start_frame"]
        frames = slice(start, start + config.num_frame_per_block)
        dit.write(inputs["clean"][:, :, frames], arguments["y"], context, cache, start)
    assert cache.position == config.window_tokens


# The reference's numbers.


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


# Slow twins.


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_inference_is_the_training_forward_where_states_see_themselves_only(variant):
    config = replace(VARIANTS[variant], state_attends_all=False)
    dit, inputs = network(config), episode(config, batch=2)
    with torch.no_grad():
        video, action = dit.forward_train(**inputs)
    if config.latent_size[0] % 2:
        assert video.shape[3] == config.latent_size[0] - 1
    context = dit.embed_context(inputs["text"], inputs["clip"])
    for block, got_video, got_action in stream(dit, inputs, context):
        start = 1 + block * config.num_frame_per_block
        frames = slice(start, start + config.num_frame_per_block)
        acts = slice(block * config.num_action_per_block, (block + 1) * config.num_action_per_block)
        assert difference(got_video, video[:, :, frames]) < 1e-5, block
        assert difference(got_action, action[:, acts]) < 1e-5, block


def test_a_state_that_sees_all_is_another_model():
    dit, inputs = network(SMALL), episode(SMALL)
    with torch.no_grad():
        video, _ = dit.forward_train(**inputs)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    _, got, _ = next(stream(dit, inputs, context))
    assert difference(got, video[:, :, 1:3]) > 1e-5


def blind_to_noisy_video(layout):
    """The calls of a whole window, but that no action sees a noisy frame."""
    for call in teacher_forcing(layout):
        if len(call.queries) == 1:
            yield call
        else:
            noisy, actions = call.queries
            yield AttentionCall((noisy,), call.keys)
            yield AttentionCall((actions,), tuple(key for key in call.keys if key != noisy))


@pytest.mark.parametrize("variant", VARIANTS)
def test_actions_alone_are_those_of_a_whole_window_that_see_no_noisy_video(variant, monkeypatch):
    config = VARIANTS[variant]
    dit, inputs = network(config), episode(config, batch=2)
    with torch.no_grad():
        _, seeing = dit.forward_train(**inputs)
        video, alone = dit.forward_train(**{**inputs, "noisy": None})
        monkeypatch.setattr(
            dit_module, "teacher_forcing", lambda layout: tuple(blind_to_noisy_video(layout))
        )
        _, blind = dit.forward_train(**inputs)
    assert video is None
    assert difference(alone, blind) < 1e-5 < difference(alone, seeing)


def test_keys_of_the_context_made_once_equal_keys_made_anew():
    dit, inputs = network(SMALL), episode(SMALL)
    once = dit.embed_context(inputs["text"], inputs["clip"])
    assert len(once.text.keys) == len(once.image.keys) == SMALL.num_layers
    for fast, slow in zip(
        stream(dit, inputs, once), stream(dit, inputs, once.recomputed()), strict=True
    ):
        assert torch.equal(fast[1], slow[1])
        assert torch.equal(fast[2], slow[2])


class PerToken(CausalDiT):
    """The twin in which every token carries a time embedding of its own."""

    def _through(self, x, tau, runs, table, calls, context):
        counts = torch.tensor([run.tokens for run in runs for _ in range(run.rows)])
        each = (Run(x.shape[1], 1),)
        x, times = super()._through(
            x, tau.repeat_interleave(counts, dim=1), each, table, calls, context
        )
        return x, times[:, counts.cumsum(0) - counts]


def test_modulation_per_frame_equals_modulation_per_token():
    dit, inputs = network(SMALL), episode(SMALL, batch=2)
    twin = PerToken(SMALL)
    twin.load_state_dict(dit.state_dict())
    with torch.no_grad():
        for got, expected in zip(
            dit.forward_train(**inputs), twin.forward_train(**inputs), strict=True
        ):
            assert difference(got, expected) < 1e-5
    context = dit.embed_context(inputs["text"], inputs["clip"])
    for fast, slow in zip(stream(dit, inputs, context), stream(twin, inputs, context), strict=True):
        assert difference(fast[1], slow[1]) < 1e-5
        assert difference(fast[2], slow[2]) < 1e-5


def test_a_batch_of_two_prompts_is_two_calls():
    dit, inputs = network(SMALL), episode(SMALL, batch=2)
    together = list(stream(dit, inputs, dit.embed_context(inputs["text"], inputs["clip"])))
    for one in range(2):
        mine = {key: x[one : one + 1] for key, x in inputs.items()}
        context = dit.embed_context(mine["text"], mine["clip"])
        for both, alone in zip(together, stream(dit, mine, context), strict=True):
            assert difference(alone[1], both[1][one : one + 1]) < 1e-5
            assert difference(alone[2], both[2][one : one + 1]) < 1e-5


def test_denoising_leaves_the_cache_as_it_is():
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    before = [torch.stack(cache.keys_values(layer)).clone() for layer in range(cache.layers)]
    arguments = block_of(SMALL, inputs, 0)
    first = dit.denoise(**arguments, context=context, cache=cache)
    again = dit.denoise(**arguments, context=context, cache=cache)
    assert cache.position == SMALL.frame_seqlen
    for layer, rows in enumerate(before):
        assert torch.equal(torch.stack(cache.keys_values(layer)), rows)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_a_copied_block_can_be_replaced_and_restored():
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    clean, y, size = inputs["clean"], inputs["y"], SMALL.frame_seqlen
    dit.write(clean[:, :, :1], y[:, :, :1], context, cache, 0)
    dit.write(clean[:, :, 1:3], y[:, :, 1:3], context, cache, 1)
    arguments = block_of(SMALL, inputs, 1)
    expected = dit.denoise(**arguments, context=context, cache=cache)
    copied = cache.snapshot(size)
    cache.truncate(size)
    dit.write(clean[:, :, 5:7], y[:, :, 1:3], context, cache, 1)
    other = dit.denoise(**arguments, context=context, cache=cache)
    cache.restore(copied)
    again = dit.denoise(**arguments, context=context, cache=cache)
    assert difference(other[0], expected[0]) > 1e-4
    assert torch.equal(again[0], expected[0])
    assert torch.equal(again[1], expected[1])


def test_whole_numbers_are_timesteps_too():
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    arguments = block_of(SMALL, inputs, 0)
    whole = {key: arguments[key].to(torch.int64) for key in ("video_tau", "action_tau")}
    real = {key: x.to(torch.float32) for key, x in whole.items()}
    got = dit.denoise(**arguments | whole, context=context, cache=cache)
    expected = dit.denoise(**arguments | real, context=context, cache=cache)
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])


def test_it_runs_in_bfloat16_throughout():
    dit, inputs = network(SMALL), episode(SMALL)
    wide = list(stream(dit, inputs, dit.embed_context(inputs["text"], inputs["clip"])))
    dit.to(torch.bfloat16)
    narrow = list(stream(dit, inputs, dit.embed_context(inputs["text"], inputs["clip"])))
    for expected, got in zip(wide, narrow, strict=True):
        assert got[1].dtype == got[2].dtype == torch.bfloat16
        assert difference(got[1].float(), expected[1]) < 0.1


def test_training_works_after_inference_mode():
    dit, inputs = network(SMALL), episode(SMALL)
    with torch.inference_mode():
        dit.forward_train(**inputs)
    sum(x.square().mean() for x in dit.forward_train(**inputs)).backward()
    assert all(parameter.grad is not None for parameter in dit.parameters())


def test_a_new_network_starts_with_no_video_velocity():
    dit, inputs = CausalDiT(SMALL), episode(SMALL)
    with torch.no_grad():
        video, action = dit.forward_train(**inputs)
        assert video.abs().max() == 0
        assert action.isfinite().all()
        dit.initialise(output_std=0.02)
        video, _ = dit.forward_train(**inputs)
    assert video.abs().max() > 0


# What it refuses.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latents": torch.zeros(1, 15, 2, 4, 6)}, r"latents: expected \[\*, 16, "),
        ({"latents": torch.zeros(1, 16, 2, 4, 8)}, "expected 6 tokens per frame, got 8"),
        ({"latents": torch.zeros(1, 16, 3, 4, 6)}, r"latents: expected \[1, \*, 2, "),
        ({"latents": torch.zeros(2, 16, 2, 4, 6)}, "context: expected a batch of 2, got 1"),
        ({"y": None}, "y: expected 20 condition channels, got None"),
        ({"y": torch.zeros(1, 20, 9, 4, 6)}, r"y: expected \[1, 20, 2, 4, 6\]"),
        ({"video_tau": torch.zeros(1, 3)}, r"video_tau: expected \[1, 2\], got \[1, 3\]"),
        ({"actions": torch.zeros(1, 23, 32)}, r"actions: expected \[1, 24, 32\]"),
        ({"action_tau": torch.zeros(1)}, r"action_tau: expected \[1, 24\], got \[1\]"),
        ({"state": torch.zeros(1, 1, 8)}, r"state: expected \[1, 1, 64\], got \[1, 1, 8\]"),
        ({"start_frame": 3}, r"end at token 18 \(latent frame 3\), got 6"),
    ],
)
def test_a_wrong_call_is_refused_by_name(changes, message):
    dit, inputs = network(SMALL), episode(SMALL)
    context = dit.embed_context(inputs["text"], inputs["clip"])
    cache = KVCache.for_model(SMALL)
    dit.write(inputs["clean"][:, :, :1], inputs["y"][:, :, :1], context, cache, 0)
    with pytest.raises(ValueError, match=message):
        dit.denoise(**block_of(SMALL, inputs, 0) | changes, context=context, cache=cache)
    assert cache.position == SMALL.frame_seqlen


def test_a_wrong_context_is_refused_by_name():
    dit = network(SMALL)
    text, clip = torch.zeros(1, 5, 64), torch.zeros(1, 65, 64)
    with pytest.raises(ValueError, match=r"text: expected \[1, \*, 64\], got \[1, 5, 63\]"):
        dit.embed_context(text[..., :63], clip)
    with pytest.raises(ValueError, match=r"clip: expected \[\*, \*, 64\], got \[65, 64\]"):
        dit.embed_context(text, clip[0])


@pytest.mark.parametrize("frames", [1, 8])
def test_a_window_of_broken_blocks_is_refused(frames):
    dit, inputs = network(SMALL), episode(SMALL)
    inputs |= {key: inputs[key][:, :, :frames] for key in ("noisy", "clean", "y")}
    with pytest.raises(ValueError, match=f"whole blocks of 2, got {frames} frames"):
        dit.forward_train(**inputs)
