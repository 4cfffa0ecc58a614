"""How the model is run, as far as a user chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from dreamzero_policy.inference.prefix import Decay
from dreamzero_policy.inference.step_cache import GRID


@dataclass(frozen=True)
class EngineOptions:
    """How the model is run; none of it is in the weights.

    Attributes:
        guidance_scale: how far the video is pushed from the negative prompt; 1 is off and halves
            the work.
        evaluations: timesteps at which the network runs: 5 to 8 of 16, ``"all"`` or ``"dynamic"``;
            None: as many as the model's configuration says.
        timesteps: solver steps per block.
        shift: of the noise levels.
        final_video_sigma: noise level at which the video stops being denoised; None: none is left.
        seed: of the noise, the same at every call as in the reference.
        fresh_noise: whether every chunk of a session draws other noise.
        threads: CPU threads of the whole process; None leaves them as they are.
        decode_context: real latent frames in front of the predicted ones when those are decoded.
        real_time_chunking: whether a chunk's first rows are held to the chunk before, where its
            caller says that one went out (``Session.note_published``).
        prefix_decay: how the hold weakens behind the rows that are held exactly.

    Raises:
        ValueError: a number outside its range.
    """

    guidance_scale: float = 5.0
    evaluations: int | str | None = None
    timesteps: int = GRID
    shift: float = 5.0
    final_video_sigma: float | None = None
    seed: int = 1140
    fresh_noise: bool = False
    threads: int | None = None
    decode_context: int = 3
    real_time_chunking: bool = False
    prefix_decay: Decay = "exponential"

    def __post_init__(self) -> None:
        """Checks what the parts that read the rest do not."""
        if not np.isfinite(self.guidance_scale):
            raise ValueError(f"guidance_scale: expected a number, got {self.guidance_scale}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads: expected at least 1 or None, got {self.threads}")
        if self.decode_context < 1:
            raise ValueError(f"decode_context: expected at least 1, got {self.decode_context}")
        if self.prefix_decay not in get_args(Decay):
            raise ValueError(
                f"prefix_decay: expected one of {get_args(Decay)}, got {self.prefix_decay!r}"
            )

    @property
    def branches(self) -> int:
        """Copies of the network's memory: one per prompt that it runs under."""
        return 1 if self.guidance_scale == 1 else 2
