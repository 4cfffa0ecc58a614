"""How much faster than real time recordings are converted: `python benchmarks/convert.py`.

Recordings of three 320x180 cameras at 30 Hz with joints at 100 Hz and commands at 30 Hz, raw and as
JPEG, are made first; what is measured is the whole command, from bags to a checked dataset with its
report. The pictures are simple ones: real ones take the encoder longer, noise is the worst case.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import write_recording
from results import save, show

GOAL = 5.0


def measure(
    root: Path, *, jpeg: bool, version: str, workers: int, count: int, seconds: float
) -> dict:
    """Seconds that a conversion takes, and how many times faster than real time that is."""
    robot = embodiments.get("droid")
    bags = root / ("jpeg" if jpeg else "raw")
    if not bags.exists():
        for number in range(count):
            write_recording(bags / f"droid_{number}", robot, seconds=seconds, jpeg=jpeg)
    settings = ConversionSettings("droid", format=version)
    began, used = time.perf_counter(), cpu()
    out = root / f"{bags.name}_{version}_{workers}"
    outcome = convert([bags], out, settings, count=workers)
    took = time.perf_counter() - began
    recorded = sum(part.seconds for part in outcome.parts)
    return {
        "pictures": bags.name,
        "format": version,
        "workers": workers,
        "recorded_s": recorded,
        "took_s": took,
        "times_real_time": recorded / took,
        "cpu_s": cpu() - used,
        "load_average": os.getloadavg()[0],  # above the cores: others were at work
        "rows": outcome.rows,
        "bag_mib": sum(path.stat().st_size for path in bags.rglob("*")) / 2**20,
        "dataset_mib": sum(path.stat().st_size for path in out.rglob("*")) / 2**20,
    }


def cpu() -> float:
    """CPU seconds of this process and of those that have ended under it."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def main() -> None:
    """Measures, prints a table and writes benchmarks/results/convert.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4, help="recordings")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [
            measure(
                Path(folder),
                jpeg=jpeg,
                version=version,
                workers=workers,
                count=args.count,
                seconds=args.seconds,
            )
            for jpeg, version, workers in (
                (False, "v2.1", 2),
                (True, "v2.1", 2),
                (True, "v3.0", 2),
                (True, "v2.1", 1),
            )
        ]
    columns = (
        "pictures",
        "format",
        "workers",
        "times_real_time",
        "took_s",
        "cpu_s",
        "load_average",
    )
    rows = [
        [f"{one[c]:.1f}" if isinstance(one[c], float) else one[c] for c in columns] for one in found
    ]
    show(f"conversion; the goal is {GOAL:.0f} times real time on two cores", columns, rows)
    save("convert", {"goal_times_real_time": GOAL, "conversions": found})


if __name__ == "__main__":
    main()
