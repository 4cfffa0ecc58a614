"""Standard errors over seeds and rollouts: by hand, at the edges, and by simulation."""

import math

import numpy as np
import pytest

from paper.uncertainty import contrast, level


def outcomes(*by_seed):
    return {seed: dict(enumerate(values)) for seed, values in enumerate(by_seed)}


def test_nothing_is_none():
    assert level({}) is level({0: {}}) is None
    assert contrast(outcomes([1.0]), {1: {0: 1.0}}) is None
    assert contrast({0: {7: 1.0}}, {0: {8: 1.0}}) is None


def test_one_seed_is_agresti_and_coull():
    found = level(outcomes([1.0] * 30 + [0.0] * 10))
    share = 31 / 42
    assert found.mean == 0.75
    assert found.error == pytest.approx(math.sqrt(share * (1 - share) / 42))
    assert (found.seeds, found.rollouts, found.fewest) == (1, 40, 40)


def test_all_alike_is_not_certain():
    found = level(outcomes(*[[1.0] * 40] * 3))
    assert found.mean == 1.0
    assert 0.01 < found.error < 0.03


def test_where_seeds_differ_they_decide():
    shares = (0.2, 0.5, 0.8)
    found = level(outcomes(*[[1.0] * round(40 * s) + [0.0] * round(40 - 40 * s) for s in shares]))
    assert found.mean == pytest.approx(0.5)
    assert found.error == pytest.approx(0.3 / math.sqrt(3), rel=1e-6)
    # Nearly the two degrees of freedom of three seeds: 4.3 errors, not 2.
    assert 3.8 < (found.high - found.mean) / found.error < 4.31


def test_where_they_do_not_rollouts_decide():
    found = level(outcomes(*[[1.0] * 20 + [0.0] * 20] * 3))
    assert found.error == pytest.approx(math.sqrt(0.25 / 42 / 3), rel=1e-6)
    assert 1.95 < (found.high - found.mean) / found.error < 2.02  # the means do not differ at all


def test_pairs_are_of_one_scene_under_one_seed():
    one = {0: {1: 1.0, 2: 1.0, 3: 0.0}, 1: {1: 1.0}, 2: {9: 1.0}}
    other = {0: {2: 0.0, 3: 0.0, 4: 1.0}, 1: {1: 0.0}}
    found = contrast(one, other)
    assert (found.seeds, found.rollouts, found.fewest) == (2, 3, 1)
    assert found.mean == pytest.approx((0.5 + 1.0) / 2)


def test_pairs_of_successes_are_agresti_and_min():
    won, lost, alike = 12, 3, 25
    one = outcomes([1.0] * won + [0.0] * lost + [1.0] * alike)
    other = outcomes([0.0] * won + [1.0] * lost + [1.0] * alike)
    found = contrast(one, other)
    n, b, c = 42, won + 0.5, lost + 0.5
    variance = ((b + c) / n - ((b - c) / n) ** 2) / n
    assert found.mean == pytest.approx((won - lost) / 40)
    assert found.error == pytest.approx(math.sqrt(variance))


def test_a_share_of_the_other():
    one, other = outcomes([0.9] * 50), outcomes([1.0] * 50)
    assert contrast(one, other, share=0.85).mean == pytest.approx(0.05)
    assert contrast(one, other).mean == pytest.approx(-0.1)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.25])
def test_intervals_hold_what_they_should(spread):
    """Of many made-up arms, with seeds that differ and without."""
    rng, held, tries = np.random.default_rng(0), 0, 600
    for _ in range(tries):
        shares = np.clip(rng.normal(0.5, spread, 3), 0.02, 0.98)
        found = level({s: dict(enumerate(rng.random(40) < p)) for s, p in enumerate(shares)})
        held += found.low <= 0.5 <= found.high
    assert 0.91 <= held / tries <= 0.999
