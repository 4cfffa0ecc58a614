"""What a node says of its health, and the message on /diagnostics that the usual ROS tools show.

Every node publishes one ``DiagnosticArray`` a second, in every state of its life: itself first,
then what its ``_diagnose`` gives. Names read ``dreamzero/<node>: <name>``, so that an aggregator
can group by node; the hardware id is the robot's name.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from dreamzero_msgs.msg import DriverStatus

from dreamzero_policy.messages.times import time_message
from dreamzero_policy.types import NS_PER_S

TOPIC = "/diagnostics"
PERIOD_S = 1.0


class Level(IntEnum):
    """The levels of DiagnosticStatus.msg."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Diagnosis:
    """The health of one part of a node.

    Attributes:
        name: of the part.
        level: how bad it is; ``STALE`` where nothing is known because nothing runs.
        message: the same in one line.
        values: figures by name, with the unit in the name where there is one.
    """

    name: str
    level: Level
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def asleep(self) -> Diagnosis:
        """The same of a node that is not active."""
        return replace(self, level=Level.STALE, message=f"inactive; {self.message}")


def worst(findings: Iterable[tuple[Level, str]], fine: str) -> tuple[Level, str]:
    """Level and message of several findings: the worst level, and what all of that level say.

    Args:
        findings: what is wrong, each with its level.
        fine: the message where nothing is.
    """
    found = list(findings)
    if not found:
        return Level.OK, fine
    level = max(level for level, _ in found)
    return level, "; ".join(text for one, text in found if one == level)


class Rates:
    """Counts to events per second, between one call and the next."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._at_ns: int | None = None

    def per_second(self, counts: Mapping[str, int], now_ns: int) -> dict[str, float]:
        """Events per second of each count since the call before; 0 at the first call.

        Args:
            counts: totals by name.
            now_ns: a clock that is never set back.
        """
        before, began_ns = self._counts, self._at_ns
        self._counts, self._at_ns = dict(counts), now_ns
        if began_ns is None or now_ns <= began_ns:
            return dict.fromkeys(counts, 0.0)
        seconds = (now_ns - began_ns) / NS_PER_S
        return {
            name: max(0, count - before.get(name, 0)) / seconds for name, count in counts.items()
        }


class ProcessUse:
    """What this process takes of its machine."""

    def __init__(self) -> None:
        self._cpu_ns, self._at_ns = time.process_time_ns(), time.monotonic_ns()

    def values(self) -> dict[str, Any]:
        """Host, process id, share of one core since the last call, largest memory so far."""
        cpu_ns, now_ns = time.process_time_ns(), time.monotonic_ns()
        share = (cpu_ns - self._cpu_ns) / max(1, now_ns - self._at_ns)
        self._cpu_ns, self._at_ns = cpu_ns, now_ns
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "cpu_percent": 100.0 * share,
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def diagnostic_array(
    node: str, robot: str, diagnoses: Sequence[Diagnosis], now_ns: int
) -> DiagnosticArray:
    """The message of what a node found.

    Args:
        node: its name.
        robot: the hardware id.
        diagnoses: what it found.
        now_ns: ROS time.
    """
    message = DiagnosticArray(
        status=[
            DiagnosticStatus(
                level=bytes([one.level]),
                name=f"dreamzero/{node}: {one.name}",
                message=one.message,
                hardware_id=robot,
                values=[KeyValue(key=key, value=_text(value)) for key, value in one.values.items()],
            )
            for one in diagnoses
        ]
    )
    message.header.stamp = time_message(now_ns)
    return message


def _text(value: Any) -> str:
    """A value for people: four digits of a number, a list with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(_text, value))
    return str(value)


def driver_diagnosis(
    status: DriverStatus, rates: Mapping[str, float], refused_hz: float
) -> Diagnosis:
    """A robot's driver: what it does with its robot, and what it is told.

    Args:
        status: the newest one.
        rates: events per second by name, as they are to be shown.
        refused_hz: commands refused per second.
    """
    findings = []
    if status.mode == DriverStatus.FAULT:
        findings.append((Level.ERROR, f"fault: {status.message}"))
    if status.mode == DriverStatus.RELEASED:
        findings.append((Level.WARN, f"released: {status.message}"))
    if refused_hz > 0.0:
        findings.append((Level.WARN, f"refuses commands: {status.last_refusal}"))
    holding = status.mode == DriverStatus.HOLDING
    level, message = worst(
        findings, f"holding: {status.message}" if holding else "following commands"
    )
    return Diagnosis(
        "robot",
        level,
        message,
        {
            "session": status.session_id,
            "message": status.message,
            "commands_taken": status.commands_taken,
            "commands_refused": status.commands_refused,
            "last_refusal": status.last_refusal,
            **{f"{name}_hz": rate for name, rate in rates.items()},
        },
    )
