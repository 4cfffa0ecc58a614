"""Every check of a checkpoint on disk."""

import shutil

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.describe import tables
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.checkpoint.robot_facts import CONF
from dreamzero_policy.checkpoint.verify import SUMS, verify

ROBOT = embodiments.get("droid")
SMALL = ("num_layers=1", "text.num_layers=1", "image.num_layers=2")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("verify") / "made"
    make_random("tiny", path, ROBOT, changes=SMALL, shard_bytes=1_000_000)
    return path


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copied")


def failed(folder, **options):
    return {f.check: f.detail for f in verify(folder, **options) if not f.passed}


def test_a_whole_checkpoint_passes(made):
    findings = verify(made)
    assert [f.check for f in findings] == ["configuration", "robots", "tensors", "hashes", "values"]
    assert all(f.passed for f in findings)
    assert f"no {SUMS} to compare with" in findings[3].detail


def test_hashes_are_written_and_compared(copied):
    assert failed(copied, write=True) == {}
    assert failed(copied) == {}
    lines = (copied / SUMS).read_text().splitlines()
    assert any(line.endswith("  experiment_cfg/conf.yaml") for line in lines)
    with (copied / CONF).open("a") as file:
        file.write("# a word\n")
    assert list(failed(copied)) == ["hashes"]
    assert "experiment_cfg/conf.yaml: expected" in failed(copied)["hashes"]


def test_hashes_of_the_hub_s_client_are_compared(copied):
    shard = sorted(copied.glob("*.safetensors"))[0]
    note = copied / ".cache/huggingface/download" / f"{shard.name}.metadata"
    note.parent.mkdir(parents=True)
    note.write_text("commit\n" + "0" * 64 + "\n1.0\n")
    assert f"{shard.name}: expected 0000" in failed(copied)["hashes"]


def test_a_broken_list_of_hashes_is_named(copied):
    (copied / SUMS).write_text("not a hash\n")
    assert "expected 'HASH  NAME'" in failed(copied)["hashes"]


def test_a_bad_value_is_found_while_the_rest_passes(copied):
    shard = sorted(copied.glob("*.safetensors"))[0]
    tensors = load_file(shard)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, shard)
    assert list(failed(copied)) == ["values"]


def test_a_truncated_shard_fails_what_needs_it(copied):
    shard = sorted(copied.glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    assert set(failed(copied)) == {"tensors", "values"}


def shown(folder):
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(tables(folder))
    return console.export_text()


def test_a_description_says_what_it_is(made):
    text = shown(made)
    for part in ("no: random weights", "1 layers of 128", "wrist_image_left", "180x320 at 15.0 Hz",
                 "action relative", "chunks of 1.6 s", "droid", "yes", "causal DiT"):  # fmt: skip
        assert part in text, part


def test_a_description_says_what_does_not_fit(copied):
    conf = (copied / CONF).read_text()
    (copied / CONF).write_text(conf.replace("scale: 0.95", "scale: 0.8"))
    assert "crop: expected 0.95 as the robot has, got 0.8" in shown(copied)
    (copied / CONF).unlink()
    assert "experiment_cfg/conf.yaml missing" in shown(copied)
