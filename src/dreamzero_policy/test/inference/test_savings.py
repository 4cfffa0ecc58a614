"""The savings that `benchmarks/exact.py` times: those of a forward change nothing."""

from pathlib import Path

import pytest
import torch

from dreamzero_policy.embodiments import get

BENCHMARKS = Path(__file__).resolve().parents[4] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="not in the source tree")


def test_no_exact_saving_of_a_forward_changes_a_number(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from exact import TOLERANCE, measure, model_of
    from savings import forwards
    from savings_bench import Bench

    robot = get("droid")
    bench = Bench(model_of("tiny", robot), robot)
    with torch.inference_mode():
        rows = {row.name: measure(row, 0.0) for row in forwards(bench)}
    assert len(rows) == 10
    assert all(row["exact"] and row["max_error"] <= TOLERANCE for row in rows.values())
