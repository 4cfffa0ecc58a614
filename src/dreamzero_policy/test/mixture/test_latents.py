"""The cache: the same numbers, made once, whole or not at all."""

import errno

import numpy as np
import pytest
import torch

from dreamzero_policy.mixture import latents
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.latents import LatentCache, encode
from dreamzero_policy.mixture.source import Cutting, open_source
from dreamzero_policy.observation.views import Tiler
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.start import start_of

SIZES = ("dim=24", "vae.base_dim=4", "vae.decoder_base_dim=4", "image.num_layers=2")


@pytest.fixture(scope="module")
def model():
    return start_of("random:tiny", SIZES).encoders(torch.device("cpu"), torch.float32)


@pytest.fixture
def source(dataset, droid):
    return open_source(DatasetSpec(dataset), droid, Cutting(most_chunks=1, stride=12))


def filled(cache, source, count=2, variants=1):
    episode = source.episodes[0]
    return list(cache.prepare_windows(source, episode, episode.windows[:count], variants))


def test_an_entry_is_what_the_robot_s_own_pictures_give(tmp_path, model, source, droid):
    cache = LatentCache(tmp_path, model)
    assert filled(cache, source) == [True, True]
    assert filled(cache, source) == [False, False]
    episode, window = source.episodes[0], source.episodes[0].windows[1]
    tiler, pictures = Tiler(droid), {}
    for view, column in source.cameras.items():
        pictures[view] = list(source.data.pictures(episode.index, column))
    frames = [
        tiler.canvas({view: pictures[view][row] for view in pictures})
        for row in window.frame_rows(droid.time_base)
    ]
    found = cache.window(source, episode, window, 0)
    expected = encode(model, np.stack(frames))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)
    assert found.condition[:4, 0].eq(1).all()
    assert not found.condition[:4, 1:].any()


def test_variants_are_other_pictures_and_the_same_every_time(tmp_path, model, source):
    cache = LatentCache(tmp_path, model)
    filled(cache, source, count=1, variants=2)
    episode, window = source.episodes[0], source.episodes[0].windows[0]
    plain, other = (cache.window(source, episode, window, variant) for variant in (0, 1))
    assert not torch.allclose(plain.latents, other.latents, atol=0.05)
    again = LatentCache(tmp_path / "again", model)
    filled(again, source, count=1, variants=2)
    assert torch.equal(again.window(source, episode, window, 1).latents, other.latents)


@pytest.mark.parametrize("chunks", [1, 2])
def test_without_its_last_chunk_a_window_has_the_frames_before_it(
    tmp_path, model, droid, dataset, chunks
):
    source = open_source(DatasetSpec(dataset), droid, Cutting(most_chunks=chunks, stride=12))
    episode = source.episodes[0]
    window = next(one for one in episode.windows if one.chunks == chunks)

    def made(cache):
        return list(cache.prepare_windows(source, episode, [window], 1))

    short, whole = LatentCache(tmp_path, model, to_the_end=False), LatentCache(tmp_path, model)
    assert made(short) == [True]
    without = short.window(source, episode, window, 0)
    with pytest.raises(TrainingError, match="got no file"):
        whole.window(source, episode, window, 0)
    assert made(whole) == [True]
    expected = whole.window(source, episode, window, 0)
    frames = 1 + model.config.num_frame_per_block * (chunks - 1)
    for ours, theirs in zip(without[:2], expected[:2], strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours[:, :frames], theirs[:, :frames], rtol=2e-3, atol=2e-3)
        assert not ours[:, frames:].any()
    torch.testing.assert_close(without.clip, expected.clip, rtol=2e-3, atol=2e-3)
    assert made(LatentCache(tmp_path, model, to_the_end=False)) == [False], "a whole one does"
    assert torch.equal(short.window(source, episode, window, 0).latents, expected.latents)


def test_prompts_are_zero_behind_their_end(tmp_path, model):
    cache = LatentCache(tmp_path, model)
    cache.prepare_prompt("open it")
    text = cache.prompt("open it")
    with torch.no_grad():
        expected = model.text_encoder.encode("open it")[0]
    torch.testing.assert_close(text, expected, rtol=2e-3, atol=2e-3)


def test_other_encoders_have_entries_of_their_own(tmp_path, model, source):
    filled(LatentCache(tmp_path, model), source, count=1)
    other = start_of("random:tiny:1", SIZES).encoders(torch.device("cpu"), torch.float32)
    assert filled(LatentCache(tmp_path, other), source, count=1) == [True]


def test_another_vector_of_one_word_makes_prompts_anew(tmp_path, model):
    """As of an encoder whose words were set by hand for other data."""
    cache = LatentCache(tmp_path, model)
    cache.prepare_prompt("open it")
    before = cache.prompt("open it")
    other = start_of("random:tiny", SIZES).encoders(torch.device("cpu"), torch.float32)
    table = other.text_encoder.net.shared.weight
    with torch.no_grad():
        table[other.text_encoder.tokenizer("open it")[0]] += 1.0
    again = LatentCache(tmp_path, other)
    again.prepare_prompt("open it")
    with torch.no_grad():
        expected = other.text_encoder.encode("open it")[0]
    torch.testing.assert_close(again.prompt("open it"), expected, rtol=2e-3, atol=2e-3)
    assert not torch.allclose(again.prompt("open it"), before, atol=1e-2)


def test_a_large_weight_is_told_by_a_part_of_it(tmp_path, model, monkeypatch):
    monkeypatch.setattr(latents, "_WHOLE", 100)
    monkeypatch.setattr(latents, "_PART", 50)
    first = latents._identity([], model.vae)
    assert latents._identity([], model.vae) == first
    weight = next(weight for weight in model.vae.parameters() if weight.numel() > 2000)
    before = weight.detach().clone()
    with torch.no_grad():
        weight.mul_(1.01)
    assert latents._identity([], model.vae) != first
    with torch.no_grad():
        weight.copy_(before)
    assert latents._identity([], model.vae) == first


def test_a_full_disk_is_named_and_leaves_no_half_entry(tmp_path, model, source, monkeypatch):
    cache = LatentCache(tmp_path, model)

    def full(tensors, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    filled(cache, source, count=1)
    monkeypatch.setattr(latents, "save_file", full)
    with pytest.raises(TrainingError, match=r"no space is left; everything that is in the cache"):
        filled(cache, source)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.new"))
    assert filled(cache, source) == [False, True]


def test_a_damaged_entry_is_removed_and_made_anew(tmp_path, model, source):
    cache = LatentCache(tmp_path, model)
    filled(cache, source, count=1)
    (path,) = (tmp_path / next(tmp_path.glob("windows-*")).name).rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    episode, window = source.episodes[0], source.episodes[0].windows[0]
    with pytest.raises(TrainingError, match="damaged"):
        cache.window(source, episode, window, 0)
    with pytest.raises(TrainingError, match="got no file"):
        cache.window(source, episode, window, 0)
    assert filled(cache, source, count=1) == [True]
