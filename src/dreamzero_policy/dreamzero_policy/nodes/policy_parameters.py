"""What an installation may set of the policy."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase
from dreamzero_policy.inference.options import EngineOptions
from dreamzero_policy.ros.parameters import NodeParameters, parameter


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
    guidance_scale: float = parameter(
        5.0,
        "How far the video is pushed from the negative prompt; 1 is off and halves the work.",
        at_least=1.0,
        at_most=20.0,
    )
    evaluations: int = parameter(
        0,
        "Of 16 timesteps, those at which the network runs; 0 for as many as the model says.",
        choices=(0, 5, 6, 7, 8, 16),
    )
    dynamic_evaluations: bool = parameter(
        False, "Decide at each timestep whether the network runs, instead of a fixed number."
    )
    fresh_noise: bool = parameter(
        False, "Draw other noise for every chunk; the reference draws the same."
    )
    replan_frames: int = parameter(
        3, "A new chunk every so many canvases, and at every boundary.", at_least=1, at_most=64
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

    def time_base(self, robot: Embodiment) -> TimeBase | None:
        """How time is divided where rows are set: at the robot's rate, in frames of its number.

        Returns:
            None where they are not: then the checkpoint says.

        Raises:
            ValueError: rows that do not divide into the frames of a chunk.
        """
        return robot.time_base.of_rows(self.chunk_rows) if self.chunk_rows else None

    def engine(self) -> EngineOptions:
        """How the model is run."""
        static = "all" if self.evaluations == 16 else self.evaluations or None
        return EngineOptions(
            guidance_scale=self.guidance_scale,
            evaluations="dynamic" if self.dynamic_evaluations else static,
            fresh_noise=self.fresh_noise,
            threads=self.threads or None,
            real_time_chunking=self.real_time_chunking,
        )
