"""Every benchmark that this machine can run, one after the other: `make bench`.

The last one is the demo for 60 s; its summary is what the whole graph reaches on this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from results import FOLDER

HERE = Path(__file__).resolve().parent
PARTS = (
    *("canvas", "control_tick", "chunk_latency", "exact", "cpu_ratio", "scaling", "pipeline"),
    *("seams", "convert", "train_throughput"),
)


def main() -> int:
    """Runs each in a process of its own, so that none warms up or slows down another."""
    commands = [[part] for part in PARTS]
    commands.insert(PARTS.index("cpu_ratio"), ["ladder", "--preset", "tiny", "--device", "cpu"])
    for part, *arguments in commands:
        command = [sys.executable, HERE / f"{part}.py", *arguments]
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    dreamzero = Path(sys.executable).with_name("dreamzero")
    with tempfile.TemporaryDirectory() as folder:
        command = [dreamzero, "demo", "droid", "--seconds", "60", "--headless", "--out", folder]
        code = subprocess.run(command, check=False).returncode
        summary = Path(folder) / "summary.json"
        if summary.is_file():
            text = json.dumps(json.loads(summary.read_text()), indent=2)
            (FOLDER / "loop.json").write_text(text + "\n")
            print("wrote benchmarks/results/loop.json")
    return code


if __name__ == "__main__":
    sys.exit(main())
