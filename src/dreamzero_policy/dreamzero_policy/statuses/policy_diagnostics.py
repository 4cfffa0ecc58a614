"""What the policy says of its health: what it does with which weights, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dreamzero_msgs.msg import PolicyStatus

from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros.diagnostics import Diagnosis, Level, worst
from dreamzero_policy.types import NS_PER_S

_STATES = {
    PolicyStatus.IDLE: "idle",
    PolicyStatus.WARMING_UP: "warming_up",
    PolicyStatus.RUNNING: "running",
    PolicyStatus.WAITING: "waiting",
    PolicyStatus.FAILED: "failed",
}
_LEVELS = {
    PolicyStatus.WARMING_UP: Level.WARN,
    PolicyStatus.WAITING: Level.WARN,
    PolicyStatus.FAILED: Level.ERROR,
}


def policy_diagnoses(
    status: PolicyStatus,
    latency_s: Mapping[int, float],
    notices: Sequence[str] = (),
    broken: str = "",
) -> list[Diagnosis]:
    """The policy's parts.

    Args:
        status: the newest one.
        latency_s: percentile (50, 90, 99, 100) to seconds from taking an observation to its chunk,
            of the newest calls; empty before the first.
        notices: what runs slower than the options ask, and why.
        broken: why the processes that share the model are of no use any more; empty while they are.
    """
    parts = [
        _instruction(status),
        _weights(status, notices),
        _latency(status, latency_s),
        _queue(status),
    ]
    return [*parts, _ranks(status, broken)] if status.ranks > 1 else parts


def _queue(status: PolicyStatus) -> Diagnosis:
    """What waits for the model, and what never reached it."""
    waits = nanoseconds(status.waiting_age) / NS_PER_S
    runs = nanoseconds(status.call_age) / NS_PER_S
    message = f"a call for {runs:.2f} s" if status.call_running else "no call"
    if status.observation_waiting:
        message += f", an observation waits for {waits:.2f} s"
    return Diagnosis(
        "queue",
        Level.OK,
        message,
        {
            "call_running": status.call_running,
            "call_age_s": runs,
            "observation_waiting": status.observation_waiting,
            "waiting_age_s": waits,
            "observations_skipped": status.observations_skipped,
            "observations_dropped": status.observations_dropped,
            "calls_cancelled": status.calls_cancelled,
            "last_cancel_reason": status.last_cancel_reason,
        },
    )


def _ranks(status: PolicyStatus, broken: str) -> Diagnosis:
    """The processes that share the model."""
    level, message = worst([(Level.ERROR, broken)] if broken else [], f"{status.ranks} processes")
    return Diagnosis("ranks", level, message, {"ranks": status.ranks, "failure": broken})


def _instruction(status: PolicyStatus) -> Diagnosis:
    """What it does, and what came of the observations."""
    state = _STATES.get(status.state, str(status.state))
    text = f"{state.replace('_', ' ')}: {status.message}" if status.message else state
    level, message = worst([(_LEVELS[status.state], text)] if status.state in _LEVELS else [], text)
    resets = zip(status.reset_reasons, status.reset_counts, strict=True)
    return Diagnosis(
        "instruction",
        level,
        message,
        {
            "state": state,
            "prompt": status.prompt,
            "session": status.session_id,
            "sequence": status.sequence,
            "chunks": status.chunks,
            "replans": status.replans,
            "prefix_rows": status.prefix_rows,
            "frame_index": status.frame_index,
            "kv_refreshes": status.kv_refreshes,
            "observations_skipped": status.observations_skipped,
            "resets": status.resets,
            "last_reset": status.last_reset_reason,
            "divergence": status.divergence,
            "divergence_still": status.divergence_still,
            **{f"resets {reason}": count for reason, count in resets},
        },
    )


def _weights(status: PolicyStatus, notices: Sequence[str]) -> Diagnosis:
    """Which model runs and how; one that nobody trained moves a robot as well as any."""
    findings = [(Level.WARN, notice) for notice in notices]
    if status.untrained:
        findings.append((Level.WARN, f"untrained weights: {status.weights}"))
    level, message = worst(findings, status.weights)
    return Diagnosis(
        "weights",
        level,
        message,
        {"weights": status.weights, "untrained": status.untrained, "policy": status.policy_id},
    )


def _latency(status: PolicyStatus, latency_s: Mapping[int, float]) -> Diagnosis:
    """How long a call takes, in all and by stage."""
    values = {
        "delay_s": nanoseconds(status.delay) / NS_PER_S,
        "canvas_age_s": nanoseconds(status.canvas_age) / NS_PER_S,
        "evaluations": status.evaluations,
        **{
            f"calls with {number} evaluations": count
            for number, count in zip(
                status.evaluation_numbers, status.evaluation_counts, strict=True
            )
        },
    }
    if not latency_s:
        return Diagnosis("latency", Level.OK, "no call yet", values)
    stages = zip(status.stages, status.stage_seconds, strict=True)
    return Diagnosis(
        "latency",
        Level.OK,
        f"{latency_s[50]:.2f} s, {latency_s[90]:.2f} s at the 90th percentile",
        {
            **{f"p{percentile}_s": seconds for percentile, seconds in latency_s.items()},
            "last_s": nanoseconds(status.latency) / NS_PER_S,
            **values,
            **{f"stage {stage}_s": float(seconds) for stage, seconds in stages},
            **{
                f"stage {stage} p50/p95/p99_s": " ".join(f"{float(x):.3f}" for x in spread)
                for stage, *spread in zip(
                    status.timed_stages,
                    status.stage_p50,
                    status.stage_p95,
                    status.stage_p99,
                    strict=True,
                )
            },
        },
    )
