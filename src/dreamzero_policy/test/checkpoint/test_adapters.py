"""Adapters: merged right, onto the checkpoint that they belong to, and onto no other."""

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.checkpoint.adapters import merge_adapters, save_adapters
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.checkpoint.robot_facts import CONF
from dreamzero_policy.checkpoint.upstream_config import CONFIG, OWN
from dreamzero_policy.model import lora
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.tensor_files import SINGLE

ROBOT = embodiments.get("droid")
SMALL = ("num_layers=1", "text.num_layers=1", "image.num_layers=2")
LAYER = "blocks.0.self_attn.q"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("adapters") / "base"
    make_random("tiny", path, ROBOT, changes=SMALL, dtype="float32")
    return path


@pytest.fixture(scope="module")
def trained(base):
    """A network with adapters that learned something, codecs too."""
    torch.manual_seed(0)
    dit = checkpoint.load(base, ROBOT).model.dit
    lora.add(dit, rank=2, alpha=6.0)
    with torch.no_grad():
        for name, parameter in dit.named_parameters():
            if "lora_" in name or "_encoder." in name or "_decoder." in name:
                parameter += torch.randn_like(parameter) * 0.1
    return dit


@pytest.fixture
def adapters(base, trained, tmp_path):
    save_adapters(tmp_path / "adapters", trained, base, rank=2, alpha=6.0, dtype=torch.float32)
    return tmp_path / "adapters"


def weights(loaded):
    return dict(loaded.model.dit.named_parameters())


def record(folder, **values):
    """Changes what config.json records of the base."""
    config = json.loads((folder / CONFIG).read_text())
    config[OWN]["base"] = values or None
    (folder / CONFIG).write_text(json.dumps(config))


def test_the_file_has_the_reference_s_names(adapters):
    names = set(load_file(adapters / SINGLE))
    prefix = "action_head.model.base_model.model."
    assert f"{prefix}{LAYER}.lora_A.default.weight" in names
    assert f"{prefix}action_encoder.W2.W" in names
    assert len(names) == 2 * 10 + 14  # q k v o twice, ffn.0, ffn.2; the codecs
    assert not any("k_img" in name for name in names)


def test_adapters_go_onto_their_base(base, trained, adapters):
    merged = weights(checkpoint.load(adapters, ROBOT, base=base))
    plain = weights(checkpoint.load(base, ROBOT))
    a, b = (trained.get_submodule(f"{LAYER}.lora_{half}").weight for half in "AB")
    expected = plain[f"{LAYER}.weight"] + 3.0 * b @ a
    assert torch.allclose(merged[f"{LAYER}.weight"], expected, atol=1e-6)
    assert not torch.equal(merged[f"{LAYER}.weight"], plain[f"{LAYER}.weight"])
    codec = "action_decoder.layer2.W"
    assert torch.equal(merged[codec], dict(trained.named_parameters())[codec])
    assert torch.equal(merged["head.head.weight"], plain["head.head.weight"])


def test_merged_on_disk_is_merged_in_memory(base, adapters, tmp_path):
    merge_adapters(adapters, tmp_path / "merged", base=base, shard_bytes=500_000)
    one = weights(checkpoint.load(tmp_path / "merged", ROBOT))
    two = weights(checkpoint.load(adapters, ROBOT, base=base))
    assert all(torch.equal(one[name], two[name]) for name in two)
    config = json.loads((tmp_path / "merged" / CONFIG).read_text())
    assert config["action_head_cfg"]["config"]["train_architecture"] == "full"
    assert "base" not in config[OWN]


