"""What the recorder says of itself: its status message and its health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dreamzero_msgs import msg as dz

from dreamzero_policy.messages.times import time_message
from dreamzero_policy.recording.recorder import Look, Recorder
from dreamzero_policy.ros.diagnostics import Diagnosis, Level, worst
from dreamzero_policy.types import NS_PER_S


class Served(Protocol):
    """What was asked of the recorder, as far as its status tells it.

    Attributes:
        finishing: whether the last messages of an episode are on their way to the disk.
        failure: why no episode can be recorded any more, or "".
        last: how the last episode ended, or "".
    """

    finishing: bool
    failure: str
    last: str


def status_message(
    recorder: Recorder,
    served: Served | None,
    look: Look,
    now_ns: int,
    refusal: Callable[[], str],
) -> dz.RecorderStatus:
    """The status.

    Args:
        recorder: what is recorded.
        served: what was asked.
        look: the newest.
        now_ns: ROS time.
        refusal: why no episode may begin now.
    """
    facts, progress = recorder.facts, look.progress if recorder.recording else None
    state, message = _state(recorder, served, refusal)
    status = dz.RecorderStatus(
        state=state,
        message=message,
        episode=facts.name if facts else "",
        folder=str(recorder.folder or ""),
        instruction=recorder.instruction if progress else "",
        disk_free=look.room.free_bytes,
        disk_seconds_left=float(look.room.seconds_left),
        idle=recorder.idle_share,
        streams=[_stream(report) for report in look.reports],
        marks=[mark.since(facts.started_ns) for mark in recorder.marks] if facts else [],
    )
    if progress is not None:
        status.elapsed = (now_ns - facts.started_ns) / NS_PER_S
        status.messages = progress.written.messages
        status.bytes = progress.written.file_bytes
        status.queue = float(progress.queued)
    if facts is not None:
        missed = recorder.missed
        status.dropped = sum(missed.values())
        for stream, report in zip(status.streams, look.reports, strict=True):
            stream.dropped = missed[report.stream.name]
    status.header.stamp = time_message(now_ns)
    return status


def diagnoses(recorder: Recorder, served: Served, look: Look) -> list[Diagnosis]:
    """The episode, and the streams that are needed."""
    findings = [(Level.ERROR, served.failure)] if served.failure else []
    findings += [
        (Level.WARN, f"{report.stream.name}: {report.problem}")
        for report in look.reports
        if report.problem
    ]
    level, message = worst(findings, "recording" if recorder.recording else "ready")
    figures = {
        f"{report.stream.name}_hz": report.rate_hz for report in look.reports if report.messages
    }
    return [
        Diagnosis(
            "episode",
            level,
            message,
            {
                "episode": recorder.facts.name if recorder.facts else "",
                "folder": recorder.folder or "",
                "disk_free_gib": look.room.free_bytes / (1 << 30),
                "missed": sum(recorder.missed.values()),
                "marks": len(recorder.marks),
                **figures,
            },
        )
    ]


def _state(
    recorder: Recorder, served: Served | None, refusal: Callable[[], str]
) -> tuple[int, str]:
    kind = dz.RecorderStatus
    if served is not None and served.finishing:
        return kind.FINISHING, "the last messages go to the disk"
    if recorder.recording:
        return kind.RECORDING, "recording"
    if served is not None and served.failure:
        return kind.FAILED, served.failure
    why = refusal()
    return kind.IDLE, f"not ready: {why}" if why else ((served and served.last) or "ready")


def _stream(report: object) -> dz.StreamHealth:
    return dz.StreamHealth(
        topic=report.stream.name,
        required=report.stream.required,
        messages=report.messages,
        rate=report.rate_hz,
        nominal_rate=report.nominal_hz,
        age=report.age_s,
        worst_gap=report.worst_gap_s,
        skew=report.skew_s,
        problem=report.problem,
    )
