"""What the benchmark of jitter makes of a run: parts of it, and what the machine itself did."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[4] / "benchmarks"))
pytest.importorskip("rclpy")

from jitter import Periods, figures

MS = 1_000_000


def periods(stalls=()):
    """Ten periods of 33 ms; the sixth command came 20 ms late, one before it was missed."""
    at = np.arange(1, 11) * 33 * MS
    off = np.zeros(10)
    at[5] += 20 * MS
    off[5:7] = 20.0, -20.0
    missed = np.zeros(10, dtype=int)
    missed[5] = 1
    ends = {"driver": off, "controller": 0.1 * off}
    return Periods(at, ends, missed, np.array(stalls, dtype=np.int64).reshape(-1, 2))


def test_the_summary_names_the_largest_and_the_stall_that_it_came_with():
    found = periods([((6 * 33 + 19) * MS, 19 * MS)]).summary()
    assert found["deviations_ms"]["driver"]["max"] == 20.0
    assert found["deviations_ms"]["controller"]["max"] == 2.0
    assert found["commands_missed"] == 1
    assert found["machine_stalls"] == {"of 2 ms and more": 1, "largest_ms": 19.0}
    assert {one["machine_stall_ms"] for one in found["largest"][:2]} == {19.0}
    assert found["deviations_ms_without_stalls"]["driver"]["max"] == 0.0


def test_what_the_machine_did_not_do_is_not_laid_to_it():
    elsewhere, short = ((2 * 33 - 5) * MS, 9 * MS), ((6 * 33 + 19) * MS, 1 * MS)
    found = periods([elsewhere, short]).summary()
    assert found["deviations_ms_without_stalls"]["driver"]["max"] == 20.0
    assert found["largest"][0]["machine_stall_ms"] == 1.0


def test_a_part_has_its_own_periods_and_stalls():
    run = periods([(40 * MS, 3 * MS), (250 * MS, 4 * MS)])
    part = run.between(33 * MS, 132 * MS)
    assert len(part.at_ns) == 4
    assert part.missed.sum() == 0
    assert part.stalls.tolist() == [[40 * MS, 3 * MS]]
    assert run.between(10**12, 10**13).summary()["deviations_ms"]["driver"] == {"n": 0}


def test_figures_are_of_magnitudes():
    assert figures(np.array([-3.0, 1.0]))["max"] == 3.0
