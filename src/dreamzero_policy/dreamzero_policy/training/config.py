"""Everything that decides what a training run learns, and the presets that exist."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from dreamzero_policy.named_values import named_values
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.training.loss import NoiseMode, Weighting

Mode = Literal["full", "lora"]
Precision = Literal["bfloat16", "float32"]
StatisticsFrom = Literal["data", "checkpoint"]


@dataclass(frozen=True)
class TrainConfig:
    """A training run; numbers without a remark are those of the reference's recipes.

    Attributes:
        init: what it begins from: a checkpoint's folder, or ``random:PRESET`` or
            ``random:PRESET:SEED``.
        mode: ``full`` trains the whole transformer; ``lora`` adapters of its linear layers and the
            codecs of actions and states. Text, image and video encoders are always frozen.
        lora_rank, lora_alpha: of the adapters.
        chunk_rows: rows of a chunk; 0: the checkpoint's that the run begins from, with random
            weights the robot's.
        chunks: chunks in a window; 0: as many as the model takes.
        base_stride: every how many rows a window may begin; 1 as the reference.
        most_idle: share of rows without motion above which a window is left out.
        rest_rows: rows by which a window may go on behind the end of its instruction, its last row
            repeated, if the robot rests there. 0 as the reference.
        variants: sets of pictures per window: the plain one, and augmented ones
            (``mixture/augment.py``).
        prompt_dropout: how often a window is shown under the negative prompt, which guidance then
            has learned; 0 as the reference.
        balanced: whether datasets are drawn by their weights alone, whatever their sizes.
        statistics: whether vectors are normalised by the datasets' statistics or, to go on training
            on the same robot, by those of the checkpoint that the run begins from.
        held_out: share of episodes that are for validation.
        noise: how levels are drawn (``loss.py``).
        weighting: of the errors at different levels; ``bell`` as the reference.
        noise_alpha, noise_beta: of the Beta distribution where there is one.
        video_weight, action_weight: of the two losses.
        predict_video: whether the noisy frames are in the sequence. Without, a small network learns
            where to go in a fraction of the time, and is a policy that predicts no video.
        evaluations: of 16 timesteps, those at which the checkpoint is run if nothing else is asked
            for; 0: as the one that the run begins from.
        steps: optimizer steps.
        batch: windows per step, over all processes.
        micro_batch: windows per process in one forward; 0: all of its share.
        learning_rate: the highest.
        warmup: share of the steps in which it rises; then it falls as a cosine.
        last_rate: where it ends, over the highest.
        beta1, beta2, eps, weight_decay: of AdamW.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights, which then are what is exported; 0: none.
        precision: of the network's arithmetic; weights and optimizer are float32.
        checkpointing: whether activations are recomputed in the backward pass.
        smoke_steps: steps of the test before the start that one batch can be learned; 0: none.
        log_every, validate_every, panels_every, save_every: steps; 0 for never, but for saving.
        panel_steps: Euler steps of the pictures.
        keep: how many states to resume from are kept.
        seed: of everything that is random.
    """

    init: str
    mode: Mode = "full"
    lora_rank: int = 4
    lora_alpha: float = 4.0
    chunk_rows: int = 0
    chunks: int = 0
    base_stride: int = 1
    most_idle: float = 1.0
    rest_rows: int = 0
    variants: int = 1
    prompt_dropout: float = 0.0
    balanced: bool = False
    statistics: StatisticsFrom = "data"
    held_out: float = 0.02
    noise: NoiseMode = "standard"
    weighting: Weighting = "bell"
    noise_alpha: float = 3.0
    noise_beta: float = 1.0
    video_weight: float = 1.0
    action_weight: float = 1.0
    predict_video: bool = True
    evaluations: int = 0
    steps: int = 1000
    batch: int = 32
    micro_batch: int = 1
    learning_rate: float = 1e-5
    warmup: float = 0.05
    last_rate: float = 0.0
    beta1: float = 0.95
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-5
    clip: float = 1.0
    ema: float = 0.0
    precision: Precision = "bfloat16"
    checkpointing: bool = True
    smoke_steps: int = 20
    log_every: int = 10
    validate_every: int = 500
    panels_every: int = 1000
    save_every: int = 500
    panel_steps: int = 8
    keep: int = 2
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuses numbers outside their range and words that mean nothing."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise TrainingError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise TrainingError(f"{name}: expected {low:g} to {high:g}, got {value}")
        if not self.video_weight + self.action_weight > 0:
            raise TrainingError("video_weight and action_weight: expected one of them above 0")
        if not self.predict_video and not self.action_weight > 0:
            raise TrainingError("action_weight: expected above 0 without predict_video, got 0")
        if self.evaluations:
            try:
                step_cache(self.evaluations)
            except ValueError as error:
                raise TrainingError(str(error)) from None

    @property
    def changes_the_curve(self) -> dict[str, Any]:
        """Settings that a run cannot change on its way."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in _FREE and not name.endswith("_every")
        }

    def changed(self, changes: Sequence[str]) -> Self:
        """The same with other settings.

        Args:
            changes: as ``NAME=VALUE``.

        Raises:
            TrainingError: no such setting, or a value that it cannot have.
        """
        try:
            values = named_values(changes, type(self))
        except ValueError as error:
            raise TrainingError(f"setting {error}") from None
        return replace(self, **values)


