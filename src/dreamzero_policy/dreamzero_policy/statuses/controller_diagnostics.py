"""What the controller says of its health: loop, chunks, gate, and the deadlines that it keeps."""

from __future__ import annotations

from collections.abc import Iterator

from dreamzero_policy.clock_offset import Offset
from dreamzero_policy.control.report import Mode, Report
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.ros.diagnostics import Diagnosis, Level, worst
from dreamzero_policy.ros.ticker import Timing

_AT_EASE = ("not_enabled", "no_chunk", "no_instruction")
"""Reasons not to move that are no fault: nobody has asked for motion."""

_APART_S = 0.02
"""Clocks that are certainly further apart are not kept by anything."""

_WATCHDOGS = {
    "stale_state": "state",
    "stale_chunk": "chunk",
    "stale_driver": "driver",
    "clock_jump": "clock",
    "overrun": "overrun",
}
"""Which deadline has passed where a hold has one of these reasons."""


def controller_diagnoses(
    report: Report, timing: Timing, settings: ControllerSettings, joint_names: tuple[str, ...]
) -> list[Diagnosis]:
    """The controller's parts.

    Args:
        report: counters and facts.
        timing: of the control loop.
        settings: with the deadlines.
        joint_names: [A] the joints of ``report.limited_ticks``.
    """
    return [
        _loop(report, timing, settings),
        _chunks(report),
        _gate(report, joint_names),
        _watchdogs(report, settings),
    ]


def clock_diagnosis(apart: Offset | None, tolerance_s: float) -> Diagnosis:
    """How far the policy's clock is from this host's.

    Args:
        apart: of the policy's clock; None while one of the two has not heard the other.
        tolerance_s: beyond it the policy gives no chunk that this controller would take.
    """
    if apart is None:
        return Diagnosis("policy clock", Level.OK, "not compared: no policy is heard")
    text = f"{apart.middle_s:+.4f} s, give or take {apart.uncertainty_s:.4f} s"
    findings = []
    if apart.certain_s > _APART_S:
        level = Level.ERROR if apart.certain_s > tolerance_s else Level.WARN
        way = "ahead of" if apart.least_ns > 0 else "behind"
        findings.append((level, f"the policy's clock is {way} this host's by {text}: run chrony"))
    level, message = worst(findings, text)
    return Diagnosis(
        "policy clock",
        level,
        message,
        {
            "ahead_s": apart.middle_s,
            "uncertain_by_s": apart.uncertainty_s,
            "certainly_apart_s": apart.certain_s,
            "tolerance_s": tolerance_s,
        },
    )


def _loop(report: Report, timing: Timing, settings: ControllerSettings) -> Diagnosis:
    """Mode, why it holds, and how evenly it ticks."""
    findings, why = [], f"{report.hold_reason}: {report.message}"
    if report.estopped:
        findings.append((Level.ERROR, f"emergency stop: {report.message}"))
    elif report.mode is Mode.RELEASED:
        findings.append((Level.WARN, "the operator let go of the robot"))
    elif report.hold_reason and report.hold_reason not in _AT_EASE:
        # Without enable a reason that stays is what ended motion; with it the cause may pass.
        level = Level.WARN if report.enabled else Level.ERROR
        findings.append((level, f"{'holding' if report.enabled else 'disarmed'}, {why}"))
    if timing.period_worst_s > settings.overrun_s:
        findings.append((Level.WARN, f"a tick came {timing.period_worst_s:.3f} s off its period"))
    mode = report.mode.name.lower()
    level, message = worst(findings, f"{mode}, {why}" if report.hold_reason else mode)
    return Diagnosis(
        "control loop",
        level,
        message,
        {
            "mode": mode,
            "enabled": report.enabled,
            "estopped": report.estopped,
            "authority": report.authority.name.lower(),
            "hold_reason": report.hold_reason,
            "hold_message": report.message,
            "ticks": report.ticks,
            "overruns": report.overruns,
            "nominal_period_s": settings.period_s,
            "period_mean_s": timing.period_mean_s,
            "period_worst_s": timing.period_worst_s,
            "tick_cpu_s": timing.cpu_s,
        },
    )