@pytest.mark.parametrize("style", ["no prefix", "no adapter name", "base_layer"])
def test_names_of_every_library_version(base, adapters, style):
    path = adapters / SINGLE
    replaced = {
        "no prefix": ("base_model.model.", ""),
        "no adapter name": (".default.weight", ".weight"),
        "base_layer": ("base_model.model.", ""),
    }[style]
    tensors = {name.replace(*replaced): tensor for name, tensor in load_file(path).items()}
    whole = {}
    if style == "base_layer":  # a run of adapters that was saved in full
        for shard in base.glob("*.safetensors"):
            whole |= load_file(shard)
        whole = {
            f"action_head.model.base_model.model.{n.removeprefix('action_head.model.')}"
            if n.startswith("action_head.model.") else n: t
            for n, t in whole.items()
            if n not in tensors
        }  # fmt: skip
        key = f"action_head.model.base_model.model.{LAYER}"
        whole[f"{key}.base_layer.weight"] = whole.pop(f"{key}.weight")
    save_file(tensors | whole, path)
    plain = weights(checkpoint.load(base, ROBOT))
    loaded = checkpoint.load(adapters, ROBOT, base=None if whole else base)
    assert not torch.equal(weights(loaded)[f"{LAYER}.weight"], plain[f"{LAYER}.weight"])


def test_without_their_base_adapters_are_refused(adapters):
    with pytest.raises(CheckpointError, match="expected the checkpoint that they were trained on"):
        checkpoint.load(adapters, ROBOT)


def test_on_another_base_adapters_are_refused(adapters, tmp_path):
    other = tmp_path / "base"  # of the same name, layout and sizes
    make_random("tiny", other, ROBOT, changes=SMALL, dtype="float32", seed=1)
    with pytest.raises(CheckpointError, match="is not the checkpoint that the adapters"):
        checkpoint.load(adapters, ROBOT, base=other)


def test_the_same_base_in_other_shards_is_the_same(base, adapters, tmp_path):
    make_random("tiny", tmp_path / "other", ROBOT, changes=SMALL, dtype="float32",
                shard_bytes=300_000)  # fmt: skip
    checkpoint.load(adapters, ROBOT, base=tmp_path / "other")


def test_adapters_of_the_reference_record_where_their_base_lay(base, adapters, tmp_path):
    record(adapters)
    with pytest.raises(CheckpointError, match="does not record the checkpoint"):
        checkpoint.load(adapters, ROBOT, base=base)
    conf = yaml.safe_load((adapters / CONF).read_text())
    conf["pretrained_model_path"] = "/mnt/cluster/runs/DreamZero-Base/"
    (adapters / CONF).write_text(yaml.safe_dump(conf))
    with pytest.raises(CheckpointError, match="expected DreamZero-Base, got base"):
        checkpoint.load(adapters, ROBOT, base=base)
    shutil.copytree(base, tmp_path / "DreamZero-Base")
    checkpoint.load(adapters, ROBOT, base=tmp_path / "DreamZero-Base")


def test_adapters_are_no_base(adapters):
    with pytest.raises(CheckpointError, match="expected a whole model as base"):
        checkpoint.load(adapters, ROBOT, base=adapters)


def test_a_base_for_a_whole_model_is_refused(base):
    with pytest.raises(CheckpointError, match=r"a base .* is only for adapters"):
        checkpoint.load(base, ROBOT, base=base)


def test_nothing_to_merge(base, tmp_path):
    with pytest.raises(CheckpointError, match="holds no adapters"):
        merge_adapters(base, tmp_path / "merged")


def halve(tensors):
    del tensors[next(name for name in tensors if "lora_B" in name)]


def widen(tensors):
    tensors[next(name for name in tensors if "lora_A" in name)] = torch.zeros(3, 5)


def bend(tensors):
    tensors[next(name for name in tensors if "lora_A" in name)] = torch.zeros(2, 5)


def misplace(tensors):
    for half in "AB":
        tensors[f"action_head.model.x.lora_{half}.weight"] = torch.zeros(2, 2)


def double(tensors):
    tensors |= {name.replace(".default", ""): t.clone() for name, t in tensors.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (halve, "has half an adapter"),
        (widen, "adapters of rank"),
        (bend, r"adapter of .* expected A \[r, 128\]"),
        (misplace, "adapters of weights that are not there"),
        (double, "are the same tensor"),
    ],
)
def test_broken_adapters_are_named(base, adapters, change, message):
    tensors = load_file(adapters / SINGLE)
    change(tensors)
    save_file(tensors, adapters / SINGLE)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(adapters, ROBOT, base=base)
