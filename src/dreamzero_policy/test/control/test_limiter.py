"""The gate: no input gets a command past a limit, and what is possible is done exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.control.limiter import Limiter
from dreamzero_policy.control.limits import Limits

PERIOD = 1 / 30


def wanted(kind: str, rng: np.random.Generator, limits: Limits, home: np.ndarray) -> np.ndarray:
    """[60, 3, A] position, velocity and acceleration of something to follow."""
    count, span = len(home), limits.upper - limits.lower
    out = np.zeros((60, 3, count))
    if kind == "noise":
        out[:, 0] = rng.uniform(limits.lower - span, limits.upper + span, (60, count))
        out[:, 1:] = rng.normal(size=(60, 2, count)) * 20
    elif kind == "switch":
        ends = np.where(rng.random((60, count)) < 0.5, limits.lower, limits.upper)
        out[:, 0] = np.repeat(ends[::12], 12, axis=0)
    elif kind == "run_out":  # full speed at the end of the range
        out[:, 0] = home + np.linspace(0, 3, 60)[:, None] * span * rng.choice([-1, 1], count)
        out[:, 1] = limits.velocity * rng.choice([-1, 1], count)
    elif kind == "tiny":
        out[:, 0] = home + rng.normal(size=(60, count)) * 1e-4
    else:
        bad = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300]
        out[:] = rng.choice(bad, out.shape)
        out[rng.random(60) < 0.4] = 0.0
    return out


KINDS = st.sampled_from(["noise", "switch", "run_out", "tiny", "wild"])


@settings(deadline=None)
@given(
    robot=st.sampled_from(["droid", "stiff", "wheeled"]),
    events=st.lists(st.tuples(KINDS, st.integers(1, 60)), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    outside=st.booleans(),
    holds=st.floats(0.0, 0.3),
)
def test_no_input_gets_past_a_limit(
    droid, wheeled, stiff, require_within, robot, events, seed, outside, holds
):
    embodiment = wheeled if robot == "wheeled" else droid
    limits = stiff if robot == "stiff" else Limits.of(embodiment)
    rng = np.random.default_rng(seed)
    more = 0.05 * (limits.upper - limits.lower) * outside
    start = rng.uniform(limits.lower - more, limits.upper + more)
    start[limits.base] = 0.0
    limiter = Limiter(limits, PERIOD)
    commands = [limiter.reset(start)]
    for kind, ticks in events:
        for point in wanted(kind, rng, limits, np.clip(start, limits.lower, limits.upper))[:ticks]:
            step = limiter.hold() if rng.random() < holds else limiter.step(*point)
            commands.append(step)
    require_within(commands, limits, PERIOD)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), stiffness=st.sampled_from([1.0, 0.1, 0.02]))
def test_from_any_motion_it_settles_on_a_target(droid, seed, stiffness):
    limits = Limits.of(droid)
    limits = limits.tighten(
        {n: {"jerk": limits.jerk[i] * stiffness} for i, n in enumerate(limits.names)}
    )
    rng = np.random.default_rng(seed)
    limiter = Limiter(limits, PERIOD)
    limiter.reset(rng.uniform(limits.lower, limits.upper))
    for _ in range(10):
        limiter.step(rng.uniform(limits.lower, limits.upper))
    target = rng.uniform(limits.lower + 0.01, limits.upper - 0.01)
    path = np.array([limiter.step(target) for _ in range(180)])
    np.testing.assert_allclose(path[-30:], np.tile(target, (30, 1)), atol=1e-5)
    assert not limiter.limited.any()


def test_what_is_possible_is_done_exactly(droid):
    limits, home = Limits.of(droid), np.array(droid.home)
    limiter = Limiter(limits, PERIOD)
    limiter.reset(home)
    for k in range(1, 200):
        t, rise = k * PERIOD, 1.0
        move = np.zeros((3, len(home)))
        if t < 1.0:  # a quintic start into a sine, to be at rest at first
            rise = t**3 * (10 - 15 * t + 6 * t * t)
        move[0, :7] = 0.3 * rise * np.sin(t)
        h = 1e-4
        lift = [
            0.3 * (lambda s: s**3 * (10 - 15 * s + 6 * s * s) if s < 1 else 1.0)(s) * np.sin(s)
            for s in (t - h, t, t + h)
        ]
        move[1, :7] = (lift[2] - lift[0]) / (2 * h)
        move[2, :7] = (lift[2] - 2 * lift[1] + lift[0]) / h**2
        command = limiter.step(home + move[0], move[1], move[2])
        np.testing.assert_allclose(command[:7], home[:7] + move[0, :7], atol=1e-9)
        assert not limiter.limited.any()


def test_a_far_target_is_reached_about_as_fast_as_the_limits_allow(droid):
    limits, home = Limits.of(droid), np.array(droid.home)
    limiter = Limiter(limits, PERIOD)
    limiter.reset(home)
    target = home.copy()
    target[0] += 1.0
    path = [limiter.step(target)[0] for _ in range(40)]
    ideal = 1.0 / limits.velocity[0] + limits.velocity[0] / limits.acceleration[0]
    arrived = np.flatnonzero(np.abs(np.array(path) - target[0]) > 1e-3)[-1] + 1
    assert ideal - PERIOD <= arrived * PERIOD <= ideal + 3 * PERIOD
    assert max(path) <= target[0] + 5e-3


def test_a_hold_brakes_and_stays_and_a_base_goes_to_zero(wheeled, require_within):
    limits = Limits.of(wheeled)
    limiter = Limiter(limits, PERIOD)
    commands = [limiter.reset(np.array(wheeled.home))]
    for k in range(40):
        commands.append(limiter.step(np.array([k * PERIOD, 0.3, 1.0, 0.5])))
    assert limiter.velocity[0] > 0.5
    assert limiter.position[3] == pytest.approx(0.5, abs=1e-3)
    stop = limiter.stop.copy()
    for _ in range(60):
        commands.append(limiter.hold())
    assert limiter.at_rest
    np.testing.assert_allclose(commands[-1][:3], stop[:3], atol=1e-9)
    assert commands[-1][3] == 0.0, "a base on hold stands quite still"
    require_within(commands, limits, PERIOD)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_base_that_is_told_nonsense_goes_to_zero_and_keeps_no_last_speed(
    wheeled, require_within, value
):
    limits = Limits.of(wheeled)
    limiter = Limiter(limits, PERIOD)
    commands, goal = [limiter.reset(np.array(wheeled.home))], np.array(wheeled.home)
    goal[3] = 0.4
    commands += [limiter.step(goal) for _ in range(40)]
    assert commands[-1][3] == pytest.approx(0.4, abs=1e-3)
    goal[3] = value
    commands += [limiter.step(goal) for _ in range(60)]
    assert commands[-1][3] == pytest.approx(0.0, abs=1e-9)
    assert limiter.limited.tolist() == [False, False, False, True]
    require_within(commands, limits, PERIOD)


def test_a_base_that_may_not_reverse_stands_still_at_the_end_of_its_range(wheeled, require_within):
    limits = Limits.of(wheeled).tighten({"drive": {"lower": 0.0}})
    limiter = Limiter(limits, PERIOD)
    commands, goal = [limiter.reset(np.array(wheeled.home))], np.array(wheeled.home)
    for wanted in (0.5, -0.5):
        goal[3] = wanted
        commands += [limiter.step(goal) for _ in range(40)]
    assert commands[-1][3] == pytest.approx(0.0, abs=1e-6)
    commands += [limiter.hold() for _ in range(20)]
    assert commands[-1][3] == 0.0
    require_within(commands, limits, PERIOD)


def test_a_joint_measured_outside_its_range_moves_inwards_only(droid, require_within):
    limits = Limits.of(droid)
    start = np.array(droid.home)
    start[1], start[3] = limits.upper[1] + 0.05, limits.lower[3] - 0.08
    limiter = Limiter(limits, PERIOD)
    outwards = start.copy()
    outwards[1], outwards[3] = 9.0, -9.0
    commands = [limiter.reset(start)]
    commands += [limiter.step(outwards) for _ in range(60)]
    assert limiter.position[1] == pytest.approx(limits.upper[1], abs=1e-4)
    assert limiter.position[3] == pytest.approx(limits.lower[3], abs=1e-4)
    require_within(commands, limits, PERIOD)


def test_one_bad_joint_brakes_and_the_others_go_on(droid):
    limiter = Limiter(Limits.of(droid), PERIOD)
    limiter.reset(np.array(droid.home))
    target = np.array(droid.home)
    target[2] = np.nan
    target[0] += 0.01
    for _ in range(20):
        command = limiter.step(target)
    assert command[2] == droid.home[2]
    assert command[0] == pytest.approx(target[0])
    assert limiter.limited.tolist() == [False, False, True] + [False] * 5


def test_what_comes_out_cannot_be_changed_from_outside(droid):
    limiter = Limiter(Limits.of(droid), PERIOD)
    command = limiter.reset(np.array(droid.home))
    with pytest.raises(ValueError, match="read-only"):
        command[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        limiter.limits.upper[0] = 99.0


def test_wrong_input_is_named(droid):
    limiter = Limiter(Limits.of(droid), PERIOD)
    with pytest.raises(ValueError, match="no pose yet"):
        limiter.step(np.zeros(8))
    with pytest.raises(ValueError, match="expected 8 finite values"):
        limiter.reset(np.full(8, np.nan))
    limiter.reset(np.array(droid.home))
    with pytest.raises(ValueError, match="wanted position: expected 8 values"):
        limiter.step(np.zeros(7))
    for period in (0.0, -1.0, np.nan, 2.0):
        with pytest.raises(ValueError, match="control period"):
            Limiter(Limits.of(droid), period)
