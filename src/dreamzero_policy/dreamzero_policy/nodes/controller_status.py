"""What the controller says of itself, as a message."""

from __future__ import annotations

from array import array

from dreamzero_msgs import msg as dz

from dreamzero_policy.control.report import Report
from dreamzero_policy.nodes.messages import duration_message, time_message
from dreamzero_policy.nodes.ticker import Timing
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
        hold_reason=report.hold_reason,
        message=report.message,
        session_id=report.session,
        sequence=report.sequence,
        chunk_age=duration_message(round(report.chunk_age_s * NS_PER_S)),
        rows_left=report.rows_left,
        chunks_accepted=report.chunks_accepted,
        chunks_refused=report.chunks_refused,
        last_refusal=report.last_refusal,
        rows_skipped=report.rows_skipped,
        limited_joints=list(report.limited),
        joint_names=list(joint_names),
        limited_ticks=array("I", report.limited_ticks),
        ticks=report.ticks,
        ticks_without_chunk=report.ticks_without_chunk,
        period_mean=timing.period_mean_s,
        period_worst=timing.period_worst_s,
        tick_cpu=timing.cpu_s,
    )
    message.header.stamp = time_message(now_ns)
    return message
