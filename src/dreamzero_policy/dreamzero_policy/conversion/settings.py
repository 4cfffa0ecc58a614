"""What a user may choose about a conversion."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from dreamzero_policy import embodiments
from dreamzero_policy.datasets.video import PRESETS, Preset
from dreamzero_policy.embodiments.embodiment import Embodiment

Format = Literal["v2.1", "v3.0"]
FORMATS: tuple[Format, ...] = get_args(Format)

VERSION = 1
"""Raised whenever the same recording would become other rows or files."""


@dataclass(frozen=True)
class ConversionSettings:
    """How recordings become rows, and rows become episodes.

    Attributes:
        robot: that every recording must be of: its name, or the path of an installation's own file.
        format: of the dataset.
        max_age_s: a picture, measurement or command older than that is stale, as in the live nodes.
        keep_idle: keep rows in which nothing moves, and only list them in ``step_filter.jsonl``.
        idle_s: nothing must have moved for so long; a shorter pause is part of the motion.
        idle_fraction: what counts as no motion, as a share of each joint's top speed.
        least_chunks: shortest piece that is kept, in chunks. The reference's loader fails on pieces
            shorter than two.
        instruction: for recordings without one; empty to reject them.
        outcomes: of which episodes; those of another outcome are rejected. ``interrupted`` ones
            were cut off and recovered: what they have is whole.
        crf: quality of the video, lower is better.
        video_preset: of the encoder: ``ultrafast`` takes half the time, and more space.
        still_views: views that may show one picture while the robot moves, as of the wrist of an
            arm that rests where the camera has no noise: in simulation.

    Raises:
        ValueError: a value that makes no sense.
    """

    robot: str
    format: Format = "v2.1"
    max_age_s: float = 0.2
    keep_idle: bool = False
    idle_s: float = 1.0
    idle_fraction: float = 0.01
    least_chunks: float = 2.0
    instruction: str = ""
    outcomes: tuple[str, ...] = ("success", "partial", "unknown", "failure", "interrupted")
    crf: int = 23
    video_preset: Preset = "veryfast"
    still_views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.format not in FORMATS:
            raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {self.format!r}")
        if self.video_preset not in PRESETS:
            raise ValueError(
                f"video_preset: expected one of {', '.join(PRESETS)}, got {self.video_preset!r}"
            )
        for name, least, most in (
            ("max_age_s", 0.05, 2.0),
            ("idle_s", 0.2, 60.0),
            ("idle_fraction", 0.0, 0.5),
            ("least_chunks", 1.0, 1000.0),
            ("crf", 0, 51),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}: expected {least} to {most}, got {getattr(self, name)}")

    @property
    def embodiment(self) -> Embodiment:
        """The robot's layout.

        Raises:
            ValueError: there is no such robot.
        """
        return embodiments.get(self.robot)

    @property
    def fingerprint(self) -> str:
        """Of everything that decides what a recording becomes, whatever the dataset's format."""
        values = {**asdict(self), "version": VERSION, "layout": repr(self.embodiment)}
        del values["format"], values["robot"]
        # What was converted before there was a choice stays as it is.
        if not self.still_views:
            del values["still_views"]
        if self.video_preset == "veryfast":
            del values["video_preset"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
