"""Speed limits that shrink towards the ends: no sample of a brake passes the formula.

The twin samples a brake densely and compares every sample with the published formula.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.control.limiter import Limiter
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments.embodiment import EndSlowdown
from dreamzero_policy.profiles.braking import brake
from dreamzero_policy.profiles.envelope import Envelope

SAMPLES, JOINTS = 300, 40
PERIODS = (1 / 15, 1 / 30, 1 / 200)


def formula(slow: EndSlowdown, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest speeds downwards and upwards, as the maker writes them."""
    return tuple(
        np.maximum(0.0, -slow.offset + np.sqrt(np.maximum(0.0, 2 * slow.acceleration * room)))
        for room in (at - slow.lower_end, slow.upper_end - at)
    )


def excess(profile, slowdowns, period: float) -> np.ndarray:
    """[A] how much faster than allowed a brake's first differences are, whenever they are taken."""
    total = profile.first + profile.second + profile.third
    worst = np.full(len(total), -np.inf)
    for share in np.linspace(0.0, 1.0, SAMPLES):
        start, end = (profile.after(share * total + more)[0] for more in (0.0, period))
        for joint, slow in enumerate(slowdowns):
            down, up = formula(slow, end[joint])
            rate = (end[joint] - start[joint]) / period
            if rate != 0.0:
                worst[joint] = max(worst[joint], rate - up if rate > 0 else -rate - down)
    return worst


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), period=st.sampled_from(PERIODS))
def test_a_brake_that_is_allowed_keeps_the_formula_all_along(seed, period):
    rng = np.random.default_rng(seed)
    most = 10 ** rng.uniform(-1.0, 1.3, JOINTS)
    jerk = most * 10 ** rng.uniform(0.3, 3.0, JOINTS)
    offsets, steep = 10 ** rng.uniform(-2.0, 0.0, JOINTS), 10 ** rng.uniform(-1.0, 1.5, JOINTS)
    slowdowns = tuple(EndSlowdown(o, a, -9.0, 9.0) for o, a in zip(offsets, steep, strict=True))
    envelope = Envelope(slowdowns, most, jerk, period)
    away = 10 ** rng.uniform(-5.0, 0.7, JOINTS)
    side = np.where(rng.random(JOINTS) < 0.5, -1.0, 1.0)
    at = side * (9.0 - offsets**2 / (2 * steep) - away)
    allowed = np.sqrt(offsets**2 + 2 * steep * away) - offsets
    speed = side * allowed * rng.uniform(-0.3, 1.2, JOINTS)
    profile = brake(at, speed, most * rng.uniform(-1, 1, JOINTS), most, jerk)
    kept = envelope.keeps(at, profile)
    assert (excess(profile, slowdowns, period)[kept] <= 1e-9).all()


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_the_formula_allows_with_a_little_to_spare_is_allowed(droid, seed):
    limits, period = Limits.of(droid), 1 / 30
    arm = slice(0, 7)
    most, jerk = limits.acceleration[arm], limits.jerk[arm]
    slowdowns = limits.slowdowns[arm]
    envelope = Envelope(slowdowns, most, jerk, period)
    rng = np.random.default_rng(seed)
    at = rng.uniform(limits.lower[arm], limits.upper[arm])
    speed = np.empty(7)
    for joint, slow in enumerate(slowdowns):
        upwards = rng.random() < 0.5
        # An even speed is checked where it has gone on for a period.
        ahead = at[joint] + (1 if upwards else -1) * 2.51 * period
        down, up = formula(slow, ahead)
        speed[joint] = 0.97 * (up if upwards else -down)
    profile = brake(at, speed, np.zeros(7), most, jerk)
    steep = np.array([s.acceleration for s in slowdowns])
    # Where a brake is weaker than the formula's own, it and not the formula decides how fast.
    assert envelope.keeps(at, profile)[steep <= most].all()


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("way", [-1, 1])
def test_a_joint_runs_into_its_end_without_passing_the_formula(droid, require_within, joint, way):
    limits, period = Limits.of(droid), 1 / 30
    goal = np.array(droid.home)
    goal[joint] = (limits.lower if way < 0 else limits.upper)[joint]
    limiter = Limiter(limits, period)
    path = [limiter.reset(np.array(droid.home))]
    path += [limiter.step(goal) for _ in range(150)]
    require_within(path, limits, period)
    assert limiter.position[joint] == pytest.approx(goal[joint], abs=1e-4)
    rate = np.abs(np.diff(np.array(path)[:, joint])) / period
    at = np.array(path)[1:, joint]
    near = np.abs(at - goal[joint]) < 0.05
    assert rate[near].max() > 0.1, "it crept"


def test_the_joints_of_droid_would_pass_the_formula_without_it(droid, require_within):
    """The FR3's rule does bind: constant limits alone break it."""
    own = Limits.of(droid)
    without = Limits(
        *(getattr(own, name) for name in ("names", "base", "gripper", "prismatic")),
        *(getattr(own, name) for name in ("lower", "upper", "velocity", "acceleration", "jerk")),
    )
    limiter, goal = Limiter(without, 1 / 30), np.array(droid.home)
    goal[1] = own.upper[1]
    path = [limiter.reset(np.array(droid.home))] + [limiter.step(goal) for _ in range(90)]
    with pytest.raises(AssertionError, match="panda_joint2: too fast near its end"):
        require_within(path, own, 1 / 30)


@pytest.mark.parametrize("beyond", [0.001, 0.06, 0.09])
def test_a_joint_measured_beyond_its_ends_may_rest_or_come_back(droid, require_within, beyond):
    """Beyond the formula's end no speed outwards is allowed; a pose may be there all the same."""
    limits = Limits.of(droid)
    for joint, slow in enumerate(limits.slowdowns[:7]):
        for end, way in ((slow.range[0] - beyond, -1), (slow.range[1] + beyond, 1)):
            start = np.array(droid.home)
            start[joint] = end
            limiter = Limiter(limits, 1 / 30)
            path = [limiter.reset(start)]
            outwards = start.copy()
            outwards[joint] += way
            path += [limiter.step(outwards) for _ in range(5)]
            # It comes back to the range, where it is wanted, and waits for nothing.
            path += [limiter.step(np.array(droid.home)) for _ in range(150)]
            require_within(path, limits, 1 / 30)
            np.testing.assert_allclose(path[-1], droid.home, atol=1e-4)


class TestSlowdown:
    def test_the_formula_is_the_makers(self, droid):
        """Two values worked out by hand from libfranka's line for joint 6 of the FR3."""
        slow = droid.joints[5].slowdown
        down, up = formula(slow, np.array([0.6, 4.0]))
        assert down[0] == pytest.approx(-0.35 + np.sqrt(11.0 * (0.6 - 0.54092)))
        assert up[1] == pytest.approx(-0.35 + np.sqrt(11.0 * (4.5205 - 4.0)))

    @pytest.mark.parametrize(
        "numbers",
        [
            (0.0, 6.0, -1.0, 1.0),
            (0.3, 0.0, -1.0, 1.0),
            (0.3, -6.0, -1.0, 1.0),
            (np.nan, 6.0, -1.0, 1.0),
            (0.3, 6.0, -np.inf, 1.0),
            (0.3, 6.0, 1.0, -1.0),
            (9.0, 6.0, -1.0, 1.0),
        ],
    )
    def test_a_senseless_one_is_refused(self, numbers):
        with pytest.raises(ValueError, match="slowdown"):
            EndSlowdown(*numbers)
