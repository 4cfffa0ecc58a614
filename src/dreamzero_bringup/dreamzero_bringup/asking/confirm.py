"""Asks for what no motion can show: the driver's checklist, each item once and for all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dreamzero_bringup.asking import checklist
from dreamzero_bringup.asking.dialogue import QUIT, YES, Operator
from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned

ANSWERS = "confirmed.json"
"""What was confirmed, kept for the next walk."""

_CHOICES = {"y": YES, "n": "no", "l": "later", "q": QUIT}


def confirm(
    driver: str, folder: Path, operator: Operator, simulated: bool, found: list[Finding]
) -> str:
    """Asks for every item that was not confirmed before.

    Args:
        driver: package whose README has the list; nothing where none is known.
        folder: for what was confirmed.
        operator: who is asked.
        simulated: whether the robot is.
        found: findings are added to it, as they come.

    Returns:
        Why the walk ends here; empty where it goes on.

    Raises:
        ValueError: the driver is not installed, or its README has no checklist.
    """
    if not driver:
        found.append(_nothing_known(simulated))
        return ""
    items = [item for item in checklist.of_package(driver) if not item.walked]
    known = checklist.answered(folder / ANSWERS)
    for item in items:
        if item.text in known:
            found.append(passed(f"{driver} {item.number}", f"{item.text} ({known[item.text]})"))
    asked = [item for item in items if item.text not in known]
    if not operator.watches:
        found.append(skipped(driver, f"{len(asked)} items not asked for: nobody is there"))
        return ""
    if asked:
        operator.say(
            f"\nBefore anything moves: {len(asked)} items of the first power-on, from the README "
            f"of {driver}. What you confirm is not asked for again."
        )
    for item in asked:
        operator.say(f"\n{item.number}. {item.text}")
        answer = operator.ask("Looked at, and as it should be?", _CHOICES)
        if answer == QUIT:
            return "ended by the operator"
        if answer == YES:
            known[item.text] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            checklist.remember(folder / ANSWERS, known)
        found.append(_finding(driver, item, answer))
        if found[-1].level == "fail":
            return f"item {item.number} of the checklist is not so"
    return ""


def _finding(driver: str, item: checklist.Item, answer: str) -> Finding:
    what, fix = f"{driver} {item.number}", f"the README of {driver} says more"
    if answer == YES:
        return passed(what, item.text)
    if answer == "no":
        return failed(what, f"not so: {item.text}", fix=fix)
    return warned(what, f"not confirmed yet: {item.text}", fix=fix)


def _nothing_known(simulated: bool) -> Finding:
    if simulated:
        return skipped("checklist", "the simulated robot needs none; --checklist PACKAGE asks")
    return warned(
        "checklist",
        "the robot's file names no driver, so its README is not known",
        fix="set driver under /**/graph in the robot's file, or say --checklist PACKAGE",
    )
