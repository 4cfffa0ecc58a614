"""Trains the frozen parts of a miniature model: above all its video VAE. Released ones are trained.

Clips of a first frame and two latent frames are squeezed and drawn again. The loss is the mean
absolute error of pixels and of their differences to the next; their squared error, by which a small
coloured thing counts on a large table; and a little of the divergence from a standard normal, so
that latents stay near where noise is. Random weights begin as in ``vae_start``, and then the
encoder stays as it is: learning with the decoder it loses small things again. At the end mean and
deviation of every latent channel are measured: the policy sees latents normalised by them. The
other encoders are not trained but set by hand (``text_start``, ``image_start``).

    FOLDER/states/        what the run goes on from after a kill
    FOLDER/checkpoint/    frozen parts beside an untrained policy: what ``dreamzero train`` takes
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.checkpoint.adapters import EXPERIMENT
from dreamzero_policy.checkpoint.key_maps import IMAGE, TEXT, VAE, layout
from dreamzero_policy.miniature.image_start import set_colours_and_places
from dreamzero_policy.miniature.text_start import set_words
from dreamzero_policy.miniature.vae_start import set_averages
from dreamzero_policy.mixture.augment import Augmentation
from dreamzero_policy.mixture.corpus import Item, instructions_of
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.pictures import canvases
from dreamzero_policy.model.config import TEMPORAL_STRIDE, ModelConfig
from dreamzero_policy.model.dreamzero import DreamZero, to_network_range
from dreamzero_policy.model.vae import VideoVAE
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.panels import video_strip
from dreamzero_policy.runs.run_folder import claimed, remember
from dreamzero_policy.runs.saving import States, tensors_of
from dreamzero_policy.runs.start import Start, start_of
from dreamzero_policy.runs.tracker import open_trackers
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.export import swap, write_checkpoint, write_experiment
from dreamzero_policy.training.material import (
    Material,
    Say,
    Tell,
    chunk_rows_of,
    look_through,
    robots_of,
)
from dreamzero_policy.weights.random_weights import random_tensor

_FRAMES = 1 + 2 * TEMPORAL_STRIDE
_GRID = 16  # pixels of a token, on which a whole picture lies too
_SQUARED = 4.0
_MEASURED = 64
"""Clips that latents are measured on."""


@dataclass(frozen=True)
class VaeRun:
    """What a person asked for.

    Attributes:
        folder: of the run.
        datasets: what from; joints are not read.
        init: random weights, as ``random:PRESET``, or a checkpoint whose VAE goes on learning; of a
            trained policy its decoder.
        model_changes: other sizes, as ``NAME=NUMBER``.
        steps, batch, learning_rate: of AdamW; the rate falls as a cosine.
        crop: (height, width) in pixels of what is learned at a time; cut at random places.
        clips: how many clips are held in memory.
        divergence: weight of the divergence from a standard normal.
        save_every: steps.
        chunk_rows: as in ``TrainConfig``.
        seed: of everything that is random.
    """

    folder: Path
    datasets: tuple[DatasetSpec, ...]
    init: str = "random:tiny"
    model_changes: tuple[str, ...] = ()
    steps: int = 2000
    batch: int = 2
    learning_rate: float = 2e-3
    crop: tuple[int, int] = (48, 64)
    clips: int = 600
    divergence: float = 1e-4
    save_every: int = 500
    chunk_rows: int = 0
    seed: int = 42

    def settings(self) -> dict[str, object]:
        """What decides the weights that come out."""
        found = asdict(self) | {"datasets": [asdict(spec) for spec in self.datasets]}
        return {name: found[name] for name in found if name not in ("folder", "save_every")}


def train_vae(
    run: VaeRun,
    robots: Path | None = None,
    *,
    say: Say = lambda _: None,
    tell: Tell = lambda *_: None,
) -> Path:
    """Trains, or goes on.

    Args:
        run: what.
        robots: folder of an installation's own robots.
        say: hears which encoders stay random.
        tell: hears of the progress.

    Returns:
        The checkpoint's folder.

    Raises:
        TrainingError: data, settings, disk or numbers that do not allow it.
    """
    with claimed(run.folder):
        remember(run.folder, run.settings())
        found = robots_of(run.datasets, robots)
        config = TrainConfig(run.init, chunk_rows=run.chunk_rows, held_out=0.0, chunks=1)
        drawn = run.init.startswith("random:")
        rows = chunk_rows_of(found, config) if drawn else run.chunk_rows
        start = start_of(run.init, run.model_changes, rows)
        if start.note and not start.untrained:
            raise TrainingError(f"chunk_rows: expected those of the trained policy: {start.note}")
        material = look_through(run.datasets, found, start, config, tell)
        clips = _clips(material, start.config, run, tell)
        encoders = start.encoders(torch.device("cpu"), torch.float32)
        encoders.vae.requires_grad_(True)
        if drawn:
            _set_by_hand(encoders, _prompts(material), say)
        elif not start.untrained:
            say("the policy is trained: its decoder alone learns, its latents stay as they are")
            _hold_latents(encoders.vae)
        _learn(encoders.vae, clips, run, tell)
        return _save(run, start, encoders, material, clips)


def _set_by_hand(encoders: DreamZero, prompts: Sequence[Sequence[str]], say: Say) -> None:
    """What can be set of random encoders; a VAE's encoder that was set does not learn."""
    if set_averages(encoders.vae):
        _hold_latents(encoders.vae)
    else:
        say("video VAE: these sizes cannot begin from averages of colours: all of it learns")
    if not set_words(encoders.text_encoder, prompts):
        say("text encoder: these sizes or this tokenizer cannot be set by hand: it stays random")
    if not set_colours_and_places(encoders.image_encoder):
        say("image encoder: these sizes cannot be set by hand: it stays random")


