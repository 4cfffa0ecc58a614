"""Shares and means with their errors, against values from tables and from arithmetic."""

import math

import pytest

from dreamzero_policy.evaluation.figures import Mean, Share


@pytest.mark.parametrize(
    ("successes", "of", "low", "high"),
    [  # statsmodels.stats.proportion.proportion_confint(..., method="wilson")
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (8, 10, 0.49016, 0.94332),
        (1, 1, 0.20655, 1.0),
        (41, 50, 0.69204, 0.90234),
    ],
)
def test_wilson_interval(successes, of, low, high):
    share = Share.count([True] * successes + [False] * (of - successes))
    assert (share.low, share.high) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))
    assert share.value == successes / of
    assert share.error == pytest.approx(math.sqrt(share.value * (1 - share.value) / of))


def test_mean():
    mean = Mean.over([0.0, 0.5, 1.0, 0.5])
    assert mean.value == 0.5
    assert mean.error == pytest.approx(math.sqrt(0.5 / 3) / 2)
    assert math.isnan(Mean.over([0.3]).error)


def test_nothing_has_no_figure():
    with pytest.raises(ValueError, match="at least one outcome"):
        Share.count([])
    with pytest.raises(ValueError, match="at least one number"):
        Mean.over([])
