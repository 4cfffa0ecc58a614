"""Scores against motions whose errors can be said beforehand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.shadow.log import ShadowRun
from dreamzero_bringup.shadow.score import look_up, score
from dreamzero_policy import embodiments
from dreamzero_policy.types import ActionChunk

DROID = embodiments.get("droid")
SECOND = 1_000_000_000
NO_STEPS = np.zeros(8, dtype=bool)


def motion(stamps: np.ndarray) -> np.ndarray:
    """Every joint on a straight line of its own; the gripper closes at 2 s."""
    seconds = (stamps / SECOND)[:, None]
    poses = np.array(DROID.home) + 0.02 * seconds * np.arange(1, 9)
    poses[:, 7] = stamps >= 2 * SECOND
    return poses


def run_of(predict, *, commands: bool = True) -> ShadowRun:
    stamps = np.arange(0, 6 * SECOND, SECOND // 30)
    recorded = (stamps, motion(stamps))
    run = ShadowRun(DROID, "do it", states=recorded)
    run.human = recorded if commands else (stamps[:0], np.zeros((0, 8)))
    for sequence, observed in enumerate(range(SECOND, 4 * SECOND, SECOND // 2)):
        due = observed + np.arange(24) * 66_666_667
        rows = predict(observed, due)
        chunk = ActionChunk(observed, observed, 66_666_667, rows, DROID.action_joints, 1, sequence)
        run.chunks.append((observed + SECOND // 3, chunk))
    return run


def test_a_policy_that_does_as_the_human_has_no_error():
    result = score(run_of(lambda observed, due: motion(due)))
    np.testing.assert_allclose(result.joint_rmse[:7], 0.0, atol=1e-9)
    np.testing.assert_allclose(result.skill[:7], 1.0)
    assert result.gripper_agreement[7] >= 0.98
    assert result.reference == "commands"
    assert np.isnan(result.gripper_agreement[:7]).all()


def test_a_policy_that_stays_has_no_skill():
    result = score(run_of(lambda at, due: np.tile(motion(np.array([at])), (24, 1))))
    np.testing.assert_allclose(result.skill[:7], 0.0, atol=1e-9)
    np.testing.assert_allclose(result.rmse[:, :7], result.hold_rmse[:, :7], atol=1e-12)


def test_errors_are_those_of_the_row_and_the_joint():
    def shifted(observed, due):
        rows = motion(due)
        rows[:, 3] += 0.1
        rows[5] += 0.2
        return rows

    result = score(run_of(shifted))
    assert result.rmse[0, 3] == pytest.approx(0.1)
    assert result.rmse[5, 3] == pytest.approx(0.3)
    assert result.rmse[5, 0] == pytest.approx(0.2)
    assert result.rmse[6, 0] == pytest.approx(0.0, abs=1e-9)
    assert result.horizon_s[15] == pytest.approx(1.0)


def test_measured_joints_stand_in_where_no_command_was_seen():
    assert score(run_of(lambda at, due: motion(due), commands=False)).reference == "measured"


def test_a_run_without_chunks_or_motion_is_refused():
    run = run_of(lambda at, due: motion(due))
    run.chunks = []
    with pytest.raises(ValueError, match="chunks"):
        score(run)
    run = run_of(lambda at, due: motion(due), commands=False)
    run.states = (run.states[0][:1], run.states[1][:1])
    with pytest.raises(ValueError, match="motion"):
        score(run)


@settings(max_examples=100, deadline=None)
@given(
    stamps=st.lists(st.integers(0, 3 * SECOND), min_size=2, max_size=30, unique=True).map(sorted),
    at=st.lists(st.integers(-SECOND, 4 * SECOND), min_size=1, max_size=20),
)
def test_looking_up_stays_between_its_neighbours(stamps, at):
    stamps, at = np.array(stamps), np.array(at)
    poses = np.sin(stamps[:, None] / SECOND * np.arange(1, 9))
    found = look_up(stamps, poses, at, NO_STEPS)
    assert np.isnan(found[(at < stamps[0]) | (at > stamps[-1])]).all()
    for instant, row in zip(at, found, strict=True):
        if np.isfinite(row).all():
            later = min(np.searchsorted(stamps, instant, side="right"), len(stamps) - 1)
            pair = poses[[later - 1, later]]
            assert (row >= pair.min(axis=0) - 1e-9).all()
            assert (row <= pair.max(axis=0) + 1e-9).all()


def test_a_gap_is_not_bridged():
    stamps = np.array([0, SECOND])
    found = look_up(stamps, np.zeros((2, 8)), np.array([SECOND // 2]), NO_STEPS)
    assert np.isnan(found).all()
