"""Property tests of the control path for as long as asked: `python benchmarks/fuzz_control.py`.

Plays the adversary of src/dreamzero_policy/test/control with one random seed after another and says
after every robot how many ticks were judged. Ctrl-C ends it with a summary; the next run goes on
counting (out/fuzz.json). It ends with the first failure, its story, and the seed that repeats it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_TESTS = _ROOT / "src" / "dreamzero_policy" / "test" / "control"
_TALLY = _ROOT / "out" / "fuzz.json"
_WHICH = "unsafe or past_a_limit or settles or keeps_the_formula"


class Tally:
    """Counts what was judged in this run and in those before it, and shows it.

    Args:
        end: when the run is to end, on the monotonic clock [s].
        before: ticks of earlier runs.
    """

    def __init__(self, end: float, before: int) -> None:
        self.ticks = self.commands = 0
        self.began, self._end, self._before = time.monotonic(), end, before
        self._counted: dict[str, tuple[int, int]] = {}

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Reads the counters of the test file off after each of its tests."""
        judged = getattr(item.module, "JUDGED", None)
        if judged is None:
            return
        counts = judged.total(), item.module.COMMANDS.total()
        ticks, commands = self._counted.get(item.module.__name__, (0, 0))
        self.ticks += counts[0] - ticks
        self.commands += counts[1] - commands
        self._counted[item.module.__name__] = counts
        left = max(0.0, self._end - time.monotonic()) / 60.0
        print(f"\r{self}, {left:.1f} min left ", end="", flush=True)
        if left == 0.0:
            item.session.shouldstop = "the time is up"

    def next_round(self) -> None:
        """The next round imports the test file anew."""
        self._counted.clear()

    def __str__(self) -> str:
        """What was done so far."""
        rate = self.ticks / max(time.monotonic() - self.began, 1e-9)
        total = self._before + self.ticks
        return (
            f"{self.ticks:,} ticks judged, {self.commands:,} commands among them, "
            f"{rate:,.0f} ticks/s; {total:,} in all runs"
        )


def main() -> int:
    """Fuzzes until the time is up; 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    before = json.loads(_TALLY.read_text())["ticks"] if _TALLY.is_file() else 0
    end = time.monotonic() + 60.0 * args.minutes
    tally, outcome, seed = Tally(end, before), pytest.ExitCode.OK, 0
    while outcome == pytest.ExitCode.OK and time.monotonic() < end:
        seed = secrets.randbelow(2**32)
        tally.next_round()
        outcome = pytest.main(
            [
                *("-qq", "-x", "--no-header", "--no-summary", "-o", "timeout=0", "-o", "addopts="),
                *("--import-mode=importlib", "-W", "ignore", "--capture=no"),
                *("--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", "-k", _WHICH),
                str(_TESTS),
            ],
            plugins=[tally],
        )
    _TALLY.parent.mkdir(exist_ok=True)
    _TALLY.write_text(json.dumps({"ticks": before + tally.ticks}) + "\n")
    print(f"\n{tally}")
    if outcome == pytest.ExitCode.TESTS_FAILED:
        print(f"failed with seed {seed}: python -m pytest {_TESTS} --hypothesis-seed={seed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
