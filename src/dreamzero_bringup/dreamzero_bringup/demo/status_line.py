"""What a demo shows while it runs: one line, live on a terminal, repeated elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dreamzero_bringup.demo.recording import PolicyReport, Recording
from dreamzero_policy.types import NS_PER_S

_RECENT_NS = 2 * NS_PER_S


def status_text(recording: Recording, now_ns: int) -> str:
    """Rates of the last 2 s, latency, chunk age and what limits held back, in one line."""
    seconds = (now_ns - recording.first_command_ns) / NS_PER_S
    since = now_ns - _RECENT_NS
    parts = [f"{seconds:5.1f} s"]
    for name, times in (
        ("commands", (c.received_ns for c in reversed(recording.commands))),
        ("canvases", (p.received_ns for p in reversed(recording.seen))),
        ("chunks", (c.received_ns for c in reversed(recording.chunks))),
    ):
        parts.append(f"{name} {_count(times, since) * NS_PER_S / _RECENT_NS:.1f} Hz")
    if recording.policy:
        policy = recording.policy[-1]
        parts.append(f"latency {policy.latency_s * 1e3:.0f} ms{_stages(policy)}")
    if recording.controller:
        last = recording.controller[-1]
        limited = sum(last.limited_ticks.values())
        parts.append(f"chunk age {last.chunk_age_s:.2f} s")
        parts.append(f"limits hit {limited} joint ticks")
        parts.append(f"{last.mode.lower()} {last.hold_reason}".strip())
    if recording.task:
        done = "done" if recording.task.success else f"progress {recording.task.progress:.2f}"
        parts.append(f"task: {done}")
    return ", ".join(parts)


def _stages(policy: PolicyReport) -> str:
    """The 95th percentile of the call and of the stage that takes longest, once there are some."""
    spreads = {
        name: p95
        for name, (_, p95, _) in policy.percentiles.items()
        if not name.startswith("denoise ")  # which are within denoise
    }
    total = spreads.pop("total", None)
    if total is None or not spreads:
        return ""
    slowest = max(spreads, key=spreads.__getitem__)
    return f" (p95 {total * 1e3:.0f}, {slowest} {spreads[slowest] * 1e3:.0f})"


def _count(times: object, since: int) -> int:
    """How many of the newest times are not older than ``since``."""
    count = 0
    for time in times:
        if time < since:
            break
        count += 1
    return count


class PlainStatus:
    """A line every few seconds, for logs."""

    every_s = 5.0

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say

    def __enter__(self) -> PlainStatus:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to undo."""

    def show(self, text: str) -> None:
        """Writes the line."""
        self._say("dreamzero", text)


class LiveStatus:
    """A line that replaces itself, for a terminal."""

    every_s = 0.5

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), auto_refresh=False)

    def __enter__(self) -> LiveStatus:
        """Takes over the last line of the terminal."""
        self._live.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        """Leaves the last state of the line."""
        self._live.__exit__(*details)

    def show(self, text: str) -> None:
        """Replaces the line."""
        self._live.update(Text(text), refresh=True)
