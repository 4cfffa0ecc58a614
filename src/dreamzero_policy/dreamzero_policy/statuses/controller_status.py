"""What the controller says of itself, as a message."""

from __future__ import annotations

from array import array

from builtin_interfaces.msg import Duration
from dreamzero_msgs import msg as dz

from dreamzero_policy.control.report import Authority, Report
from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message
from dreamzero_policy.ros.ticker import Timing
from dreamzero_policy.types import NS_PER_S


def controller_status(
    report: Report, joint_names: tuple[str, ...], timing: Timing, now_ns: int
) -> dz.ControllerStatus:
    """The message of a controller's report.

    Args:
        report: counters and facts.
        joint_names: [A] the joints of ``report.limited_ticks``.
        timing: of the control loop.
        now_ns: ROS time.
    """
    message = dz.ControllerStatus(
        mode=int(report.mode),
        enabled=report.enabled,
        estopped=report.estopped,
        authority=int(report.authority),
        hold_reason=report.hold_reason,
        message=report.message,
        session_id=report.session,
        sequence=report.sequence,
        chunk_age=_seconds(report.chunk_age_s),
        rows_left=report.rows_left,
        chunks_accepted=report.chunks_accepted,
        chunks_refused=report.chunks_refused,
        last_refusal=report.last_refusal,
        playback=report.playback,
        delay=_seconds(report.delay_s),
        state_age=_seconds(report.state_age_s),
        driver_age=_seconds(report.driver_age_s),
        values_clamped=report.values_clamped,
        rows_skipped=report.rows_skipped,
        limited_joints=list(report.limited),
        joint_names=list(joint_names),
        limited_ticks=array("I", report.limited_ticks),
        ticks=report.ticks,
        ticks_without_chunk=report.ticks_without_chunk,
        overruns=report.overruns,
        period_mean=timing.period_mean_s,
        period_worst=timing.period_worst_s,
        tick_cpu=timing.cpu_s,
    )
    message.header.stamp = time_message(now_ns)
    return message


def authority_message(source: Authority, now_ns: int, last: dz.Authority) -> dz.Authority:
    """Whose targets are followed, stamped with the time from which that holds.

    Args:
        source: whose.
        now_ns: ROS time.
        last: what was said before; said again where nothing changed.
    """
    if last.source == source and nanoseconds(last.header.stamp):
        return last
    message = dz.Authority(source=int(source))
    message.header.stamp = time_message(now_ns)
    return message


def _seconds(seconds: float) -> Duration:
    return duration_message(round(seconds * NS_PER_S))
