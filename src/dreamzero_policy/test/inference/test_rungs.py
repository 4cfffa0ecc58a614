"""The ladder's rows: one name each, as kept results are found by it, counted as they are run."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[4] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="not in the source tree")


def test_every_row_has_a_name_of_its_own_and_is_counted_as_it_is_sampled(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from rungs import COMPILED, rungs

    rows = rungs()
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert COMPILED in names
    for row in rows:
        assert ("FP8" in row.name) == (row.precision == "fp8"), row.name
        assert row.case.guidance == row.sampling.guidance, row.name
        assert row.case.hidden_refresh == row.sampling.hidden_refresh, row.name
        counted = row.sampling.evaluations
        counted = row.sampling.timesteps if counted == "all" else counted
        assert row.case.evaluations == counted, row.name
