"""One line of the doctor's table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        level: how it ended.
        what: what was looked at, a few words.
        found: what is there.
        expected: what should be; empty where ``found`` says enough.
        fix: the command or the setting that puts it right; every warning and failure has one.
    """

    level: Level
    what: str
    found: str
    expected: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        """A complaint without a way out is a bug of the check."""
        assert self.fix or self.level in (Level.PASS, Level.SKIP), self


def passed(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.PASS, what, found)


def warned(what: str, found: str, *, expected: str = "", fix: str) -> Finding:
    """It works, but not as well as it should, or not for long."""
    return Finding(Level.WARN, what, found, expected, fix)


def failed(what: str, found: str, *, expected: str = "", fix: str) -> Finding:
    """The robot will not run like this, or not safely."""
    return Finding(Level.FAIL, what, found, expected, fix)


def skipped(what: str, why: str) -> Finding:
    """Could not be looked at, which is no fault."""
    return Finding(Level.SKIP, what, why)
