"""The batches of a process, one step ahead of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.mixture.corpus import Corpus, Sampler
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.runs.distributed import World
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.objective import Noise, draw_noise

_READERS = 4  # threads that read windows of one batch

Parts = list[tuple[Batch, Noise]]
"""A process's share of a step's batch in equal parts, each with its noise."""


class Loader:
    """Makes what a process needs of each step.

    Args:
        corpus: the windows.
        sampler: which of them each step has.
        model: for the shapes of what is drawn.
        config: sizes of the batches.
        world: which share is this process's.

    Raises:
        TrainingError: the batch does not divide.
    """

    def __init__(
        self,
        corpus: Corpus,
        sampler: Sampler,
        model: ModelConfig,
        config: TrainConfig,
        world: World,
    ) -> None:
        self._corpus, self._sampler = corpus, sampler
        self._model, self._config, self._world = model, config, world
        self.share, rest = divmod(config.batch, world.size)
        micro = config.micro_batch or self.share
        if rest or not self.share or self.share % micro:
            raise TrainingError(
                f"batch: expected a multiple of {world.size} processes times micro_batch {micro}, "
                f"got {config.batch}"
            )
        self._micro = micro

    @property
    def parts(self) -> int:
        """Forwards of a step."""
        return self.share // self._micro

    def from_step(self, step: int) -> Iterator[Parts]:
        """The parts of this step and all that follow."""
        with ThreadPoolExecutor(1, "batches") as ahead, ThreadPoolExecutor(_READERS) as readers:
            waiting = ahead.submit(self.make, step, readers)
            while True:
                parts = waiting.result()
                step += 1
                waiting = ahead.submit(self.make, step, readers)
                yield parts

    def make(self, step: int, readers: ThreadPoolExecutor) -> Parts:
        """The parts of a step, the same whenever and wherever they are made."""
        chosen = self._sampler.step(step, self._config.batch)
        first = self._world.rank * self.share
        places = range(first, first + self.share)
        rngs = [self._sampler.rng(step, place) for place in places]
        drawn = list(readers.map(self._corpus.draw, (chosen[at] for at in places), rngs))
        parts = []
        for start in range(0, self.share, self._micro):
            batch = Batch.stack(drawn[start : start + self._micro])
            mine = rngs[start : start + self._micro]
            config = self._config
            noise = draw_noise(
                self._model, batch, mine, config.noise, config.noise_alpha, config.noise_beta
            )
            parts.append((batch, noise))
        return parts
