"""How the model is run, as far as a user chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dreamzero_policy.acceleration.quantize import Precision
from dreamzero_policy.model.attention import Backend
from dreamzero_policy.sampling.prefix import Decay
from dreamzero_policy.sampling.sampler import PredictedVideo
from dreamzero_policy.sampling.step_cache import GRID

Restart = Literal["cold", "warm"]
Compile = Literal["auto", "always", "never"]
Refresh = Literal["observed", "predicted"]


@dataclass(frozen=True)
class EngineOptions:
    """How the model is run; none of it is in the weights.

    Attributes:
        guidance_scale: how far the video is pushed from the negative prompt; 1 is off and halves
            the work.
        evaluations: timesteps at which the network runs: 1, 2 or 4 to 8 of 16, ``"all"``,
            ``"dynamic"`` or ``"dynamic_joint"`` (``sampling/step_cache.py``); None: as many
            as the model's configuration says.
        timesteps: solver steps per block.
        shift: of the noise levels.
        final_video_sigma: noise level at which the video stops being denoised; None: as the model's
            configuration says, which leaves none but in a Flash checkpoint.
        predicted_video: what the last evaluation gives for the video; the actions are the same.
        literal: whether everything is computed as the reference does, no forward packed, trimmed or
            left out: the slow twin.
        window_blocks: blocks in a window; None: as many as the model was trained with. More are
            positions that it never saw.
        canvases_per_frame: canvases that come in the time of one frame of the model: calls are as
            far apart as canvases at least.
        refresh: what a block leaves in the context when it ends: the frames that were ``observed``,
            or those that were ``predicted`` when it began, as a video generator would. Then only
            block boundaries are answered, since between two of them only observed frames are known;
            a block that was not predicted is entered as observed. For comparison only.
        restart: how a full window begins anew: ``cold`` from its newest frame as the reference, or
            ``warm`` with the last real frames in front of it.
        warm_blocks: blocks that a warm window begins with.
        seed: of the noise, the same at every call as in the reference.
        fresh_noise: whether every chunk of a session draws other noise.
        threads: CPU threads of the whole process; None leaves them as they are.
        decode_context: real latent frames in front of the predicted ones when those are decoded.
        real_time_chunking: whether a chunk's first rows are held to the chunk before, where its
            caller says that one went out (``Session.note_published``).
        prefix_decay: how the hold weakens behind the rows that are held exactly.
        precision: of the network's large matrices (``quantize.py``); approximate but for ``none``.
        attention: kernel that the network's attention runs (``model/attention.py``).
        compile: whether the network is compiled; ``auto``: on a GPU.
        compile_cache: folder that compiled programs are kept in; None: the library's own.
        text_on_cpu: whether the text encoder stays in the host's memory; it runs once per
            instruction.

    Raises:
        ValueError: a number outside its range.
    """

    guidance_scale: float = 5.0
    evaluations: int | str | None = None
    timesteps: int = GRID
    shift: float = 5.0
    final_video_sigma: float | None = None
    predicted_video: PredictedVideo = "unguided"
    literal: bool = False
    window_blocks: int | None = None
    canvases_per_frame: int = 1
    refresh: Refresh = "observed"
    restart: Restart = "cold"
    warm_blocks: int = 1
    seed: int = 1140
    fresh_noise: bool = False
    threads: int | None = None
    decode_context: int = 3
    real_time_chunking: bool = False
    prefix_decay: Decay = "exponential"
    precision: Precision = "none"
    attention: Backend = "auto"
    compile: Compile = "auto"
    compile_cache: str | None = None
    text_on_cpu: bool = False

    def __post_init__(self) -> None:
        """Checks what the parts that read the rest do not."""
        if not np.isfinite(self.guidance_scale):
            raise ValueError(f"guidance_scale: expected a number, got {self.guidance_scale}")
        for name, choices in (
            ("predicted_video", PredictedVideo),
            ("refresh", Refresh),
            ("restart", Restart),
            ("prefix_decay", Decay),
            ("precision", Precision),
            ("attention", Backend),
            ("compile", Compile),
        ):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(
                    f"{name}: expected one of {get_args(choices)}, got {getattr(self, name)!r}"
                )
        if self.refresh == "predicted" and self.predicted_video == "none":
            raise ValueError("refresh: predicted frames need a predicted_video, got none")
        if self.literal and self.compile == "always":
            raise ValueError(
                "compile: expected auto or never for the literal slow twin, got always"
            )
        if self.window_blocks is not None and self.window_blocks < 1:
            raise ValueError(
                f"window_blocks: expected at least 1 or None, got {self.window_blocks}"
            )
        if self.canvases_per_frame < 1:
            raise ValueError(
                f"canvases_per_frame: expected at least 1, got {self.canvases_per_frame}"
            )
        if self.warm_blocks < 1:
            raise ValueError(f"warm_blocks: expected at least 1, got {self.warm_blocks}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads: expected at least 1 or None, got {self.threads}")
        if self.decode_context < 1:
            raise ValueError(f"decode_context: expected at least 1, got {self.decode_context}")
