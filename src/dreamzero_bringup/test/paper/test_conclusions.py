"""The rule about claims, on outcomes that were made up for it."""

import pytest

from paper.conclusions import DOES_NOT, NOT_RUN, OPEN, REPRODUCES, conclude
from paper.study import Claim

HIGHER = Claim("higher", "new", "old", "seen")


def arm(*shares, rollouts=40):
    """Outcomes by seed with these shares of successes, spread over the scenes alike."""
    return {
        seed: {scene: float(scene < round(share * rollouts)) for scene in range(rollouts)}
        for seed, share in enumerate(shares)
    }


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        ((0.8, 0.75, 0.85), (0.3, 0.35, 0.25), REPRODUCES),
        ((0.3, 0.35, 0.25), (0.8, 0.75, 0.85), DOES_NOT),
        ((0.9, 0.1, 0.5), (0.3, 0.4, 0.2), OPEN),  # one seed says otherwise
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), DOES_NOT),  # the same in each scene: no advantage
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), OPEN),  # neither does anything
        ((0.05, 0.05, 0.05), (0.0, 0.0, 0.0), OPEN),
    ],
)
def test_higher(new, old, verdict):
    found = conclude(HIGHER, "success", arm(*new), arm(*old))
    assert found.verdict == verdict
    assert verdict in found.line


def test_too_little_is_never_enough():
    one, other = arm(1.0, 1.0), arm(0.0, 0.0)
    found = conclude(HIGHER, "success", one, other)
    assert found.verdict == OPEN
    assert "2 seeds" in found.why
    few = conclude(HIGHER, "success", arm(1, 1, 1, rollouts=39), arm(0, 0, 0, rollouts=39))
    assert few.verdict == OPEN
    assert "39 rollouts" in few.why


def test_what_was_not_run_says_so():
    found = conclude(HIGHER, "success", arm(1, 1, 1), {0: {}})
    assert found.verdict == NOT_RUN
    assert found.why == "no rollout of old"
    assert conclude(HIGHER, "success", {}, {}).why == "no rollout of new nor of old"
    assert found.estimate is None
    assert found.plain()["verdict"] == NOT_RUN


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        ((0.8, 0.8, 0.8), REPRODUCES),
        ((0.3, 0.3, 0.3), DOES_NOT),
        ((0.7, 0.65, 0.65), OPEN),
    ],
)
def test_keeps(new, verdict):
    claim = Claim("keeps", "new", "old", "seen", share=0.85)
    assert conclude(claim, "success", arm(*new), arm(0.8, 0.8, 0.8)).verdict == verdict


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        ((0.8, 0.8, 0.8), REPRODUCES),
        ((0.3, 0.3, 0.3), DOES_NOT),
        ((0.9, 0.7, 0.7), OPEN),
    ],
)
def test_equal(new, verdict):
    claim = Claim("equal", "new", "old", "seen")
    assert conclude(claim, "success", arm(*new), arm(0.8, 0.8, 0.8)).verdict == verdict
