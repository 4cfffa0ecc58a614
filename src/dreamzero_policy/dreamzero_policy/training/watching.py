"""What is looked at while a run goes on: the loss on windows that are held out, and pictures.

All processes look at the same windows, since the network is divided among them; the first draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.mixture.corpus import Corpus, Item
from dreamzero_policy.mixture.latents import LatentCache
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.panels import action_plot, video_strip
from dreamzero_policy.runs.start import Start
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.learner import Learner
from dreamzero_policy.training.material import Material
from dreamzero_policy.training.objective import draw_noise
from dreamzero_policy.training.preview import Predicted, errors, predict
from dreamzero_policy.types import Image

_WINDOWS = 16
"""Windows whose loss is taken."""


class Watcher:
    """Looks at a run.

    Args:
        material: its data.
        cache: what the encoders made.
        start: what it began with.
        config: when to look.
        world: the processes.
        encoders: with the VAE that pictures are decoded by; None where this process draws none.
    """

    def __init__(
        self,
        material: Material,
        cache: LatentCache,
        start: Start,
        config: TrainConfig,
        world: World,
        encoders: DreamZero | None,
    ) -> None:
        self._config, self._model, self._world = config, start.config, world
        self._vae = encoders.vae if encoders is not None and config.panels_every else None
        plain = replace(config, prompt_dropout=0.0)
        chosen = _spread(material.validation, _WINDOWS)
        self._validation = material.corpus(chosen, cache, start, plain)
        shown = chosen[:1] or _spread(material.training, 1)
        self._shown = material.corpus(shown, cache, start, plain)

    def look(
        self, learner: Learner, step: int, *, last: bool
    ) -> Iterator[tuple[str, Mapping[str, float] | Image]]:
        """What there is to see after a step: figures and pictures by name."""
        config = self._config

        def due(every: int) -> bool:
            return bool(every) and (step % every == 0 or last)

        if due(config.validate_every) and self._validation.items:
            yield "validation", self._losses(learner)
        if due(config.panels_every):
            yield from self._pictures(learner)

    @torch.no_grad()
    def _losses(self, learner: Learner) -> dict[str, float]:
        """Mean losses of the windows that are held out, under the same noise every time."""
        corpus, config, found = self._validation, self._config, []
        for number in range(len(corpus.items)):
            batch = _window(corpus, number)
            rng = np.random.default_rng(number)
            noise = draw_noise(
                *(self._model, batch, [rng]), config.noise, config.noise_alpha, config.noise_beta
            )
            device = self._world.device
            found.append(torch.stack([*learner.losses(batch.to(device), noise.to(device))]))
        names = ("validation_loss", "validation_video", "validation_actions")
        return dict(zip(names, torch.stack(found).mean(dim=0).tolist(), strict=True))

    def _pictures(self, learner: Learner) -> Iterator[tuple[str, Mapping[str, float] | Image]]:
        """A window that is predicted."""
        corpus, table = self._shown, learner.table
        batch = _window(corpus, 0).to(self._world.device)
        predicted = predict(
            *(learner.network, table, batch, self._config.panel_steps),
            video_too=self._config.noise != "no_video",
            predict_video=self._config.predict_video,
        )
        yield "prediction", errors(self._model, batch, predicted)
        if self._vae is not None:
            if predicted.latents is not None:
                yield "video", self._strip(batch.latents, predicted.latents)
            item = corpus.items[0]
            if item.source.spec.actions:
                yield "actions", self._plot(item, batch.actions, predicted)

    @torch.no_grad()
    def _strip(self, true: Tensor, predicted: Tensor) -> Image:
        weight = next(self._vae.parameters())
        clips = (self._vae.decode(x.to(weight))[0] for x in (true, predicted))
        frames = [
            ((clip.float() + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 3, 0)
            for clip in clips
        ]
        return video_strip(*(clip.cpu().numpy() for clip in frames))

    def _plot(self, item: Item, true: Tensor, predicted: Predicted) -> Image:
        names = item.source.robot.action_joints
        pair = (x[0, :, : len(names)].double().cpu().numpy() for x in (true, predicted.actions))
        return action_plot(*pair, names, item.source.robot.time_base.rows_per_chunk)


def _window(corpus: Corpus, number: int) -> Batch:
    """The plain variant under the first wording."""
    item = corpus.items[number]
    return corpus.window(number, 0, item.episode.wordings(item.window)[0])


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """Some of the windows, evenly over all."""
    picks = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).astype(int))
    return [items[at] for at in picks]
