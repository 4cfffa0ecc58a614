"""What only a person can confirm before a robot's first motion, read from its driver's README.

The README is the one source: its numbered list under the heading that speaks of the first power-on.
An item that names ``--walk`` is what the walk's motions show; all others are asked for, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WALKED = "--walk"
"""What marks an item that motions show."""

_HEADING = re.compile(r"^##\s.*first power-on.*$", re.IGNORECASE | re.MULTILINE)
_ITEM = re.compile(r"^(\d+)\.\s+(?:\[[ x]\]\s+)?", re.MULTILINE)


@dataclass(frozen=True)
class Item:
    """One line of a checklist.

    Attributes:
        number: in the README.
        text: on one line.
    """

    number: int
    text: str

    @property
    def walked(self) -> bool:
        """Whether the walk's motions show it."""
        return WALKED in self.text


def parse(readme: str) -> tuple[Item, ...]:
    """The items of a README.

    Raises:
        ValueError: no such heading, or its items are not numbered from 1 on.
    """
    heading = _HEADING.search(readme)
    if heading is None:
        raise ValueError("expected a heading '## ... first power-on', found none")
    section = readme[heading.end() :].split("\n## ", 1)[0]
    starts = list(_ITEM.finditer(section))
    bounds = [start.start() for start in starts] + [len(section)]
    items = tuple(
        Item(int(start.group(1)), " ".join(section[start.end() : end].split()))
        for start, end in zip(starts, bounds[1:], strict=True)
    )
    if not items or [item.number for item in items] != list(range(1, len(items) + 1)):
        raise ValueError(
            f"first power-on: expected items 1, 2, 3, ..., got {[item.number for item in items]}"
        )
    return items


def of_package(package: str) -> tuple[Item, ...]:
    """The checklist of an installed driver.

    Raises:
        ValueError: it is not installed, or its README has no checklist.
    """
    from dreamzero_bringup.installed import package_prefix

    path = package_prefix(package) / "share" / package / "README.md"
    try:
        return parse(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def answered(path: Path) -> dict[str, str]:
    """When which item was confirmed by an earlier walk; a changed item is a new one."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}


def remember(path: Path, confirmed: Mapping[str, str]) -> None:
    """Keeps what was confirmed for the next walk."""
    path.write_text(json.dumps(dict(confirmed), indent=2) + "\n")
