import numpy as np
import pytest

from dreamzero_policy.types import ActionChunk, Observation, frozen


def observation(**changes):
    fields = {
        "canvases": np.zeros((2, 4, 6, 3), np.uint8),
        "stamps_ns": np.array([10, 20]),
        "state": [0.0, 1.0],
        "prompt": "pick",
    }
    return Observation(**{**fields, **changes})


def chunk(**changes):
    fields = {
        "observation_ns": 5,
        "start_ns": 10,
        "step_ns": 3,
        "rows": np.zeros((4, 2)),
        "names": ["a", "b"],
        "session": 1,
        "sequence": 0,
    }
    return ActionChunk(**{**fields, **changes})


def test_an_observation_is_read_only_and_knows_its_instant():
    seen = observation()
    assert seen.newest_ns == 20
    assert seen.state.dtype == np.float64
    for array in (seen.canvases, seen.stamps_ns, seen.state):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"canvases": np.zeros((2, 4, 6, 3))}, "canvases: expected uint8 .* got float64"),
        ({"canvases": np.zeros((4, 6, 3), np.uint8)}, r"got uint8 \[4, 6, 3\]"),
        ({"canvases": np.zeros((2, 4, 6, 4), np.uint8)}, r"got uint8 \[2, 4, 6, 4\]"),
        ({"stamps_ns": np.array([10])}, r"stamps_ns: expected int64 \[2\]"),
        ({"stamps_ns": np.array([10.0, 20.0])}, "got float64"),
        ({"stamps_ns": np.array([20, 20])}, "must increase strictly"),
        ({"state": [0.0, float("inf")]}, "state: expected a finite vector"),
        ({"state": [[0.0]]}, "state: expected a finite vector"),
    ],
)
def test_an_observation_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        observation(**changes)


def test_an_empty_observation_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        observation(canvases=np.zeros((0, 4, 6, 3), np.uint8), stamps_ns=np.zeros(0, np.int64))


def test_a_chunk_ends_at_the_due_time_of_its_last_row():
    made = chunk()
    assert (made.horizon, made.end_ns, made.names) == (4, 19, ("a", "b"))
    with pytest.raises(ValueError, match="read-only"):
        made.rows[0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": np.zeros((4, 3))}, r"at least 2 rows of 2 joints, got \[4, 3\]"),
        ({"rows": np.zeros((1, 2))}, r"got \[1, 2\]"),
        ({"rows": np.zeros(4)}, r"got \[4\]"),
        ({"step_ns": 0}, "step_ns must be positive, got 0"),
    ],
)
def test_a_chunk_without_a_shape_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        chunk(**changes)


def test_a_chunk_may_carry_what_the_controller_must_refuse():
    assert np.isnan(chunk(rows=np.full((4, 2), np.nan)).rows).all()


def test_frozen_is_a_view_that_leaves_the_original_writable():
    array = np.zeros(3)
    view = frozen(array)
    array[0] = 1.0
    assert view[0] == 1.0
    assert np.shares_memory(array, view)