def _chunks(report: Report) -> Diagnosis:
    """The motion in force, and what came of the others."""
    findings = []
    if report.chunk_age_s and report.playback < 1.0:
        findings.append(
            (
                Level.WARN,
                f"inference is slower than its chunks: played at {report.playback:.2f} of their "
                "speed",
            )
        )
    if report.without_prefix > max(3, report.chunks_accepted // 2):
        findings.append(
            (
                Level.WARN,
                f"{report.without_prefix} of {report.chunks_accepted} chunks were not held to the "
                "chunk before: the policy needs real_time_chunking=true",
            )
        )
    fine = f"{report.rows_left:.1f} rows left" if report.chunk_age_s else "none in force"
    level, message = worst(findings, fine)
    return Diagnosis(
        "chunks",
        level,
        message,
        {
            "session": report.session,
            "sequence": report.sequence,
            "age_s": report.chunk_age_s,
            "rows_left": report.rows_left,
            "playback": report.playback,
            "delay_s": report.delay_s,
            "accepted": report.chunks_accepted,
            "refused": report.chunks_refused,
            "last_refusal": report.last_refusal,
            "rows_skipped": report.rows_skipped,
            "values_clamped": report.values_clamped,
            "ticks_without_chunk": report.ticks_without_chunk,
            "without_prefix": report.without_prefix,
        },
    )


def _gate(report: Report, joint_names: tuple[str, ...]) -> Diagnosis:
    """Which joints the limits hold back: what they are for, so never a fault."""
    held = ", ".join(report.limited)
    return Diagnosis(
        "limits",
        Level.OK,
        f"holding back {held}" if held else "no joint is held back",
        {
            "limited_joints": report.limited,
            "states_refused": report.states_refused,
            **{
                f"limited_ticks {name}": count
                for name, count in zip(joint_names, report.limited_ticks, strict=True)
            },
        },
    )


def _watchdogs(report: Report, settings: ControllerSettings) -> Diagnosis:
    """Every deadline of the controller, what it stands at, and which has passed."""
    values = {
        "state": _standing(report.state_age_s, settings.state_max_age_s, "no pose yet"),
        # A chunk that is played slower may be older by as much.
        "chunk": _standing(
            report.chunk_age_s, settings.chunk_max_age_s / report.playback, "no chunk"
        ),
        "driver": _standing(report.driver_age_s, settings.driver_max_age_s, "it never spoke"),
        "clock": f"a jump is {settings.clock_jump_s:g} s",
        "overrun": f"a late tick is {settings.overrun_s:g} s late",
    }
    level, message = worst(_passed(report, settings), "every deadline is kept")
    return Diagnosis("watchdogs", level, message, values)


def _passed(report: Report, settings: ControllerSettings) -> Iterator[tuple[Level, str]]:
    """The deadlines that have passed; a chunk's matters only where one is waited for."""
    held = _WATCHDOGS.get(report.hold_reason)
    if held is not None:
        yield Level.WARN, f"{held}: {report.message}"
    if held != "state" and (
        not report.state_age_s or report.state_age_s > settings.state_max_age_s
    ):
        standing = _standing(report.state_age_s, settings.state_max_age_s, "no pose yet")
        yield Level.WARN, f"state: {standing}"
    if held != "driver" and report.driver_age_s > settings.driver_max_age_s:
        standing = _standing(report.driver_age_s, settings.driver_max_age_s, "")
        yield Level.WARN, f"driver: {standing}"


def _standing(age_s: float, most_s: float, none: str) -> str:
    """An age beside its deadline; an age of 0 stands for nothing there."""
    if not age_s:
        return none
    return f"{age_s:.3f} s of {most_s:g} s{', late' if age_s > most_s else ''}"
