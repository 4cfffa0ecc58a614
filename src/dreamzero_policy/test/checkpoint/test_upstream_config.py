"""config.json: released and our own, and nothing but named errors for anything else."""

import copy
import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.checkpoint.load import build
from dreamzero_policy.checkpoint.plain_config import from_plain, to_plain
from dreamzero_policy.checkpoint.upstream_config import CONFIG, OWN, config_json, read_config
from dreamzero_policy.model.presets import PRESETS, preset
from dreamzero_policy.weights.errors import CheckpointError

HEAD = ("action_head_cfg", "config")
DIT = (*HEAD, "diffusion_model_cfg")


def released(name="droid_14b"):
    """A config.json as a released checkpoint has it: without our own block."""
    config = config_json(preset(name))
    del config[OWN]
    return config


def read(folder, config):
    (folder / CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
    return read_config(folder)


def at(config, path):
    for name in path:
        config = config[name]
    return config


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"tiny"}))
def test_a_released_file_gives_the_preset(tmp_path, name):
    recorded = read(tmp_path, released(name))
    assert recorded.model == preset(name)
    assert recorded.preset == name
    assert recorded.untrained is None


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_our_own_block_gives_every_size_back(tmp_path, name):
    recorded = read(tmp_path, config_json(preset(name), untrained="random weights"))
    assert (recorded.model, recorded.untrained) == (preset(name), "random weights")


def test_nothing_named_target_is_ever_looked_at(tmp_path):
    config = released()
    config["action_head_cfg"]["_target_"] = "os.system"
    at(config, DIT)["_target_"] = ["not", "even", "text"]
    config["backbone_cfg"] = {"_target_": "no.such.module.Class", "path": "/cluster/home/x"}
    assert read(tmp_path, config).model == preset("droid_14b")


def test_numbers_that_weights_do_not_tell_are_read(tmp_path):
    config = released()
    at(config, DIT).update(num_action_per_block=48, max_chunk_size=5)
    at(config, HEAD).update(num_frames=41, lora_rank=8, lora_alpha=16, tiled=True)
    recorded = read(tmp_path, config)
    assert recorded.model == replace(
        preset("droid_14b"), num_action_per_block=48, max_chunk_size=5, num_frames=41
    )
    assert (recorded.lora_rank, recorded.lora_alpha, recorded.tiled) == (8, 16.0, True)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"decouple_inference_noise": True}, 0.8),
        ({"decouple_inference_noise": True, "video_inference_final_noise": 0.6}, 0.6),
        ({"decouple_inference_noise": False, "video_inference_final_noise": 0.6}, None),
        ({}, None),
    ],
)
def test_a_flash_checkpoint_says_how_much_noise_it_leaves(tmp_path, settings, expected):
    config = released()
    for name in ("decouple_inference_noise", "video_inference_final_noise"):
        del at(config, HEAD)[name]
    at(config, HEAD).update(settings)
    assert read(tmp_path, config).model.final_video_sigma == expected
    ours = replace(preset("droid_14b"), final_video_sigma=expected)
    assert read(tmp_path, config_json(ours)).model == ours


def test_noise_that_none_is_is_refused(tmp_path):
    config = released()
    at(config, HEAD).update(decouple_inference_noise=True, video_inference_final_noise=1.5)
    with pytest.raises(CheckpointError, match="final_video_sigma: expected at least 0 and below 1"):
        read(tmp_path, config)


def test_a_file_of_ours_may_lack_what_came_later(tmp_path):
    config = config_json(preset("tiny"))
    del config[OWN]["model"]["final_video_sigma"]
    assert read(tmp_path, config).model == preset("tiny")


def test_the_small_variant_without_a_target_size_takes_the_reference_s(tmp_path):
    config = released("wan22_5b")
    at(config, HEAD).update(target_video_height=None, target_video_width=None)
    model = read(tmp_path, config).model
    assert (model.target_size, model.latent_size, model.frame_seqlen) == ((176, 320), (11, 20), 50)


@pytest.mark.parametrize(
    ("path", "values", "message"),
    [
        (DIT, {"frame_seqlen": 881}, "frame_seqlen"),
        (DIT, {"in_dim": 35}, "in_dim"),
        (DIT, {"num_layers": 10**9}, "num_layers: expected a whole number from 1 to"),
        (DIT, {"dim": "5120"}, "dim: expected a whole number"),
        (DIT, {"dim": True}, "dim: expected a whole number"),
        (DIT, {"num_heads": 37}, "num_heads"),
        (DIT, {"model_type": "t2v"}, "model_type"),
        (DIT, {"max_chunk_size": -1}, "max_chunk_size"),
        (DIT, {"out_dim": 17, "in_dim": 37}, "frame_seqlen|VAE"),
        (DIT, {"num_action_per_block": None}, "lacks 'num_action_per_block'"),
        (HEAD, {"target_video_height": 100, "target_video_width": 320}, "frame_seqlen"),
        (HEAD, {"num_frames": 0}, "num_frames"),
        (HEAD, {"diffusion_model_cfg": []}, "diffusion_model_cfg: expected a mapping"),
        ((), {"action_head_cfg": None}, "lacks 'action_head_cfg'"),
    ],
)
def test_an_unknown_geometry_is_one_named_error(tmp_path, path, values, message):
    config = released()
    at(config, path).update(values)
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path, config)


@pytest.mark.parametrize("text", ["", "[]", "{", "nul", '{"a": ' * 9999, "\xff", "1" * 9999])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read(tmp_path, text)


def test_a_file_that_contradicts_itself_is_refused(tmp_path):
    config = config_json(preset("tiny"))
    at(config, DIT)["num_layers"] = 5
    with pytest.raises(CheckpointError, match=f"num_layers is 5 in .* and 4 in {OWN}"):
        read(tmp_path, config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 1 << 40}, "dim"),
        ({"latent_size": [12]}, "latent_size"),
        ({"vae": {}}, "vae"),
        ({"surplus": 1}, "surplus"),
        ({"eps": float("nan")}, "eps"),
        ({"model_type": "x"}, "model_type"),
    ],
)
def test_our_own_block_is_checked_too(tmp_path, change, message):
    config = config_json(preset("tiny"))
    config[OWN]["model"] |= change
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path, config)


def test_plain_and_back():
    for config in PRESETS.values():
        assert from_plain(type(config), json.loads(json.dumps(to_plain(config))), "x") == config


def places(value, path=()):
    """Every place in a nested value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from places(inner, (*path, key))


SHAPES = (released(), released("wan22_5b"), config_json(preset("tiny"), base=("b", "f")))
PLACES = [(index, path) for index, shape in enumerate(SHAPES) for path in places(shape) if path]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.integers(-2, 200_000), st.just([]), st.just({}), st.lists(st.integers(0, 9), max_size=3),
    st.just("${action_head_cfg.config.num_frames}"), st.just("${action_horizon}"),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_mutated_config_does_anything_but_a_named_error(tmp_path_factory, data):
    index, path = data.draw(st.sampled_from(PLACES))
    config = copy.deepcopy(SHAPES[index])
    parent = at(config, path[:-1])
    if data.draw(st.booleans()):
        parent[path[-1]] = data.draw(JUNK)
    else:
        del parent[path[-1]]
    try:
        recorded = read(tmp_path_factory.getbasetemp(), config)
    except CheckpointError:
        return
    if data.draw(st.integers(0, 9)) == 0:
        with suppress(CheckpointError):
            build(recorded.model)
