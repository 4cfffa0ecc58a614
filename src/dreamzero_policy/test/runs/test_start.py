"""What a run begins from, where the checkpoint was another robot's."""

import pytest
import torch

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.key_maps import DIT
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.runs.start import start_of

SIZES = ("dim=24", "num_layers=1", "vae.base_dim=4", "vae.decoder_base_dim=4")


@pytest.fixture(scope="module")
def of_droid(tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "checkpoint"
    make_random("tiny", path, embodiments.get("droid"), changes=SIZES)
    return path


@pytest.mark.parametrize("rows", [0, 24])
def test_the_chunks_of_the_checkpoint_are_taken_with_what_it_tells_of_its_robot(of_droid, rows):
    start = start_of(str(of_droid), (), rows)
    assert start.config.num_action_per_block == 24
    assert list(start.robots) == ["oxe_droid"]
    assert start.note == ""


def test_a_robot_with_longer_chunks_begins_from_the_same_weights(of_droid):
    g1 = embodiments.get("agibot_g1")
    same, longer = start_of(str(of_droid)), start_of(str(of_droid), (), 48)
    assert longer.config.num_action_per_block == 48
    assert "24 rows, this run's 48" in longer.note
    assert "oxe_droid" in longer.note
    assert longer.robots == {}  # statistics of relative actions are those of another chunk
    assert longer.robot(g1).time_base.rows_per_chunk == 48
    name = DIT + "blocks.0.self_attn.q.weight"
    assert torch.equal(same.stored()[name].read(), longer.stored()[name].read())
