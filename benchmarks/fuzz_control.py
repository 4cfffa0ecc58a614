"""Property tests of the control path for as long as asked: `python benchmarks/fuzz_control.py`.

Runs the adversary of src/dreamzero_policy/test/control with one random seed after another, some
hundred thousand ticks each, and ends with the first failure and the seed that repeats it.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_TESTS = _ROOT / "src" / "dreamzero_policy" / "test" / "control"


def main() -> int:
    """Fuzzes until the time is up; 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    end, rounds = time.monotonic() + 60.0 * args.minutes, 0
    while rounds == 0 or time.monotonic() < end:
        seed = secrets.randbelow(2**32)
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-o", "timeout=0"),
            *("--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}"),
            *("-k", "unsafe or past_a_limit or settles", str(_TESTS)),
        ]
        outcome = subprocess.run(command, cwd=_ROOT, check=False)
        if outcome.returncode != 0:
            print(f"failed with seed {seed}: {' '.join(command)}")
            return 1
        rounds += 1
        print(
            f"round {rounds} with seed {seed} passed, {(end - time.monotonic()) / 60:.1f} min left"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
