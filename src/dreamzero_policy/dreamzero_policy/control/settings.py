"""What an installation may set about control, with the bounds or choices of everything."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.types import NS_PER_S, Float

BOUNDS: dict[str, tuple[float, float]] = {
    "rate_hz": (5.0, 1000.0),
    "state_max_age_s": (0.01, 2.0),
    "chunk_max_age_s": (0.1, 30.0),
    "clock_tolerance_s": (0.0, 1.0),
    "clock_jump_s": (0.05, 2.0),
    "first_row_max_step": (0.001, 1.0),
    "first_row_max_step_m": (0.0005, 0.5),
    "row_max_step": (0.001, 1.0),
    "row_max_step_m": (0.0005, 0.5),
    "smoothing_max_change": (0.01, 3.0),
    "range_excess": (0.0, 0.5),
    "range_excess_m": (0.0, 0.1),
    "range_excess_gripper": (0.0, 10.0),
    "range_excess_base": (0.0, 1.0),
    "pose_excess": (0.0, 0.5),
    "pose_excess_m": (0.0, 0.1),
    "following_error": (0.01, 3.0),
    "following_error_m": (0.002, 0.5),
    "seam_s": (0.0, 2.0),
    "seam_speed": (0.01, 3.0),
    "seam_speed_m": (0.001, 1.0),
    "seam_jerk": (5.0, 5000.0),
    "seam_jerk_m": (1.0, 1000.0),
    "ramp_s": (0.1, 10.0),
    "ending_s": (0.0, 1.0),
    "ensemble_decay": (0.0, 50.0),
    "slowest_playback": (0.05, 1.0),
    "teleop_max_age_s": (0.05, 1.0),
    "driver_max_age_s": (0.1, 5.0),
    "overrun_s": (0.01, 2.0),
}

CHOICES: dict[str, tuple[str, ...]] = {
    "seam": ("cross_fade", "temporal_ensemble", "real_time_chunking"),
    "slow_inference": ("hold", "slow_playback"),
}


@dataclass(frozen=True)
class ControllerSettings:
    """Thresholds and times of the controller; bounds and choices stand in the tables above.

    Attributes:
        rate_hz: ticks per second.
        state_max_age_s: a measured pose older than this is stale [s].
        chunk_max_age_s: a chunk whose observation is older than this is stale, in the chunk's own
            time: age times playback, so at most this over ``slowest_playback`` by the clock [s].
        clock_tolerance_s: how far in the future a stamp may lie before it is refused [s].
        clock_jump_s: a gap between two ticks longer than this, or any step back, is a jump of the
            clock [s].
        first_row_max_step: a chunk must come by the present pose as near as this, up to the row
            that is due [rad].
        first_row_max_step_m: the same for a prismatic joint [m].
        row_max_step: largest step from one row to the next [rad].
        row_max_step_m: the same for a prismatic joint [m].
        smoothing_max_change: a row further than this from its smoothed self is an outlier, not
            noise [rad or m].
        range_excess: rows outside the range by more refuse the chunk, by less are clamped and
            counted [rad].
        range_excess_m: the same for a prismatic joint [m].
        range_excess_gripper: the same for a gripper, wide since a gripper only saturates [share of
            its range].
        range_excess_base: the same for a base velocity [share of its range].
        pose_excess: how far outside its range a joint may be when motion is enabled [rad, or share
            of a gripper's range].
        pose_excess_m: the same for a prismatic joint [m].
        following_error: largest distance between command and measurement [rad]; grippers and bases
            are exempt.
        following_error_m: the same for a prismatic joint [m].
        seam_s: least length of the cross-fade between chunks [s]; 0 means the chunk's own inference
            delay, 0.3 to 0.5 s.
        seam_speed: fastest closing of the gap between command and chunk; a wide gap makes the fade
            longer [rad/s].
        seam_speed_m: the same for a prismatic joint [m/s].
        seam_jerk: hardest start or end of a fade; a gap makes the fade longer [rad/s^3].
        seam_jerk_m: the same for a prismatic joint [m/s^3].
        ramp_s: least length of the fade from rest into a chunk, after enable and every hold [s].
        ending_s: a chunk that nothing has followed up by then is played ever slower over this last
            stretch, or half of it where the next chunk is due so late, so that the robot is at rest
            when it ends [s]; 0 brakes at the end.
        smoothing: whether chunks go through the paper's filter.
        seam: which strategy joins two chunks.
        ensemble_decay: how fast an older chunk loses weight under ``temporal_ensemble`` [1/s].
        slow_inference: what to do where a chunk ends before the next can be there: ``hold`` at its
            end, or ``slow_playback``: play all of it slower, so that it lasts until then.
            Chunks whose rows were held to the one before (real-time chunking) are not slowed.
        slowest_playback: slow playback goes no lower; below it the chunk ends early and the robot
            holds [share of the chunk's own speed].
        teleop_max_age_s: a human's stream is in charge while its newest target is younger [s].
        driver_max_age_s: a driver's status older than this is stale; a driver that never sends one
            is not watched [s].
        overrun_s: a tick that comes later than this after it was due brakes [s].

    Raises:
        ValueError: a number outside its bounds, or an unknown choice.
    """

    rate_hz: float = 30.0
    state_max_age_s: float = 0.2
    chunk_max_age_s: float = 2.0
    clock_tolerance_s: float = 0.1
    clock_jump_s: float = 0.25
    first_row_max_step: float = 0.2
    first_row_max_step_m: float = 0.05
    row_max_step: float = 0.2
    row_max_step_m: float = 0.05
    smoothing_max_change: float = 0.5
    range_excess: float = 0.1
    range_excess_m: float = 0.02
    range_excess_gripper: float = 2.0
    range_excess_base: float = 0.5
    pose_excess: float = 0.1
    pose_excess_m: float = 0.02
    following_error: float = 0.5
    following_error_m: float = 0.05
    seam_s: float = 0.0
    seam_speed: float = 0.5
    seam_speed_m: float = 0.1
    seam_jerk: float = 20.0
    seam_jerk_m: float = 4.0
    ramp_s: float = 1.0
    ending_s: float = 0.4
    smoothing: bool = True
    seam: Literal["cross_fade", "temporal_ensemble", "real_time_chunking"] = "cross_fade"
    ensemble_decay: float = 2.0
    slow_inference: Literal["hold", "slow_playback"] = "slow_playback"
    slowest_playback: float = 0.2
    teleop_max_age_s: float = 0.2
    driver_max_age_s: float = 0.5
    overrun_s: float = 0.1

    def __post_init__(self) -> None:
        """Checks every number against its bounds and every choice against the others."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in BOUNDS:
                low, high = BOUNDS[field.name]
                number = isinstance(value, int | float) and not isinstance(value, bool)
                if not number or not low <= value <= high:
                    raise ValueError(f"{field.name}: expected {low} to {high}, got {value}")
        if not isinstance(self.smoothing, bool):
            raise ValueError(f"smoothing: expected true or false, got {self.smoothing!r}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )

    @property
    def period_s(self) -> float:
        """Time between two ticks [s]."""
        return 1.0 / self.rate_hz

    @property
    def period_ns(self) -> int:
        """Time between two ticks, to the nearest ns."""
        return round(NS_PER_S / self.rate_hz)

    def per_joint(self, limits: Limits, rad: float, metre: float, other: float = np.inf) -> Float:
        """[A] a threshold by kind of joint; ``other`` stands for grippers and bases."""
        return np.where(
            limits.base | limits.gripper, other, np.where(limits.prismatic, metre, rad)
        ).astype(np.float64)
