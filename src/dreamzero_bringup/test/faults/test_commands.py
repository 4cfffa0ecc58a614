"""The judge: it must see every broken limit, every late hold and every motion that goes on."""

import numpy as np
import pytest

from dreamzero_bringup.faults.commands import (
    Command,
    braking_s,
    hold,
    speeds,
    stretches,
    usage,
)
from dreamzero_policy.control.limiter import Limiter
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.types import NS_PER_S

LIMITS = Limits.of(DROID)
PERIOD_S, PERIOD_NS = 1 / 30, NS_PER_S // 30
HOME = np.array(DROID.home)
START = 1_000 * NS_PER_S


def commands(positions, first_number=1, began_ns=START):
    return [
        Command(began_ns + k * PERIOD_NS, began_ns + k * PERIOD_NS, first_number + k, "7", row)
        for k, row in enumerate(np.asarray(positions))
    ]


def path(first_joint):
    """[N, A] home but for the first joint."""
    rows = np.repeat(HOME[None], len(first_joint), axis=0)
    rows[:, 0] = first_joint
    return rows


def judged(first_joint, from_rest=True):
    heard = commands(path(first_joint), first_number=1 if from_rest else 50)
    return usage(stretches(heard, []), LIMITS, PERIOD_S)


def limited(goals):
    """What the controller's own limiter makes of goals for the first joint."""
    limiter = Limiter(LIMITS, PERIOD_S)
    rows = [limiter.reset(HOME)]
    rows += [limiter.step(row) for row in path(goals)]
    rows += [limiter.hold() for _ in range(20)]
    return np.array(rows)


def test_what_the_limiter_makes_keeps_every_limit():
    wild = np.random.default_rng(0).uniform(-3, 3, 200)
    used = usage(stretches(commands(limited(wild)), []), LIMITS, PERIOD_S)
    assert used.violations == ()
    assert used.commands == 221
    assert used.shares["acceleration"] > 0.9
    assert used.fastest[0] == "panda_joint1"
    assert START < used.fastest[1] <= START + 220 * PERIOD_NS


@pytest.mark.parametrize(
    ("first_joint", "broken"),
    [
        ([0, 0, 2.7, 2.7], "panda_joint1 is 2.700000, outside"),
        (np.arange(30) * 2.2 / 30, "velocity of panda_joint1 is 2.2"),
        ([0, 0, 0.012, 0.012], "acceleration of panda_joint1 is"),
        ([0, 0, np.nan, 0], "panda_joint1 is nan"),
    ],
)
def test_a_broken_limit_is_named(first_joint, broken):
    found = judged(first_joint).violations
    assert any(broken in sentence for sentence in found), found


def test_jerk_is_judged_on_third_differences():
    tight = LIMITS.tighten({"panda_joint1": {"jerk": 100.0}})
    steps = np.array([0, 0, 0, 0.004, 0.012, 0.02, 0.028])
    found = usage(stretches(commands(path(steps)), []), tight, PERIOD_S).violations
    assert [sentence.partition(" of")[0] for sentence in found] == ["jerk"]


def test_motion_that_does_not_begin_at_rest_is_seen_only_where_it_should():
    steady = 1 + np.arange(10) * 1.0 / 30
    assert any("acceleration" in sentence for sentence in judged(steady).violations)
    assert judged(steady, from_rest=False).violations == ()


def test_a_joint_found_outside_its_range_may_only_go_inwards():
    outside = LIMITS.upper[0] + 0.004
    inwards = outside - np.array([0, 0, 0.001, 0.003, 0.004, 0.004])
    assert judged(inwards).violations == ()
    assert any("outside" in s for s in judged(inwards[::-1], from_rest=False).violations)


def test_a_joint_that_must_slow_down_towards_its_ends_is_watched():
    column = next(k for k, slowdown in enumerate(LIMITS.slowdowns) if slowdown is not None)
    rows = np.repeat(HOME[None], 30, axis=0)
    speed = 0.5 * LIMITS.velocity[column]
    rows[:, column] = LIMITS.upper[column] - speed / 30 * np.arange(30)[::-1]
    found = usage(stretches(commands(rows, first_number=9), []), LIMITS, PERIOD_S).violations
    assert any(f"velocity of {LIMITS.names[column]}" in s and "there" in s for s in found)


