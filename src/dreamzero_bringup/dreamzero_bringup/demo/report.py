"""A recording as figures, and the verdict whether the loop closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from dreamzero_bringup.demo.recording import ControllerReport, Recording
from dreamzero_policy.types import NS_PER_S, Float

MOTION = 0.02
"""Least range [rad or m] of some joint, commanded and measured, that counts as motion."""

MOST_WITHOUT = 0.05
"""Share of control ticks after the first chunk that may be without one: a machine that stalls for
a moment makes the controller hold for a moment. The goal is none; ``goals.py`` shows it."""

_LAGS_S = np.arange(0.0, 0.51, 0.01)


@dataclass(frozen=True)
class Check:
    """One condition of a closed loop: what was looked at, whether it holds, and the numbers."""

    name: str
    holds: bool
    detail: str


def spread(values: Iterable[float], scale: float = 1.0) -> dict[str, float | int]:
    """Count, mean, p50, p90, p99 and maximum of ``values * scale``; only the count when empty."""
    array = np.asarray(list(values), dtype=np.float64) * scale
    if not len(array):
        return {"count": 0}
    points = np.percentile(array, [50, 90, 99])
    figures = {"mean": array.mean(), **dict(zip(("p50", "p90", "p99"), points, strict=True))}
    return {
        "count": len(array),
        **{name: _round(value) for name, value in figures.items()},
        "max": _round(array.max()),
    }


def summarise(recording: Recording, nominal_period_s: float) -> dict[str, object]:
    """Every figure of a run that comes from its messages.

    Args:
        recording: of the run.
        nominal_period_s: what the controller's period should be.
    """
    start, end = recording.window()
    seconds = (end - start) / NS_PER_S if recording.first_command_ns else 0.0
    times, _ = recording.commands_in_window()
    periods = np.diff(times) / NS_PER_S
    reports = [r for r in recording.controller if start <= r.received_ns <= end]
    final = recording.last_controller_report()
    inferences = recording.inferences()
    last = recording.policy[-1] if recording.policy else None
    stages = {name: None for report in inferences for name in report.stages}
    return {
        "seconds": _round(seconds),
        "seconds_to_first_command": _round(
            (recording.first_command_ns - recording.started_ns) / NS_PER_S
        )
        if recording.first_command_ns
        else None,
        "weights": last.weights if last else "unknown",
        "untrained": last.untrained if last else None,
        "rates_hz": {
            "commands": _rate([c.received_ns for c in recording.commands], start, end),
            "proprioception": _rate([s.stamp_ns for s in recording.states], start, end),
            "canvases": _rate([p.received_ns for p in recording.seen], start, end),
            "chunks": _rate([c.received_ns for c in recording.chunks], start, end),
            "predicted_canvases": _rate([p.received_ns for p in recording.predicted], start, end),
        },
        "controller": {
            "nominal_period_ms": _round(nominal_period_s * 1e3),
            "period_ms_at_receiver": spread(periods, 1e3),
            "period_deviation_ms_at_receiver": spread(np.abs(periods - nominal_period_s), 1e3),
            "period_mean_ms_own": spread((r.period_mean_s for r in reports), 1e3),
            "period_worst_deviation_ms_own": spread((r.period_worst_s for r in reports), 1e3),
            "tick_cpu_ms_own": spread((r.tick_cpu_s for r in reports), 1e3),
            **_counts(final),
        },
        "policy": {
            "chunks": last.chunks if last else 0,
            "replans": last.replans if last else 0,
            "kv_refreshes": last.kv_refreshes if last else 0,
            "resets": last.resets if last else 0,
            "reset_reasons": last.reset_reasons if last else {},
            "observations_skipped": last.skipped if last else 0,
            "observations_dropped": last.dropped if last else 0,
            "calls_cancelled": last.cancelled if last else 0,
            "evaluations": spread(r.evaluations for r in inferences),
            "latency_ms": spread((r.latency_s for r in inferences), 1e3),
            "latency_ms_by_stage": {
                stage: spread((r.stages[stage] for r in inferences if stage in r.stages), 1e3)
                for stage in stages
            },
            "latency_ms_by_stage_own": {
                stage: dict(zip(("p50", "p95", "p99"), (_round(x * 1e3) for x in own), strict=True))
                for stage, own in (last.percentiles.items() if last else ())
            },
            "canvas_age_ms": spread((r.canvas_age_s for r in inferences), 1e3),
        },
        "chunk_age_ms": spread(
            (r.chunk_age_s for r in reports if r.chunks_accepted and not r.hold_reason), 1e3
        ),
        "chunk_delay_ms": spread(
            (c.received_ns - c.chunk.observation_ns) / 1e6 for c in recording.chunks
        ),
        "task": asdict(recording.task) if recording.task else None,
        "malformed_messages": sorted(set(recording.malformed)),
        "motion": motion(recording),
    }


def motion(recording: Recording) -> dict[str, dict[str, float]]:
    """By joint: commanded and measured range, and how the measurement follows the command.

    ``lag_s`` is the delay between command and measurement that leaves the least root mean square
    error ``error_rms``, all in model units.
    """
    command_times, commands = recording.commands_in_window()
    state_times, states = recording.states_in_window()
    if len(command_times) < 10 or len(state_times) < 10:
        return {}
    found = {}
    origin = command_times[0]
    x, t = (command_times - origin) / NS_PER_S, (state_times - origin) / NS_PER_S
    for column, joint in enumerate(recording.embodiment.joints):
        if joint.name not in recording.embodiment.state_joints:
            continue
        measured = states[:, recording.embodiment.state_joints.index(joint.name)]
        lag, error = _lag(x, commands[:, column], t, measured)
        found[joint.name] = {
            "commanded_range": _round(np.ptp(commands[:, column])),
            "measured_range": _round(np.ptp(measured)),
            "lag_s": _round(lag),
            "error_rms": _round(error),
        }
    return found


def checks(recording: Recording, death: str | None) -> list[Check]:
    """What must hold for the loop to have closed.

    Args:
        recording: of the run.
        death: which node ended by itself and how, if one did.
    """
    start, end = recording.window()
    final = recording.last_controller_report()
    refused = ""
    if final is not None and final.chunks_refused:
        refused = f", {final.chunks_refused} refused, the last: {final.last_refusal}"
    moved = motion(recording)
    arms = {name: m for name, m in moved.items() if _unit(recording, name) != "0..1"}
    widest = max(arms.items(), key=lambda item: item[1]["measured_range"], default=None)
    followed = [m for m in arms.values() if m["commanded_range"] > MOTION]
    accepted = final.chunks_accepted if final else 0
    without = final.ticks_without_chunk if final else 0
    return [
        Check("no node died", death is None, death or "all nodes ran to the end"),
        Check(
            "chunks flowed",
            len(recording.chunks) >= 2 and accepted >= 2,
            f"{len(recording.chunks)} published, {accepted} accepted by the controller" + refused,
        ),
        Check(
            "commands were sent",
            len(recording.commands) >= 10,
            f"{len(recording.commands)} commands in {(end - start) / NS_PER_S:.1f} s",
        ),
        Check(
            "commands moved the joints",
            bool(followed)
            and all(m["error_rms"] < 0.5 * m["commanded_range"] for m in followed)
            and widest is not None
            and widest[1]["measured_range"] > MOTION,
            "nothing was measured"
            if widest is None
            else f"{len(followed)} arm joints were moved; {widest[0]} most: commanded over "
            f"{widest[1]['commanded_range']}, measured over {widest[1]['measured_range']}, "
            f"error {widest[1]['error_rms']}",
        ),
        Check(
            "chunks kept coming",
            final is not None and accepted > 0 and without <= MOST_WITHOUT * final.ticks,
            "no report from the controller"
            if final is None
            else f"{without} of {final.ticks} ticks after the first chunk were without a valid one"
            + (f"; last hold: {_last_hold(recording)}" if without else ""),
        ),
    ]


def _last_hold(recording: Recording) -> str:
    for report in reversed(recording.controller):
        if report.enabled and report.hold_reason:
            return f"{report.hold_reason} ({report.message})"
    return "none reported"


def _unit(recording: Recording, name: str) -> str:
    return unit(recording.embodiment.joint(name).kind)


def unit(kind: str) -> str:
    """Unit of a joint's position in model units."""
    return {"revolute": "rad", "prismatic": "m", "gripper": "0..1", "base": "m/s or rad/s"}[kind]


