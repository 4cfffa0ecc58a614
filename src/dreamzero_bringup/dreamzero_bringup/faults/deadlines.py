"""When a hold is due after a fault: each deadline from where it is set."""

from __future__ import annotations

from collections.abc import Callable

from dreamzero_bringup.faults.rig import Rig
from dreamzero_bringup.faults.trial import Deadline
from dreamzero_policy.types import NS_PER_S

_DISCOVERY_S = 3.0
"""How often Fast DDS announces a participant at the least, should its first words be lost [s]."""

LOOK_S = 0.1
"""How often the controller counts the publishers of commands: ``_STATUS_S`` of its node [s]."""


def at_once(rig: Rig, at_ns: int) -> Deadline:
    """The instant at which it was brought about."""
    return Deadline(at_ns, "at once")


def after(node: str, parameter: str) -> Callable[[Rig, int], Deadline]:
    """A time after the fault that a node's parameter says."""

    def deadline(rig: Rig, at_ns: int) -> Deadline:
        value = float(rig.setting(node, parameter))
        return Deadline(at_ns + round(value * NS_PER_S), f"{parameter} {value:g} s")

    return deadline


def chunk_end(rig: Rig, at_ns: int) -> Deadline:
    """The end of the chunk that was followed last."""
    return Deadline(rig.chunk_end_ns(), "end of the chunk in force")


def command_timeout(rig: Rig, at_ns: int) -> Deadline:
    """The driver's own watchdog, from the last command on."""
    value = float(rig.setting("sim_driver", "command_timeout_s"))
    last = rig.probe.commands_since(0)[-1].received_ns
    return Deadline(
        max(at_ns, last) + round(value * NS_PER_S), f"driver's command_timeout_s {value:g} s"
    )


def look_around(rig: Rig, at_ns: int) -> Deadline:
    """Both ends count publishers ten times a second, those that discovery has told them of."""
    due = at_ns + round((_DISCOVERY_S + LOOK_S) * NS_PER_S)
    return Deadline(due, f"discovery {_DISCOVERY_S:g} s + look around {LOOK_S:g} s")