def test_a_lost_command_splits_and_is_not_taken_for_a_jump():
    heard = commands(path(np.arange(20) * 1.5 / 30), first_number=5)
    del heard[10]
    parts = stretches(heard, [])
    assert [len(part.commands) for part in parts] == [10, 9]
    assert usage(parts, LIMITS, PERIOD_S).violations == ()
    assert np.isnan(speeds(heard, PERIOD_S)[10])


def test_a_new_enable_and_a_new_publisher_begin_at_rest():
    first, second = commands(path([0] * 5)), commands(path([0.1] * 5), 6, START + NS_PER_S)
    parts = stretches(first + second, [START + NS_PER_S // 2])
    assert [part.from_rest for part in parts] == [True, True]
    assert usage(parts, LIMITS, PERIOD_S).violations == ()
    parts = stretches(first + commands(path([0.1] * 5), 1, START + NS_PER_S), [])
    assert [part.from_rest for part in parts] == [True, True]


CRUISE = 0.25
STEADY = np.arange(30) * CRUISE / 30


def end_ns(heard):
    return heard[-1].received_ns + NS_PER_S


def test_the_hold_begins_with_the_first_command_of_the_brake():
    heard = commands(path([*STEADY, *[STEADY[-1] + 0.0035] * 20]))
    found = hold(heard, START + 29 * PERIOD_NS, end_ns(heard), CRUISE, PERIOD_S)
    assert found.began_ns == START + 30 * PERIOD_NS
    assert found.rested_ns == START + 31 * PERIOD_NS


def test_a_hold_that_was_over_before_the_fault_counts_from_the_fault():
    heard = commands(path([*STEADY, STEADY[-1] + 0.0035]))
    found = hold(heard, end_ns(heard) - 1, end_ns(heard), CRUISE, PERIOD_S)
    assert found.began_ns == found.rested_ns == end_ns(heard) - 1


def test_there_is_no_hold_while_anything_moves():
    creeping = STEADY[-1] + 0.0035 + 1e-6 * np.arange(20)
    for end in ([], creeping):
        heard = commands(path([*STEADY, *end]))
        found = hold(heard, START, heard[-1].received_ns, CRUISE, PERIOD_S)
        assert found is None


def test_a_hold_that_is_left_again_counts_from_the_second_one():
    again = STEADY[-1] + np.arange(10) * CRUISE / 30
    heard = commands(path([*STEADY, *[STEADY[-1]] * 10, *again, *[again[-1]] * 10]))
    found = hold(heard, START, end_ns(heard), CRUISE, PERIOD_S)
    assert found.began_ns == START + 50 * PERIOD_NS


def test_what_is_disarmed_at_rest_ends_with_the_last_of_its_brake():
    heard = commands(path([*STEADY, STEADY[-1] + 0.0035]))
    assert hold(heard, START, heard[-1].received_ns, CRUISE, PERIOD_S) is None
    found = hold(heard, START, end_ns(heard), CRUISE, PERIOD_S)
    assert found.began_ns == found.rested_ns == heard[-1].received_ns
    killed = commands(path(STEADY))
    assert hold(killed, START, end_ns(killed), CRUISE, PERIOD_S) is None


def test_a_motion_of_any_kind_holds_where_its_speed_only_shrinks():
    wave = 0.1 * np.sin(np.arange(24) / 3)
    brake = wave[-1] - np.cumsum([0.02, 0.012, 0.004])
    heard = commands(path([*wave, *brake, *[brake[-1]] * 10]))
    found = hold(heard, START, end_ns(heard), None, PERIOD_S)
    assert START + 24 * PERIOD_NS <= found.began_ns <= START + 26 * PERIOD_NS
    assert found.rested_ns == START + 27 * PERIOD_NS


def test_a_brake_takes_what_its_limits_allow():
    slow = braking_s(LIMITS, CRUISE, PERIOD_S) - 2 * PERIOD_S
    assert slow == pytest.approx(CRUISE / LIMITS.acceleration.min(), rel=0.2)
    assert braking_s(LIMITS, 100.0, PERIOD_S) > braking_s(LIMITS, 1.0, PERIOD_S)