def _lag(x: Float, command: Float, t: Float, measured: Float) -> tuple[float, float]:
    """The delay of ``measured`` behind ``command`` with the least RMS error, and that error."""
    best = (0.0, float("inf"))
    for lag in _LAGS_S:
        inside = (t - lag >= x[0]) & (t - lag <= x[-1])
        if inside.any():
            difference = measured[inside] - np.interp(t[inside] - lag, x, command)
            error = float(np.sqrt(np.mean(np.square(difference))))
            best = min(best, (float(lag), error), key=lambda pair: pair[1])
    return best


def _counts(final: ControllerReport | None) -> dict[str, object]:
    if final is None:
        return {"ticks": 0}
    return {
        "ticks": final.ticks,
        "ticks_without_chunk_after_first": final.ticks_without_chunk,
        "chunks_accepted": final.chunks_accepted,
        "chunks_refused": final.chunks_refused,
        "last_refusal": final.last_refusal,
        "rows_skipped": final.rows_skipped,
        "limited_ticks_by_joint": final.limited_ticks,
    }


def _rate(times: Iterable[int], start: int, end: int) -> float:
    """Events per second between the first and the last one inside the window."""
    inside = [time for time in times if start <= time <= end]
    span = (inside[-1] - inside[0]) / NS_PER_S if len(inside) > 1 else 0.0
    return _round((len(inside) - 1) / span) if span else 0.0


def _round(value: float) -> float:
    """Four significant digits: what a person reads and a diff survives."""
    return float(f"{value:.4g}")
