"""The small VAE: it learns, goes on after a stop, and a policy begins from it."""

import json
from dataclasses import replace

import pytest
import torch

from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.checkpoint.robot_facts import CONF
from dreamzero_policy.checkpoint.upstream_config import CONFIG, config_json, read_config
from dreamzero_policy.miniature import train_vae as module
from dreamzero_policy.miniature.train_vae import VaeRun, train_vae
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.start import start_of

SIZES = ("dim=24", "num_layers=1", "vae.base_dim=4", "vae.decoder_base_dim=4")


def run_in(folder, dataset, **more):
    specs = (DatasetSpec(dataset, actions=True),)
    return VaeRun(
        folder, specs, model_changes=SIZES, steps=12, clips=6, crop=(32, 32), batch=1,
        save_every=4, **more,
    )  # fmt: skip


def test_it_learns_goes_on_and_is_what_a_policy_begins_from(
    dataset, tmp_path, droid, log_of, monkeypatch
):
    whole = run_in(tmp_path / "whole", dataset)
    heard = []
    checkpoint = train_vae(whole, say=heard.append)
    assert [line.split(":")[0] for line in heard] == ["video VAE"]  # too narrow here
    losses = [line["loss"] for line in log_of(whole)]
    assert len(losses) == 1
    stopped = replace(whole, folder=tmp_path / "stopped")
    real, count = module._loss, []

    def interrupted(*args):
        count.append(1)
        if len(count) == 7:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(module, "_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_vae(stopped)
    monkeypatch.undo()
    again = train_vae(stopped)
    ours, theirs = (load(path, droid) for path in (again, checkpoint))
    assert ours.untrained
    assert "video VAE of 12 steps" in ours.description
    assert ours.config == theirs.config
    assert ours.config.vae.latents_std != TINY.vae.latents_std
    for one, two in zip(ours.model.vae.parameters(), theirs.model.vae.parameters(), strict=True):
        assert torch.equal(one, two)
    video = torch.zeros(1, 3, 9, 96, 160)
    latents = ours.model.vae.encode(video)
    assert latents.isfinite().all()
    start = start_of(str(checkpoint))
    assert start.untrained
    assert "oxe_droid" in start.robots
    vae = start.encoders(torch.device("cpu"), torch.float32).vae
    torch.testing.assert_close(vae.encode(video), latents)
    with pytest.raises(TrainingError, match="steps: the run was begun with 12"):
        train_vae(replace(whole, steps=13))


def test_a_trained_policy_keeps_all_but_its_decoder(dataset, tmp_path, droid):
    before = train_vae(run_in(tmp_path / "before", dataset))
    config = before / CONFIG
    config.write_text(json.dumps(config_json(read_config(before).model)))  # as if it were trained
    after_run = replace(run_in(tmp_path / "after", dataset), init=str(before), model_changes=())
    after = train_vae(after_run)
    ours, theirs = (load(path, droid) for path in (after, before))
    assert not ours.untrained
    assert ours.config == theirs.config  # the latents' mean and deviation, too
    assert (after / CONF).read_text() == (before / CONF).read_text()
    pairs = zip(ours.model.named_parameters(), theirs.model.named_parameters(), strict=True)
    other = {name for (name, one), (_, two) in pairs if not torch.equal(one, two)}
    assert other
    assert all(name.startswith(("vae.net.decoder", "vae.net.post_quant_conv")) for name in other)
    with pytest.raises(TrainingError, match="chunk_rows: expected those of the trained policy"):
        train_vae(replace(after_run, folder=tmp_path / "rows", chunk_rows=48))
