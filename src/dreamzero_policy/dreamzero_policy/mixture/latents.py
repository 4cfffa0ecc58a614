"""A cache on disk of what the frozen encoders make of windows and prompts.

    FOLDER/windows-<encoders>/ab/abcd....safetensors    latents, first-frame condition, image tokens
    FOLDER/prompts-<encoder>/ab/abcd....safetensors     embeddings of one prompt

An entry's name is a hash of what it was made from: the video files' contents, the rows, what was
done to the pictures, and the encoders' weights. So nothing has to be thrown away when data or
encoders change, and several runs may share a folder, also at the same time. An entry appears whole
or not at all; whatever was being written when a process died is left behind under another name.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dreamzero_policy.mixture.augment import Augmentation
from dreamzero_policy.mixture.pictures import canvases
from dreamzero_policy.mixture.source import Source, TrainingEpisode
from dreamzero_policy.mixture.windows import Window
from dreamzero_policy.model.config import MASK_CHANNELS
from dreamzero_policy.model.dreamzero import DreamZero, to_network_range
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.types import Image

_VERSION = 1
_SAMPLE = 1 << 16  # bytes of either end of a video that tell it from another of its size
_WHOLE, _PART = 1 << 20, 1 << 16  # numbers of a weight that tell it from another of its shape
_STORED = torch.float16


class EncodedWindow(NamedTuple):
    """What the encoders make of a window's pictures.

    Attributes:
        latents: [C, F, h, w].
        condition: [4 + C, F, h, w]; None where the model reads none.
        clip: [tokens, clip_dim].
    """

    latents: Tensor
    condition: Tensor | None
    clip: Tensor


class LatentCache:
    """Entries by what they were made from.

    Args:
        folder: of the cache; it is made.
        model: whose encoders.
        to_the_end: whether the frames of a window's last chunk are wanted, too. Where actions alone
            are predicted nothing looks at them, and they are most of the work.
    """

    def __init__(self, folder: Path, model: DreamZero, *, to_the_end: bool = True) -> None:
        self._model, config = model, model.config
        self._to_the_end, self._latents_per_chunk = to_the_end, config.num_frame_per_block
        geometry = [config.target_size, config.latent_size, config.concat_first_frame_latent]
        windows = _identity(geometry, model.vae, model.image_encoder)
        prompts = _identity([config.text_len, config.text.tokenizer], model.text_encoder)
        self.folder = folder.expanduser()
        self._windows = self.folder / f"windows-{windows}"
        self._prompts = self.folder / f"prompts-{prompts}"
        self._text_len = config.text_len
        with _disk(self.folder):
            for each in (self._windows, self._prompts):
                each.mkdir(parents=True, exist_ok=True)

    def release_encoders(self) -> None:
        """Lets go of the model; from now on entries are only read."""
        self._model = None

    def prepare_windows(
        self,
        source: Source,
        episode: TrainingEpisode,
        windows: Sequence[Window],
        variants: int,
    ) -> Iterator[bool]:
        """Makes the entries of an episode's windows that are not there yet.

        Args:
            source: the dataset.
            episode: one of its episodes.
            windows: of it, in the order of their first rows.
            variants: how many of each: the plain one and augmented ones.

        Yields:
            For each entry whether it was made now.

        Raises:
            TrainingError: no space is left; what is made already is kept.
            DatasetError: a picture cannot be had.
        """
        wanted, base = [], source.robot.time_base
        for window in windows:
            rows = window.frame_rows(base)
            if not self._to_the_end:
                rows = rows[: -base.frames_per_chunk]
            for variant in range(variants):
                path = self._window_path(source, episode, window, variant)
                if path.is_file():
                    yield False
                else:
                    how = _augmentation(source, episode, window, variant)
                    wanted.append((window, path, (rows, how)))
        pictures = canvases(source, episode.index, [what for *_, what in wanted])
        for (window, path, _), frames in zip(wanted, pictures, strict=True):
            encoded = encode(self._model, frames)
            _check_finite(encoded, source, episode, window)
            tensors = {"latents": encoded.latents, "clip": encoded.clip}
            if encoded.condition is not None:  # its mask is known
                tensors["condition"] = encoded.condition[MASK_CHANNELS:]
            _write(path, tensors)
            yield True

    def prepare_prompt(self, prompt: str) -> None:
        """Makes the entry of a prompt if it is not there yet."""
        path = self._prompt_path(prompt)
        if not path.is_file():
            with torch.no_grad():
                text = self._model.text_encoder.encode(prompt)[0].cpu()
            _, mask = self._model.text_encoder.tokens(prompt)
            _write(path, {"text": text[: int(mask.sum())]})

    def window(
        self, source: Source, episode: TrainingEpisode, window: Window, variant: int
    ) -> EncodedWindow:
        """A window's entry, in float32; frames of its last chunk are 0 where they are not wanted.

        Raises:
            TrainingError: it is not there, or damaged.
        """
        found = _read(self._window_path(source, episode, window, variant))
        frames = 1 + self._latents_per_chunk * window.chunks
        condition = found.get("condition")
        if condition is not None:
            condition = _padded(condition, frames)
            mask = condition.new_zeros(MASK_CHANNELS, *condition.shape[1:])
            mask[:, 0] = 1.0
            condition = torch.cat([mask, condition])
        return EncodedWindow(_padded(found["latents"], frames), condition, found["clip"])

    def prompt(self, prompt: str) -> Tensor:
        """[text_len, text_dim] float32 of a prompt, zero behind its end.

        Raises:
            TrainingError: as ``window``.
        """
        used = _read(self._prompt_path(prompt))["text"]
        text = used.new_zeros(self._text_len, used.shape[1])
        text[: len(used)] = used
        return text

    def _window_path(
        self, source: Source, episode: TrainingEpisode, window: Window, variant: int
    ) -> Path:
        """Where an entry is or will be; one that has more frames than are wanted does as well."""
        robot, base = source.robot, source.robot.time_base
        videos = [
            _contents(*source.data.video(episode.index, column))
            for column in source.cameras.values()
        ]
        how = _augmentation(source, episode, window, variant)
        about = [
            *(_VERSION, videos, window.start, window.chunks, base.frame_stride),
            *(base.frames_per_chunk, robot.native_size, robot.view_size),
            *([asdict(view) for view in robot.views], how.corner, how.changes),
        ]
        about += [] if window.last is None else [window.last]
        whole = _place(self._windows, json.dumps(about))
        if self._to_the_end or whole.is_file():
            return whole
        return _place(self._windows, json.dumps([*about, "without the last chunk"]))

    def _prompt_path(self, prompt: str) -> Path:
        return _place(self._prompts, prompt)


@torch.no_grad()
def encode(model: DreamZero, frames: Image) -> EncodedWindow:
    """What the encoders make of canvases [T, H, W, 3], on the CPU."""
    weight = next(model.vae.parameters())
    canvases = torch.from_numpy(frames).to(weight.device)
    video = to_network_range(canvases, model.config.target_size, weight.dtype)
    condition = None
    if model.config.condition_channels:  # both at once: on a CPU in half the time
        latents, known = model.vae.encode_conditioned(video)
        condition = known[0].cpu()
    else:
        latents = model.vae.encode(video)
    clip = model.image_encoder.encode(video[:, :, 0])
    return EncodedWindow(latents[0].cpu(), condition, clip[0].cpu())


def _padded(latents: Tensor, frames: int) -> Tensor:
    """[C, f, h, w] with zeros behind it up to ``frames``."""
    missing = frames - latents.shape[1]
    return F.pad(latents, (0, 0, 0, 0, 0, missing)) if missing else latents


def _augmentation(
    source: Source, episode: TrainingEpisode, window: Window, variant: int
) -> Augmentation:
    """What a variant does to the pictures: none for the first, the same every time for others."""
    if variant == 0:
        return Augmentation()
    seed = (variant, episode.index, window.start)
    return Augmentation.draw(np.random.default_rng(seed), source.robot.native_size)


def _check_finite(
    encoded: EncodedWindow, source: Source, episode: TrainingEpisode, window: Window
) -> None:
    for name, tensor in zip(encoded._fields, encoded, strict=True):
        if tensor is not None and not tensor.to(_STORED).isfinite().all():
            raise TrainingError(
                f"{source.spec.path}: episode {episode.index}, rows from {window.start}: expected "
                f"finite {name} in half precision, got up to {tensor.abs().max():g}"
            )


def _identity(settings: object, *parts: nn.Module) -> str:
    """What tells encoders from others: sizes and weights, small ones whole, of large ones a part.

    A table of words is set by hand in a few rows, wherever those are: its ends alone tell nothing.
    """
    digest = hashlib.sha256(json.dumps(settings).encode())
    for part in parts:
        digest.update(json.dumps(asdict(part.config)).encode())
        for name, weight in part.named_parameters():
            flat = weight.detach().reshape(-1)
            if len(flat) > _WHOLE:
                flat = torch.cat([flat[: len(flat) - 1024 : len(flat) // _PART], flat[-1024:]])
            known = flat.float().cpu().numpy().tobytes()
            digest.update(f"{name} {tuple(weight.shape)}".encode() + known)
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1 << 16)
def _contents(path: Path, first_s: float) -> str:
    """What tells a video from any other: its length, its ends, and where the episode begins."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(f"{size} {first_s}".encode() + file.read(_SAMPLE))
        file.seek(max(size - _SAMPLE, 0))
        digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def _place(folder: Path, about: str) -> Path:
    name = hashlib.sha256(about.encode()).hexdigest()[:40]
    return folder / name[:2] / f"{name}.safetensors"


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes an entry, whole or not at all."""
    new = path.with_name(f"{path.stem}.{os.getpid()}.new")
    with _disk(path):
        path.parent.mkdir(exist_ok=True)
        try:
            save_file({name: x.to(_STORED).contiguous() for name, x in tensors.items()}, new)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except FileNotFoundError:
        raise TrainingError(
            f"{path}: expected an entry of the cache, got no file: data or encoders changed while "
            "training ran, or it was deleted; start again and it is made anew"
        ) from None
    except (SafetensorError, OSError) as error:
        path.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: damaged ({error}); it was removed: start again and it is made anew"
        ) from error


@contextmanager
def _disk(where: Path) -> Iterator[None]:
    """What a full disk raises, by name."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = getattr(error, "errno", None)
        full = number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        reason = "no space is left" if full else f"cannot be written: {error}"
        raise TrainingError(
            f"{where}: {reason}; everything that is in the cache already is kept"
        ) from error
