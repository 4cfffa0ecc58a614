"""docs/watchdogs.md against the files and the code that it speaks of."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "watchdogs.md"
PACKAGE = ROOT / "src" / "dreamzero_policy" / "dreamzero_policy"
DEADLINE = re.compile(r"(max_age_s|image_age_s|timeout_s|_after_s|overrun_s|clock_\w+_s|settle_s)$")

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="not in the source tree")


def table():
    """The cells of every deadline, by the column's head."""
    rows = [line.strip("|").split("|") for line in PAGE.read_text().splitlines() if "|" in line]
    head = [cell.strip() for cell in rows[0]]
    assert head == ["Watched", "By", "Parameter", "Default", "When it passes", "Ends"]
    found = []
    for row in rows[2:]:
        if len(row) != len(head):
            break
        found.append(dict(zip(head, (cell.strip() for cell in row), strict=True)))
    return found


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


def installed():
    """Every deadline of the parameter files: value by node.parameter."""
    stated = {}
    for path in (ROOT / "config").glob("*.yaml"):
        parameters = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
        stated |= {f"{path.stem}.{name}": value for name, value in parameters.items()}
    return stated


def test_every_deadline_of_the_parameter_files_is_on_the_page_and_no_other():
    stated = installed()
    expected = {name for name in stated if DEADLINE.search(name)}
    given = [quoted(row["Parameter"])[0] for row in table()]
    assert len(expected) > 10
    assert sorted(name for name in given if "/" not in name) == sorted(expected)


@pytest.mark.parametrize(
    "row", table() if PAGE.is_file() else [], ids=lambda row: row["Parameter"].strip("`")
)
def test_a_row_says_what_is_so(row):
    value, unit = row["Default"].split()
    assert unit == "s"
    name, *constant = quoted(row["Parameter"])
    if constant:
        source = (PACKAGE / name).read_text()
        (found,) = re.findall(rf"^{constant[0]} = ([\d.]+)$", source, re.MULTILINE)
        assert float(value) == float(found)
    else:
        assert float(value) == installed()[name]
        assert row["By"] == name.partition(".")[0]


def test_every_reason_on_the_page_is_one_of_the_code():
    code = "".join(
        path.read_text()
        for folder in ("chunks", "control", "nodes")
        for path in (PACKAGE / folder).glob("*.py")
        if not path.stem.endswith("diagnostics")  # which only repeats them
    )
    reasons = {
        word
        for row in table()
        for word in quoted(row["When it passes"] + row["Ends"])
        if re.fullmatch(r"[a-z]+(_[a-z]+)*", word) and word != "overruns"
    }
    assert {"stale_state", "stale_chunk", "second_publisher", "frozen"} <= reasons
    assert not [word for word in sorted(reasons) if f'"{word}"' not in code]
