"""ROS times and durations to and from integer nanoseconds."""

from __future__ import annotations

from builtin_interfaces.msg import Duration, Time

from dreamzero_policy.types import NS_PER_S


def time_message(ns: int) -> Time:
    """ROS time of ``ns`` nanoseconds.

    Raises:
        ValueError: the time is before 1970 or after 2038, which the message cannot carry.
    """
    seconds, rest = divmod(int(ns), NS_PER_S)
    if not 0 <= seconds < 2**31:
        raise ValueError(f"a ROS time is 0 to {2**31 - 1} s, got {ns} ns")
    return Time(sec=seconds, nanosec=rest)


def duration_message(ns: int) -> Duration:
    """A duration of ``ns`` nanoseconds, clamped to what the message can carry (68 years)."""
    seconds, rest = divmod(int(ns), NS_PER_S)
    if not -(2**31) <= seconds < 2**31:
        seconds, rest = (-(2**31), 0) if ns < 0 else (2**31 - 1, NS_PER_S - 1)
    return Duration(sec=seconds, nanosec=rest)


def nanoseconds(stamp: Time | Duration) -> int:
    """Nanoseconds of a ROS time or duration."""
    return stamp.sec * NS_PER_S + stamp.nanosec
