"""A test before the start: can one batch be learned?

A network that cannot learn a batch that it sees again and again, under the same noise, has no use
for days of computing: labels, shapes or rates are wrong. Afterwards every weight is as before.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.learner import Learner
from dreamzero_policy.training.loader import Loader

LEAST_FALL = 0.01
"""By what share the loss has to fall."""


def overfit_one_batch(
    learner: Learner,
    loader: Loader,
    config: TrainConfig,
    say: Callable[[str], None],
    tell: Callable[[str, int, int], None],
) -> None:
    """Learns the first batch, then forgets it again.

    Raises:
        TrainingError: its loss did not fall, or became no number.
    """
    if not config.smoke_steps:
        return
    kept = {name: tensor.detach().clone() for name, tensor in learner.tensors().items()}
    step = learner.step_number
    with ThreadPoolExecutor(1) as readers:
        parts = loader.make(step, readers)
    seen = []
    # Where the rate is highest: that is what has to be survived.
    learner.step_number = max(1, round(config.warmup * config.steps))
    for done in range(config.smoke_steps):
        seen.append(learner.step(parts, loader.parts).loss)
        tell("smoke test", done + 1, config.smoke_steps)
    with torch.no_grad():
        for name, tensor in learner.tensors().items():
            tensor.copy_(kept[name])
    learner.go_on_from(step)
    fall = 1 - min(seen[1:], default=seen[0]) / seen[0] if seen[0] > 0 else 0.0
    say(f"one batch, {config.smoke_steps} steps: loss {seen[0]:.4f} to {min(seen):.4f}")
    if config.smoke_steps > 1 and fall < LEAST_FALL:
        raise TrainingError(
            f"smoke test: expected the loss of one batch to fall by {LEAST_FALL:.0%} at least in "
            f"{config.smoke_steps} steps at the highest rate, got {seen[0]:.4f} to "
            f"{min(seen):.4f}: look at the data and the learning rate, or --set smoke_steps=0"
        )
