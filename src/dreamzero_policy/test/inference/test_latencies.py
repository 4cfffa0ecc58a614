"""Percentiles by stage."""

import numpy as np

from dreamzero_policy.inference.latencies import Latencies


def test_every_stage_has_its_own_history():
    history = Latencies()
    for call in range(101):
        history.add({"denoise": call / 100, **({"decode": 2.0} if call % 2 else {})})
    spreads = history.spreads()
    assert list(spreads) == ["denoise", "decode"]
    np.testing.assert_allclose(spreads["denoise"], (0.5, 0.95, 0.99))
    assert spreads["decode"] == (2.0, 2.0, 2.0)


def test_only_the_newest_calls_count():
    history = Latencies(most=3)
    assert history.spreads() == {}
    for seconds in (9.0, 1.0, 1.0, 1.0):
        history.add({"total": seconds})
    assert history.spreads()["total"].p99 == 1.0