def _hold_latents(vae: VideoVAE) -> None:
    vae.net.encoder.requires_grad_(False)
    vae.net.quant_conv.requires_grad_(False)


def _prompts(material: Material) -> list[list[str]]:
    """What each robot may be told in training."""
    by_robot: dict[str, list[Item]] = {}
    for item in [*material.training, *material.validation]:
        by_robot.setdefault(item.source.robot.tag, []).append(item)
    return [instructions_of(items) for items in by_robot.values()]


def _clips(material: Material, model: ModelConfig, run: VaeRun, tell: Tell) -> Tensor:
    """[N, 9, H, W, 3] uint8 at the size that the VAE works at, spread over all episodes."""
    picks = np.unique(
        np.linspace(0, len(material.training) - 1, min(run.clips, len(material.training)))
        .round()
        .astype(int)
    )
    by_episode: dict[tuple[int, int], list[Item]] = {}
    for at in picks.tolist():
        item = material.training[at]
        by_episode.setdefault((id(item.source), item.episode.index), []).append(item)
    found: list[Tensor] = []
    for items in by_episode.values():
        source, episode = items[0].source, items[0].episode
        base = source.robot.time_base
        wanted = [(item.window.frame_rows(base), Augmentation()) for item in items]
        for frames in canvases(source, episode.index, wanted):
            video = to_network_range(torch.from_numpy(frames[:_FRAMES]), model.target_size)
            found.append(((video[0] + 1) * 127.5).round().clamp(0, 255).byte())
            tell("clips", len(found), len(picks))
    return torch.stack(found)


