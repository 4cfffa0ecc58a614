"""The recorder's status in a line, and in full."""

from __future__ import annotations

from typing import Any

from rich.table import Table

_GIB, _MIB = 1 << 30, 1 << 20
_STATES = ("ready", "RECORDING", "saving", "FAILED")


def line(status: Any) -> str:
    """What a crew looks at while it works: state, time, size, disk, what is wrong now.

    Args:
        status: a ``RecorderStatus``.
    """
    state = _STATES[status.state]
    if status.state == 0 and status.message.startswith("not ready"):
        state = status.message
    parts = [state]
    if status.state == 1:
        parts += [
            f"{status.elapsed:.0f} s",
            repr(status.instruction),
            f"{status.messages} messages",
            f"{status.bytes / _MIB:.0f} MiB",
        ]
        if status.queue > 0.1:
            parts.append(f"queue {status.queue:.0%}")
        if status.idle > 0:
            parts.append(f"idle {status.idle:.0%}")
    parts.append(_disk(status))
    if status.dropped:
        parts.append(f"{status.dropped} messages LOST")
    if status.marks:
        parts.append(f"{len(status.marks)} marks")
    wrong = [f"{one.topic} {one.problem}" for one in status.streams if one.problem]
    if wrong and status.state == 1:
        parts.append("! " + wrong[0] + (f" (+{len(wrong) - 1})" if len(wrong) > 1 else ""))
    return ", ".join(parts)


def _disk(status: Any) -> str:
    free = f"{status.disk_free / _GIB:.0f} GiB free"
    left = status.disk_seconds_left
    return free if left < 0 else f"{free}, enough for {_minutes(left)}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def table(status: Any) -> Table:
    """Every stream that came or must come.

    Args:
        status: a ``RecorderStatus``.
    """
    found = Table("stream", "rate", "messages", "worst gap", "stamp skew", "lost", "problem")
    for one in status.streams:
        if not (one.messages or one.required):
            continue
        rate = f"{one.rate:.0f}" + (f" of {one.nominal_rate:.0f}" if one.nominal_rate else "")
        found.add_row(
            one.topic + (" *" if one.required else ""),
            f"{rate} Hz",
            str(one.messages),
            f"{one.worst_gap:.2f} s",
            f"{one.skew * 1e3:+.0f} ms",
            str(one.dropped or ""),
            one.problem,
        )
    return found
