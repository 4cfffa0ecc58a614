"""The benchmark that the default seam rests on runs, and finds the goal reached."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "benchmarks" / "seams.py"


@pytest.mark.slow
@pytest.mark.long
def test_a_quick_run_reaches_the_goal_with_every_strategy():
    command = [sys.executable, SCRIPT, "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("reached") == 3, run.stdout
    assert "wins: " in run.stdout
