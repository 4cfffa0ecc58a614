"""The doctor's findings for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from dreamzero_bringup.doctor.finding import Finding, Level

_STYLES = {
    Level.PASS: "green",
    Level.WARN: "bold yellow",
    Level.FAIL: "bold red",
    Level.SKIP: "dim",
}


@dataclass(frozen=True)
class Report:
    """Everything that was found.

    Attributes:
        robot: whose.
        domain_id: the ROS domain that was listened on, None where none was.
        sections: findings by section, in the order in which they are shown.
    """

    robot: str
    domain_id: int | None
    sections: Mapping[str, Sequence[Finding]]

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each level."""
        found = Counter(finding.level for rows in self.sections.values() for finding in rows)
        return {level.value: found[level] for level in Level}

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return self.counts["fail"] > 0

    def table(self) -> Table:
        """The findings, grouped by section."""
        where = "" if self.domain_id is None else f", domain {self.domain_id}"
        title = f"dreamzero doctor {self.robot}{where}"
        table = Table("", "check", "found", title=title, expand=True)
        table.columns[1].ratio, table.columns[2].ratio = 1, 3
        table.columns[0].width, table.columns[1].min_width = 4, 20
        for column in table.columns:
            column.overflow = "fold"
        for section, rows in self.sections.items():
            table.add_row("", Text(section, "bold underline"), "")
            for finding in rows:
                table.add_row(
                    Text(finding.level.value, _STYLES[finding.level]),
                    Text(finding.what),
                    _cell(finding),
                )
            table.add_section()
        return table

    def summary(self) -> str:
        """One line."""
        counts = self.counts
        words = f"{counts['pass']} pass, {counts['warn']} warn, {counts['fail']} fail"
        return f"{words}, {counts['skip']} skipped" if counts["skip"] else words

    def write(self, path: Path) -> None:
        """Writes everything as JSON.

        Raises:
            ValueError: the file cannot be written.
        """
        content = {
            "robot": self.robot,
            "domain_id": self.domain_id,
            "summary": self.counts,
            "findings": [
                {"section": section, **asdict(finding)}
                for section, rows in self.sections.items()
                for finding in rows
            ],
        }
        try:
            path.write_text(json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise ValueError(f"json: expected a file that can be written, got {error}") from error


def _cell(finding: Finding) -> Text:
    """What was found, what was expected and how to put it right, below each other."""
    cell = Text(finding.found, "dim" if finding.level is Level.SKIP else "")
    if finding.expected:
        cell.append(f"\nexpected: {finding.expected}")
    if finding.fix:
        cell.append("\nfix: ", "bold cyan").append(finding.fix, "cyan")
    return cell
