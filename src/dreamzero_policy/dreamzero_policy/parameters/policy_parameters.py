"""What an installation may set of the policy."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase
from dreamzero_policy.ros.parameters import NodeParameters, parameter
from dreamzero_policy.sampling.step_cache import GRID


@dataclass(frozen=True, kw_only=True)
class PolicyParameters(NodeParameters):
    """What an installation may set."""

    checkpoint: str = parameter(
        "random:tiny", "Folder of a checkpoint, or random:PRESET for untrained weights."
    )
    chunk_rows: int = parameter(
        0,
        "Rows of a chunk; 0 for the checkpoint's own, or the robot's where the weights are random.",
        at_least=0,
        at_most=1024,
    )
    device: str = parameter("auto", "Where the model runs: auto, cpu, cuda or cuda:N.")
    threads: int = parameter(
        1, "CPU threads of the model; 0 for the library's own choice.", at_least=0, at_most=256
    )
    precision: str = parameter(
        "none",
        "Of the network's large matrices: none (bfloat16 on a GPU, float32 on a CPU), int8 "
        "(weights, on a CPU), fp8 or nvfp4 (weights and activations, on a GPU that has it).",
        choices=("none", "int8", "fp8", "nvfp4"),
    )
    attention: str = parameter(
        "auto",
        "Kernel of the network's attention: cudnn, flash, efficient, math, or auto for torch's "
        "own choice at every call.",
        choices=("auto", "cudnn", "flash", "efficient", "math"),
    )
    compile: str = parameter(
        "auto",
        "Whether the network is compiled, and on a GPU recorded, before it is ready: always, "
        "never, or auto for on a GPU alone. Takes minutes the first time.",
        choices=("auto", "always", "never"),
    )
    compile_cache: str = parameter(
        "~/.cache/dreamzero/compiled",
        "Folder that compiled programs are kept in for the next start; empty for torch's own.",
    )
    text_encoder: str = parameter(
        "device",
        "Where the text encoder runs: on the model's device, or on the cpu, which takes seconds "
        "per instruction and leaves 11 GB of a GPU.",
        choices=("device", "cpu"),
    )
    ranks: int = parameter(
        1,
        "Processes that share the model: with guidance 2 for its two branches, 4 to divide the "
        "tokens of each as well. Each takes a GPU of its own, from the one named in device on.",
        at_least=1,
        at_most=64,
    )
    rank_timeout_s: float = parameter(
        30.0,
        "How long a call may take before processes that share the model are taken for hung [s].",
        at_least=1.0,
        at_most=600.0,
    )
    guidance_scale: float = parameter(
        5.0,
        "How far the video is pushed from the negative prompt; 1 is off and halves the work.",
        at_least=1.0,
        at_most=20.0,
    )
    evaluations: int = parameter(
        0,
        "Of 16 timesteps, those at which the network runs; 0 for as many as the model says.",
        choices=(0, 1, 2, 4, 5, 6, 7, 8, 16),
    )
    step_rule: str = parameter(
        "fixed",
        "Which timesteps those are: a fixed choice, or decided at each timestep by how alike the "
        "velocities of the video (dynamic) or of video and actions (dynamic_joint) were.",
        choices=("fixed", "dynamic", "dynamic_joint"),
    )
    timesteps: int = parameter(
        16,
        "Solver steps of a chunk. With fewer than 16 the network runs at every one of them.",
        choices=(16, 8, 6, 5, 4, 2, 1),
    )
    final_video_sigma: float = parameter(
        0.0,
        "Noise level at which the video stops being denoised; 0 for the checkpoint's own, which is "
        "0 but for a Flash checkpoint (about 0.8, best with timesteps 1).",
        at_least=0.0,
        at_most=0.95,
    )
    window_blocks: int = parameter(
        0,
        "Chunks until the context restarts; 0 for as many as the model was trained with.",
        at_least=0,
        at_most=64,
    )
    restart: str = parameter(
        "cold",
        "How a full context begins anew: cold, from the newest frame as the reference, or warm, "
        "with the last chunk of real frames in front of it.",
        choices=("cold", "warm"),
    )
    fresh_noise: bool = parameter(
        False, "Draw other noise for every chunk; the reference draws the same."
    )
    replan_frames: int = parameter(
        3, "A new chunk every so many canvases, and at every boundary.", at_least=1, at_most=64
    )
    canvases_per_frame: int = parameter(
        1,
        "Canvases that come in the time of one frame of the model, for replans closer than frames; "
        "the camera tiler follows, as it does a checkpoint.",
        at_least=1,
        at_most=16,
    )
    real_time_chunking: bool = parameter(
        False,
        "Hold a chunk's first rows to the chunk before, for as long as it takes to arrive; for the "
        "controller's seam of that name.",
    )
    observation_max_age_s: float = parameter(
        0.6, "A newest canvas with a state that is older is stale [s].", at_least=0.1, at_most=10.0
    )
    clock_tolerance_s: float = parameter(
        0.1,
        "How far in the future a canvas or state may lie [s]; the robot host's clock stamps them.",
        at_least=0.0,
        at_most=1.0,
    )
    predictions: bool = parameter(
        True, "Publish what the model expects to see, between calls, while somebody listens."
    )
    predicted_video: str = parameter(
        "unguided",
        "Whether the last evaluation has guidance for the predicted video (guided), has none "
        "(unguided, faster), or makes no video at all (none, fastest). The actions are the same.",
        choices=("guided", "unguided", "none"),
    )

    def time_base(self, robot: Embodiment) -> TimeBase | None:
        """How time is divided where rows are set: at the robot's rate, in frames of its number.

        Returns:
            None where they are not: then the checkpoint says.

        Raises:
            ValueError: rows that do not divide into the frames of a chunk.
        """
        return robot.time_base.of_rows(self.chunk_rows) if self.chunk_rows else None

    def engine(self) -> EngineOptions:
        """How the model is run.

        Raises:
            ValueError: two parameters that exclude each other.
        """
        return EngineOptions(
            guidance_scale=self.guidance_scale,
            evaluations=self._evaluations(),
            timesteps=self.timesteps,
            final_video_sigma=self.final_video_sigma or None,
            predicted_video=self.predicted_video,
            window_blocks=self.window_blocks or None,
            canvases_per_frame=self.canvases_per_frame,
            restart=self.restart,
            fresh_noise=self.fresh_noise,
            threads=self.threads or None,
            real_time_chunking=self.real_time_chunking,
            precision=self.precision,
            attention=self.attention,
            compile=self.compile,
            compile_cache=self.compile_cache or None,
            text_on_cpu=self.text_encoder == "cpu",
        )

    def _evaluations(self) -> int | str | None:
        """Timesteps at which the network runs, as the engine takes them."""
        if self.step_rule == "fixed" and self.timesteps == GRID:
            return "all" if self.evaluations == GRID else self.evaluations or None
        if self.evaluations not in (0, self.timesteps):
            raise ValueError(
                f"parameter evaluations: expected 0 with step_rule {self.step_rule} and "
                f"{self.timesteps} timesteps, got {self.evaluations}"
            )
        return "all" if self.step_rule == "fixed" else self.step_rule
