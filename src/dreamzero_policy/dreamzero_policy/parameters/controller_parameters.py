"""What an installation may set of the controller."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from dreamzero_policy.control.settings import BOUNDS, CHOICES, ControllerSettings
from dreamzero_policy.ros.parameters import NodeParameters, parameter


def _setting(name: str, description: str) -> Any:
    """A parameter with default, bounds and choices of the controller setting of that name."""
    low, high = BOUNDS.get(name, (None, None))
    default = getattr(ControllerSettings, name)
    choices = CHOICES.get(name, ())
    return parameter(default, description, at_least=low, at_most=high, choices=choices)


@dataclass(frozen=True, kw_only=True)
class ControllerParameters(NodeParameters):
    """What an installation may set; ``control/settings.py`` says more of each threshold."""

    limit_scale: float = parameter(
        1.0,
        "Share of the robot's velocity, acceleration and jerk limits that is used.",
        at_least=0.01,
        at_most=1.0,
    )
    limit_margin: float = parameter(
        0.0, "Kept from both ends of every joint's range [rad or m].", at_least=0.0, at_most=1.0
    )
    tighter_limits: tuple[str, ...] = parameter(
        (),
        "Tighter limits of single joints, as 'joint.limit=value', limit one of lower, upper, "
        "velocity, acceleration, jerk.",
    )
    realtime_priority: int = parameter(
        10,
        "Real-time priority of the control thread, one less for the node's others, where the user "
        "may have one; 0 for none.",
        at_least=0,
        at_most=99,
    )
    rate_hz: float = _setting("rate_hz", "Commands per second [Hz].")
    state_max_age_s: float = _setting("state_max_age_s", "Age of a stale measured pose [s].")
    chunk_max_age_s: float = _setting("chunk_max_age_s", "Age of a stale chunk [s].")
    clock_tolerance_s: float = _setting(
        "clock_tolerance_s", "How far in the future a stamp may lie [s]."
    )
    clock_jump_s: float = _setting("clock_jump_s", "A step of the clock that is a jump [s].")
    first_row_max_step: float = _setting(
        "first_row_max_step", "A chunk must come by the present pose as near as this [rad]."
    )
    first_row_max_step_m: float = _setting(
        "first_row_max_step_m", "The same for a prismatic joint [m]."
    )
    row_max_step: float = _setting("row_max_step", "Largest step from row to row [rad].")
    row_max_step_m: float = _setting("row_max_step_m", "The same for a prismatic joint [m].")
    smoothing_max_change: float = _setting(
        "smoothing_max_change", "A row further from its smoothed self is an outlier [rad or m]."
    )
    range_excess: float = _setting(
        "range_excess", "Rows further outside the range refuse the chunk [rad]."
    )
    range_excess_m: float = _setting("range_excess_m", "The same for a prismatic joint [m].")
    range_excess_gripper: float = _setting(
        "range_excess_gripper", "The same for a gripper [share of its range]."
    )
    range_excess_base: float = _setting(
        "range_excess_base", "The same for a base velocity [share of its range]."
    )
    pose_excess: float = _setting(
        "pose_excess", "How far outside its range a joint may be at enable [rad, or gripper share]."
    )
    pose_excess_m: float = _setting("pose_excess_m", "The same for a prismatic joint [m].")
    following_error: float = _setting(
        "following_error", "Largest distance between command and measurement [rad]."
    )
    following_error_m: float = _setting("following_error_m", "The same for a prismatic joint [m].")
    seam_s: float = _setting(
        "seam_s", "Least cross-fade between chunks [s]; 0 for the inference delay."
    )
    seam_speed: float = _setting(
        "seam_speed", "Fastest closing of the gap between command and chunk [rad/s]."
    )
    seam_speed_m: float = _setting("seam_speed_m", "The same for a prismatic joint [m/s].")
    seam_jerk: float = _setting("seam_jerk", "Hardest start or end of a fade [rad/s^3].")
    seam_jerk_m: float = _setting("seam_jerk_m", "The same for a prismatic joint [m/s^3].")
    ramp_s: float = _setting("ramp_s", "Least fade from rest into a chunk [s].")
    ending_s: float = _setting(
        "ending_s", "Last stretch of a chunk without a successor, in which it comes to rest [s]."
    )
    smoothing: bool = _setting("smoothing", "Whether chunks go through the paper's filter.")
    seam: str = _setting("seam", "How two chunks are joined.")
    ensemble_decay: float = _setting(
        "ensemble_decay", "How fast older chunks lose weight under temporal_ensemble [1/s]."
    )
    slow_inference: str = _setting(
        "slow_inference", "Where chunks end before the next comes: hold there, or play them slower."
    )
    slowest_playback: float = _setting(
        "slowest_playback", "Chunks are played no slower than this [share of their own speed]."
    )
    teleop_max_age_s: float = _setting(
        "teleop_max_age_s", "A human leads while the newest target is younger than this [s]."
    )
    driver_max_age_s: float = _setting("driver_max_age_s", "Age of a stale driver status [s].")
    overrun_s: float = _setting("overrun_s", "A tick that comes later than this brakes [s].")

    def control(self) -> ControllerSettings:
        """The controller's own settings."""
        return ControllerSettings(
            **{field.name: getattr(self, field.name) for field in fields(ControllerSettings)}
        )

    def joint_limits(self) -> dict[str, dict[str, float]]:
        """``tighter_limits`` by joint and limit.

        Raises:
            ValueError: an entry is not ``joint.limit=value``.
        """
        limits: dict[str, dict[str, float]] = {}
        for entry in self.tighter_limits:
            target, _, value = entry.partition("=")
            joint, _, limit = target.strip().rpartition(".")
            try:
                limits.setdefault(joint, {})[limit] = float(value)
            except ValueError as error:
                raise ValueError(
                    f"parameter tighter_limits: expected 'joint.limit=value', got {entry!r}"
                ) from error
        return limits
