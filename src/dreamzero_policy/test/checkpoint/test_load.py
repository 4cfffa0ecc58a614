"""A directory into a model: the same numbers, or one error that names everything."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.checkpoint.key_maps import layout
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.checkpoint.robot_facts import CONF, METADATA
from dreamzero_policy.checkpoint.upstream_config import CONFIG, OWN
from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.tensor_files import INDEX

ROBOT = embodiments.get("droid")
SMALL = ("num_layers=1", "text.num_layers=1", "image.num_layers=2")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "made"
    make_random("tiny", path, ROBOT, changes=SMALL, dtype="float32", shard_bytes=400_000)
    return path


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copied")


def shard_of(folder, name):
    """The file that a tensor lies in."""
    return folder / json.loads((folder / INDEX).read_text())["weight_map"][name]


def change(folder, name, function):
    """Rewrites one tensor."""
    path = shard_of(folder, name)
    tensors = load_file(path)
    tensors[name] = function(tensors[name])
    save_file(tensors, path)


def parameters(loaded):
    return dict(loaded.model.named_parameters())


def test_random_weights_say_that_they_are_untrained():
    loaded = checkpoint.load("random:tiny", ROBOT)
    assert loaded.untrained
    assert loaded.description == "untrained: random weights, preset tiny, seed 0"
    assert (loaded.embodiment_tag, loaded.time_base) == ("oxe_droid", ROBOT.time_base)
    assert set(loaded.state_statistics) == {"joint_position", "gripper_position"}
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_a_seed_is_part_of_the_name():
    one, two = (checkpoint.load(f"random:tiny:{seed}", ROBOT) for seed in (1, 2))
    name = "dit.patch_embedding.weight"
    assert not torch.equal(parameters(one)[name], parameters(two)[name])
    assert one.description.endswith("seed 1")


@pytest.mark.parametrize("source", ["random:huge", "random:", "/no/such/place", ""])
def test_what_is_neither_directory_nor_preset_is_refused(source):
    with pytest.raises(CheckpointError, match="tiny"):
        checkpoint.load(source or "no-directory", ROBOT)


def test_the_directory_has_the_released_files(made):
    names = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    shards = [name for name in names if name.endswith(".safetensors")]
    assert shards[0] == f"model-00001-of-{len(shards):05d}.safetensors"
    assert len(shards) > 3
    assert set(names) - set(shards) == {CONFIG, INDEX, CONF, METADATA}


def test_a_directory_gives_the_tensors_that_were_written(made):
    loaded = checkpoint.load(made, ROBOT)
    stored = {}
    for path in made.glob("*.safetensors"):
        stored |= load_file(path)
    slots = layout(loaded.model)
    assert set(slots) == set(stored)
    ours = parameters(loaded)
    for name, slot in slots.items():
        assert torch.equal(slot.join(ours), stored[name]), name
    assert loaded.untrained
    assert "untrained: random weights" in loaded.description


def test_a_whole_preset_written_and_loaded_is_the_one_in_memory(tmp_path):
    make_random("tiny", tmp_path / "x", ROBOT, dtype="float32")
    one = parameters(checkpoint.load(tmp_path / "x", ROBOT))
    two = parameters(checkpoint.load("random:tiny", ROBOT))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_weights_are_cast_on_the_way(made):
    loaded = checkpoint.load(made, ROBOT, dtype=torch.bfloat16)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    assert loaded.model.encode_prompt("go").dtype == torch.bfloat16
    clip, y, _ = loaded.model.encode_first(torch.zeros(352, 640, 3, dtype=torch.uint8))
    assert clip.isfinite().all()
    assert y.isfinite().all()


def test_a_single_file_is_as_good_as_shards(copied):
    tensors = {}
    for path in copied.glob("model-*.safetensors"):
        tensors |= load_file(path)
        path.unlink()
    (copied / INDEX).unlink()
    save_file(tensors, copied / "model.safetensors")
    assert checkpoint.load(copied, ROBOT).untrained


def test_what_a_checkpoint_adds_without_meaning_is_dropped(copied):
    path = shard_of(copied, "action_head.model.patch_embedding.weight")
    save_file(load_file(path) | {"backbone.x": torch.zeros(1)}, path)
    index = json.loads((copied / INDEX).read_text())
    index["weight_map"]["backbone.x"] = path.name
    (copied / INDEX).write_text(json.dumps(index))
    checkpoint.load(copied, ROBOT)


def test_missing_left_over_and_mis_shaped_tensors_are_named_all_at_once(copied):
    gone = "action_head.model.head.head.weight"
    bent = "action_head.vae.model.conv1.bias"
    path = shard_of(copied, gone)
    tensors = load_file(path)
    tensors["action_head.model.blocks.7.modulation"] = tensors.pop(gone)
    save_file(tensors, path)
    index = json.loads((copied / INDEX).read_text())
    index["weight_map"]["action_head.model.blocks.7.modulation"] = index["weight_map"].pop(gone)
    (copied / INDEX).write_text(json.dumps(index))
    change(copied, bent, lambda tensor: tensor[:-1].clone())
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(copied, ROBOT)
    message = str(caught.value)
    assert f"1 missing: {gone} [64, 128]" in message
    assert "1 not of this model: action_head.model.blocks.7.modulation" in message
    assert f"1 of another shape: {bent}: expected [32], got [31]" in message


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(copied, bad):
    names = ("action_head.model.head.head.weight", "action_head.text_encoder.norm.weight")
    for name in names:

        def spoil(tensor):
            tensor.view(-1)[3] = bad
            return tensor

        change(copied, name, spoil)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(copied, ROBOT)
    assert "NaN or infinity in 2 of" in str(caught.value)
    assert all(name in str(caught.value) for name in names)


def test_a_value_that_the_dtype_cannot_hold_is_not_finite_either(copied):
    change(copied, "action_head.model.head.head.weight", lambda t: torch.full_like(t, 1e20))
    checkpoint.load(copied, ROBOT)
    with pytest.raises(CheckpointError, match="NaN or infinity in 1 of"):
        checkpoint.load(copied, ROBOT, dtype=torch.float16)


def test_a_truncated_shard_is_named(copied):
    path = sorted(copied.glob("model-*.safetensors"))[1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=rf"{path.name}: truncated"):
        checkpoint.load(copied, ROBOT)


def test_a_missing_shard_is_named(copied):
    path = sorted(copied.glob("model-*.safetensors"))[1]
    path.unlink()
    with pytest.raises(CheckpointError, match=f"shard {path.name} is missing"):
        checkpoint.load(copied, ROBOT)


def test_a_checkpoint_for_another_robot_is_refused_before_any_weight_is_read(copied):
    for path in copied.glob("*.safetensors"):
        path.unlink()
    metadata = json.loads((copied / METADATA).read_text())
    (copied / METADATA).write_text(json.dumps({"agibot": metadata["oxe_droid"]}))
    with pytest.raises(CheckpointError, match="no robot 'oxe_droid'; this checkpoint knows agibot"):
        checkpoint.load(copied, ROBOT)


def test_all_that_does_not_fit_the_robot_is_named(copied):
    conf = yaml.safe_load((copied / CONF).read_text())
    for step in conf["transforms"]["oxe_droid"]["transforms"]:
        for modes in (step.get("normalization_modes"),):
            if modes:
                modes.update({key: "min_max" for key in modes if "gripper" in key})
        if "video_concat_order" in step:
            step["video_concat_order"] = step["video_concat_order"][::-1]
    conf["relative_action_keys"] = ["joint_position", "gripper_position"]
    (copied / CONF).write_text(yaml.safe_dump(conf))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(copied, ROBOT)
    message = str(caught.value)
    for part in ("does not fit the robot droid", "view order", "normalisation of state.gripper",
                 "normalisation of action.gripper", "relative action keys"):  # fmt: skip
        assert part in message


def test_a_time_base_is_the_checkpoint_s(tmp_path):
    slower = replace(ROBOT, time_base=TimeBase(15, 6, 48))
    make_random("tiny", tmp_path / "x", slower, changes=SMALL, dtype="float32")
    loaded = checkpoint.load(tmp_path / "x", ROBOT)
    assert loaded.time_base == loaded.embodiment.time_base == TimeBase(15, 6, 48)
    assert loaded.config.num_action_per_block == 48


def test_a_time_base_that_the_checkpoint_does_not_have_is_refused(made):
    with pytest.raises(CheckpointError, match="robot       48 rows at 30 Hz"):
        checkpoint.load(made, ROBOT, time_base=TimeBase(30, 6, 48))
    loaded = checkpoint.load("random:tiny", ROBOT, time_base=TimeBase(30, 6, 48))
    assert loaded.time_base == loaded.embodiment.time_base == TimeBase(30, 6, 48)
    assert loaded.config.num_action_per_block == 48


def test_a_tokenizer_s_file_is_asked_for_before_weights_are_read(copied, tmp_path):
    config = json.loads((copied / CONFIG).read_text())
    config[OWN]["model"]["text"]["tokenizer"] = "umt5"
    (copied / CONFIG).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"hf download google/umt5-xxl spiece\.model"):
        checkpoint.load(copied, ROBOT)
    with pytest.raises(CheckpointError, match=str(tmp_path / "mine")):
        checkpoint.load(copied, ROBOT, tokenizer=tmp_path / "mine")


def test_pickles_are_refused(copied):
    for path in copied.glob("*.safetensors"):
        path.unlink()
    (copied / INDEX).unlink()
    torch.save({"a": torch.zeros(1)}, copied / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="only pickles"):
        checkpoint.load(copied, ROBOT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("dim=100", "num_heads=3"), "head"),
        (("nonsense=1",), "expected NAME=NUMBER"),
        (("model_type=1",), "expected NAME=NUMBER"),
        (("dim=x",), "expected NAME=NUMBER"),
        (("text.dim=32",), r"text\.dim"),
        (("vae.z_dim=4",), "latents_mean"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=message):
        make_random("tiny", tmp_path / "x", ROBOT, changes=changes)
    assert not (tmp_path / "x").exists()


def test_a_directory_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CheckpointError, match="expected a new or an empty directory"):
        make_random("tiny", tmp_path, ROBOT)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