def _learn(vae: VideoVAE, clips: Tensor, run: VaeRun, tell: Tell) -> None:
    """The steps, from the newest state on."""
    vae.train()
    learned = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, run.learning_rate, betas=(0.9, 0.99))
    for parameter in learned:
        optimizer.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    tensors = tensors_of(vae, optimizer, {})
    states = States(run.folder / "states", World(0, 1, torch.device("cpu"), None), keep=2)
    first = (states.steps() or [0])[-1]
    if first:
        states.load(first, tensors)
        for parameter in learned:
            optimizer.state[parameter]["step"] = torch.tensor(float(first))
    tracker = open_trackers((), run.folder, first, run.settings())
    for step in range(first, run.steps):
        for group in optimizer.param_groups:
            group["lr"] = run.learning_rate * 0.5 * (1 + np.cos(np.pi * step / run.steps))
        rng = np.random.default_rng((run.seed, step))
        batch = _batch(clips, run, rng)
        loss, pixels = _loss(vae, batch, run, rng)
        if not loss.isfinite():
            raise TrainingError(f"step {step}: expected a finite loss, got {loss.item()}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        done = step + 1
        tell("training", done, run.steps)
        if done % 50 == 0 or done == run.steps:
            tracker.figures(done, {"loss": loss.item(), "pixels": pixels.item()})
        if done % run.save_every == 0 or done == run.steps:
            states.save(done, tensors, {})
    vae.requires_grad_(False).eval()
    shown = _range(clips[:1])
    with torch.no_grad():
        drawn = vae.net.decode(_moments(vae, shown)[0], return_dict=False)[0]
    tracker.picture(run.steps, "vae", video_strip(*(_pixels(x) for x in (shown, drawn))))
    tracker.close()


def _batch(clips: Tensor, run: VaeRun, rng: np.random.Generator) -> Tensor:
    """[B, 3, T, h, w] in [-1, 1], cut at random places."""
    height, width = clips.shape[3:]
    rows, columns = min(run.crop[0], height), min(run.crop[1], width)
    cut = []
    for at in rng.integers(len(clips), size=run.batch).tolist():
        # On the grid of the latents' tokens, as a whole picture is.
        top, left = (
            int(rng.integers(free // 16 + 1)) * 16 for free in (height - rows, width - columns)
        )
        cut.append(clips[at, :, :, top : top + rows, left : left + columns])
    return _range(torch.stack(cut))


def _range(clips: Tensor) -> Tensor:
    return clips.float() / 127.5 - 1


def _moments(vae: VideoVAE, video: Tensor) -> Iterator[Tensor]:
    """Mean and logarithm of the variance, before they are normalised."""
    return vae.net.encode(video).latent_dist.parameters.chunk(2, dim=1)


def _loss(
    vae: VideoVAE, video: Tensor, run: VaeRun, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The loss, and the mean absolute error of pixels alone."""
    mean, spread = _moments(vae, video)
    spread = spread.clamp(-12, 4)
    noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
    drawn = vae.net.decode(mean + (0.5 * spread).exp() * noise, return_dict=False)[0]
    wrong = drawn - video
    pixels = wrong.abs().mean()
    edges = wrong.diff(dim=3).abs().mean() + wrong.diff(dim=4).abs().mean()
    divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).mean()
    squared = _SQUARED * wrong.square().mean()
    return pixels + edges + squared + run.divergence * divergence, pixels


def _pixels(video: Tensor) -> np.ndarray:
    """[T, H, W, 3] uint8 of the first clip."""
    frames = ((video[0] + 1) * 127.5).round().clamp(0, 255).byte()
    return frames.permute(1, 2, 3, 0).numpy()


@torch.no_grad()
def _measured(vae: VideoVAE, clips: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of every latent channel."""
    picks = np.unique(np.linspace(0, len(clips) - 1, min(_MEASURED, len(clips))).astype(int))
    means = [next(iter(_moments(vae, _range(clips[at][None]))))[0].flatten(1) for at in picks]
    whole = torch.cat(means, dim=1).double()
    std = whole.std(dim=1).clamp_min(1e-3)
    return tuple(whole.mean(dim=1).tolist()), tuple(std.tolist())


def _save(
    run: VaeRun, start: Start, encoders: DreamZero, material: Material, clips: Tensor
) -> Path:
    """A checkpoint with the trained VAE; of a trained policy the rest is as it was."""
    config, note = start.config, None
    if start.untrained:
        mean, std = _measured(encoders.vae, clips)
        config = replace(config, vae=replace(config.vae, latents_mean=mean, latents_std=std))
        note = f"random weights but for the frozen encoders (a video VAE of {run.steps} steps)"
    slots = layout(encoders)
    own = dict(encoders.named_parameters())
    stored = start.stored() if start.directory is not None else None

    def tensor_of(name: str, shape: tuple[int, ...]) -> Tensor:
        if name.startswith((VAE, TEXT, IMAGE)):
            return slots[name].join(own)
        return random_tensor(name, shape, start.seed) if stored is None else stored[name].read()

    path = run.folder / "checkpoint"
    making = path.with_name("checkpoint.writing")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    write_checkpoint(making, config, tensor_of, torch.float32, untrained=note)
    if start.untrained:
        write_experiment(making, material.robots)
    else:
        shutil.copytree(start.directory / EXPERIMENT, making / EXPERIMENT)
    swap(making, path)
    return path