_CHOICES = {
    "mode": get_args(Mode),
    "statistics": get_args(StatisticsFrom),
    "noise": get_args(NoiseMode),
    "weighting": get_args(Weighting),
    "precision": get_args(Precision),
}
_MANY = 1e9
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("lora_rank", "variants", "steps", "batch", "save_every"), (1, _MANY)),
    **dict.fromkeys(("base_stride", "log_every", "panel_steps", "keep"), (1, _MANY)),
    **dict.fromkeys(("chunk_rows", "chunks", "micro_batch", "smoke_steps", "seed"), (0, _MANY)),
    **dict.fromkeys(("rest_rows", "validate_every", "panels_every"), (0, _MANY)),
    **dict.fromkeys(("most_idle", "prompt_dropout", "warmup", "last_rate", "ema"), (0, 1)),
    **dict.fromkeys(("video_weight", "action_weight", "weight_decay"), (0, _MANY)),
    **dict.fromkeys(("lora_alpha", "noise_alpha", "noise_beta", "clip"), (1e-9, _MANY)),
    **dict.fromkeys(("beta1", "beta2"), (0, 1 - 1e-9)),
    "eps": (0, 1),
    "held_out": (0, 0.9),
    "learning_rate": (0, 10),
}
_FREE = {"micro_batch", "checkpointing", "smoke_steps", "panel_steps", "keep", "evaluations"}


PRETRAIN = TrainConfig(
    init="random:droid_14b",
    steps=100_000,
    batch=128,
    held_out=0.005,
)
"""The paper's pre-training: the whole transformer, 100 thousand steps of 128 windows."""

POSTTRAIN = TrainConfig(
    init="",
    steps=5_000,
    batch=32,
    held_out=0.05,
    variants=4,
)
"""30 minutes of a new robot onto a pre-trained checkpoint, with its own statistics."""

FLASH = TrainConfig(
    init="",
    noise="decoupled",
    steps=10_000,
    batch=32,
    statistics="checkpoint",
)
"""A trained checkpoint to one that acts in one step: video mostly noise, actions of every level."""

VIDEO_TRANSFER = TrainConfig(
    init="",
    steps=10_000,
    batch=32,
    balanced=True,
    statistics="checkpoint",
)
"""Videos of other robots or people beside the robot's own data, as much of each."""

TINY = TrainConfig(
    init="random:tiny",
    base_stride=6,
    held_out=0.05,
    action_weight=4.0,
    steps=4_000,
    batch=16,
    micro_batch=0,
    learning_rate=1e-3,
    beta1=0.9,
    weight_decay=1e-4,
    ema=0.999,
    precision="float32",
    checkpointing=False,
    prompt_dropout=0.1,
    panels_every=1000,
)
"""The model in miniature on two CPU cores."""

PRESETS: dict[str, TrainConfig] = {
    "pretrain": PRETRAIN,
    "posttrain": POSTTRAIN,
    "flash": FLASH,
    "video-transfer": VIDEO_TRANSFER,
    "tiny": TINY,
}


def preset(name: str) -> TrainConfig:
    """The preset called ``name``.

    Raises:
        TrainingError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise TrainingError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
