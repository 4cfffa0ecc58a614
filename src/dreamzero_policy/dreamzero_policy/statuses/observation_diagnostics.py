"""What the camera tiler and the proprioception say of their inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamzero_policy.ros.diagnostics import Diagnosis, Level, worst

_SLOW = 0.8
"""Share of the nominal rate below which an output is slow."""


def input_diagnosis(
    name: str,
    *,
    age_s: float | None,
    max_age_s: float,
    rate_hz: float,
    errors: list[str],
    warnings: list[str],
    values: Mapping[str, Any],
) -> Diagnosis:
    """One camera or joint topic.

    Args:
        name: of the part, for example ``view wrist``.
        age_s: now minus the stamp of what came last; None where nothing came.
        max_age_s: an older one is stale.
        rate_hz: how often it comes.
        errors: what else is wrong with it, in sentences.
        warnings: what is odd of it.
        values: further figures.
    """
    findings = [*((Level.ERROR, text) for text in errors)]
    if age_s is None:
        findings.append((Level.ERROR, "nothing has come yet"))
    elif age_s > max_age_s:
        findings.append((Level.ERROR, f"stale: {age_s:.2f} s old, at most {max_age_s:g} s"))
    findings += [(Level.WARN, text) for text in warnings]
    level, message = worst(findings, f"{rate_hz:.1f} Hz")
    age = {} if age_s is None else {"age_s": age_s}
    return Diagnosis(
        name, level, message, {"rate_hz": rate_hz, **age, "max_age_s": max_age_s, **values}
    )


def output_diagnosis(
    name: str,
    *,
    rate_hz: float,
    nominal_hz: float,
    withheld: int,
    why: str,
    values: Mapping[str, Any],
) -> Diagnosis:
    """Canvases or states.

    Args:
        name: of the part, in the plural.
        rate_hz: how many are published a second.
        nominal_hz: how many should be.
        withheld: instants in a row without one.
        why: the reason of the last of them.
        values: further figures.
    """
    findings = []
    if withheld:
        findings.append((Level.ERROR, f"no {name}: {why}"))
    elif 0.0 < rate_hz < _SLOW * nominal_hz:
        findings.append((Level.WARN, f"{rate_hz:.1f} Hz, expected {nominal_hz:g} Hz"))
    level, message = worst(findings, f"{rate_hz:.1f} Hz")
    return Diagnosis(
        name,
        level,
        message,
        {
            "rate_hz": rate_hz,
            "nominal_hz": nominal_hz,
            "withheld_in_a_row": withheld,
            **values,
        },
    )
