"""Every way in which a chunk is refused, by name, and what is clamped instead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dreamzero_policy.chunks.screening import Refused, Screen
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.settings import ControllerSettings

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def screen(droid) -> Screen:
    return Screen(Limits.of(droid), ControllerSettings())


def test_a_good_chunk_passes(droid, screen, chunk_of, still):
    chunk = chunk_of(droid, still(droid), NOW)
    assert screen.kind(chunk) is None
    assert screen.age(chunk, NOW + SECOND // 2, 1.0) is None
    motion, clamped = screen.motion(chunk)
    assert clamped == 0
    assert screen.distance(motion, NOW, np.array(droid.home)) is None


def test_joints_must_be_ours_in_our_order(droid, screen, chunk_of, still):
    names = droid.action_joints
    for wrong in (names[::-1], (*names[:-1], "finger")):
        refused = screen.kind(chunk_of(droid, still(droid), names=wrong))
        assert refused.reason == "wrong_joints"
        assert names[0] in refused.message
        assert wrong[-1] in refused.message
    short = chunk_of(droid, still(droid)[:, :7], names=names[:7])
    assert screen.kind(short).reason == "wrong_joints"


@pytest.mark.parametrize("changes", [{"step_ns": 999_999}, {"step_ns": SECOND + 1}])
def test_an_impossible_grid_is_refused(droid, screen, chunk_of, still, changes):
    assert screen.kind(chunk_of(droid, still(droid), **changes)).reason == "bad_timing"


def test_rows_before_the_observation_or_too_many_are_refused(droid, screen, chunk_of, still):
    early = chunk_of(droid, still(droid), NOW, start_ns=NOW - SECOND)
    assert screen.kind(early).reason == "bad_timing"
    long = chunk_of(droid, np.tile(droid.home, (1025, 1)), NOW)
    assert screen.kind(long).reason == "bad_timing"


@pytest.mark.parametrize(
    ("offset", "changes", "reason"),
    [
        (2.1, {"start_ns": NOW + SECOND}, "stale_chunk"),  # old observation
        (1.54, {}, "stale_chunk"),  # the last row is over
        (-0.2, {}, "from_the_future"),
        (-0.05, {"start_ns": NOW + 3 * SECOND}, "from_the_future"),
        (-0.05, {}, None),
        (1.5, {}, None),
    ],
)
def test_age(droid, screen, chunk_of, still, offset, changes, reason):
    chunk = chunk_of(droid, still(droid), NOW, **changes)
    refused = screen.age(chunk, NOW + int(offset * SECOND), 1.0)
    assert (refused and refused.reason) == reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named(droid, screen, chunk_of, still, value):
    rows = still(droid)
    rows[5, 2] = value
    refused = screen.motion(chunk_of(droid, rows))
    assert refused.reason == "non_finite"
    assert "panda_joint3 in row 5" in refused.message


def test_a_lone_spike_cannot_hide_behind_the_filter(droid, screen, chunk_of, still):
    rows = still(droid)
    rows[12, 0] += 1.0
    assert screen.motion(chunk_of(droid, rows)).reason == "outlier"


def test_a_little_outside_is_clamped_and_counted_and_more_is_refused(droid, chunk_of, still):
    limits = Limits.of(droid)
    screen = Screen(limits, ControllerSettings())
    pose = np.array(droid.home)
    pose[0], pose[7] = limits.upper[0] + 0.05, 1.4
    motion, clamped = screen.motion(chunk_of(droid, still(droid, pose)))
    assert clamped == 2 * 24
    assert motion.rows.max(axis=0)[0] == limits.upper[0]
    assert motion.rows.max(axis=0)[7] == 1.0
    pose[0] = limits.upper[0] + 0.11
    refused = screen.motion(chunk_of(droid, still(droid, pose)))
    assert refused.reason == "out_of_range"
    assert "panda_joint1" in refused.message


def test_a_step_between_rows_is_refused_but_not_of_a_gripper(droid, chunk_of, still):
    screen = Screen(Limits.of(droid), ControllerSettings(smoothing=False))
    rows = still(droid)
    rows[12:, 7] = 1.0
    assert not isinstance(screen.motion(chunk_of(droid, rows)), Refused)
    rows[12:, 4] += 0.21
    refused = screen.motion(chunk_of(droid, rows))
    assert refused.reason == "step_too_large"
    assert "panda_joint5 in row 11" in refused.message


def test_kinds_have_their_own_thresholds(wheeled, chunk_of, still):
    screen = Screen(Limits.of(wheeled), ControllerSettings(smoothing=False))
    rows = still(wheeled)
    rows[20:, 1] += 0.06  # the lift: 0.05 m at most
    assert screen.motion(chunk_of(wheeled, rows)).reason == "step_too_large"
    rows = still(wheeled)
    rows[20:, 3] = 0.4  # a base may change at once, the limiter ramps it
    assert not isinstance(screen.motion(chunk_of(wheeled, rows)), Refused)
    rows[20:, 3] = 1.2
    assert screen.motion(chunk_of(wheeled, rows)).reason == "out_of_range"


def test_a_path_must_come_by_the_pose(droid, screen, chunk_of, still):
    rows = still(droid) + np.linspace(0.0, 1.0, 24)[:, None] * (np.arange(8) == 0)
    motion, _ = screen.motion(chunk_of(droid, rows, NOW))
    home = np.array(droid.home)
    # Due now: 0.5 rad away, but the path began at the pose.
    assert screen.distance(motion, NOW + 4 * SECOND // 5, home) is None
    # Rows still to come do not count.
    beyond = home + 0.9 * (np.arange(8) == 0)
    refused = screen.distance(motion, NOW + SECOND // 10, beyond)
    assert refused.reason == "first_row_too_far"
    assert "panda_joint1" in refused.message
    away = home + 0.3 * (np.arange(8) == 3)
    assert screen.distance(motion, NOW, away).reason == "first_row_too_far"
    gripper = home + 1.0 * (np.arange(8) == 7)
    assert screen.distance(motion, NOW, gripper) is None


@settings(deadline=None)
@given(
    rows=arrays(np.float64, (24, 8), elements=st.floats(width=64)),
    smoothing=st.booleans(),
)
def test_any_rows_are_refused_or_inside_the_range(droid, chunk_of, rows, smoothing):
    limits = Limits.of(droid)
    outcome = Screen(limits, ControllerSettings(smoothing=smoothing)).motion(chunk_of(droid, rows))
    if not isinstance(outcome, Refused):
        assert (outcome[0].rows >= limits.lower).all()
        assert (outcome[0].rows <= limits.upper).all()
