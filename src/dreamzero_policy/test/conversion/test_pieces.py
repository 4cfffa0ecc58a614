"""What is idle, and that nothing is ever spliced."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.conversion.pieces import pieces
from dreamzero_policy.conversion.rows import Rows
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.embodiments.idle import idle_rows

CHOICE = {"fraction": 0.01, "least_s": 1.0}


def moving(robot, count, still=slice(0, 0)):
    """States and actions of joints at a fifth of their top speed, but for a stretch."""
    hz = robot.time_base.control_hz
    speed = np.array([robot.joint(name).velocity for name in robot.state_joints]) / 5
    going = np.ones(count)
    going[still] = 0.0
    states = np.cumsum(going)[:, None] * speed / hz
    return states, states.copy()


def rows_with(robot, states, actions, faults=None):
    count = len(states)
    row_ns = robot.time_base.row_ns
    return Rows(
        np.arange(count, dtype=np.int64) * row_ns,
        states,
        actions,
        np.zeros((count, 3), np.int64),
        np.zeros((count, 3), np.int64),
        ("do it",) * count,
        tuple(faults or [""] * count),
    )


def test_a_long_stretch_without_motion_is_idle(droid):
    states, actions = moving(droid, 150, slice(50, 90))
    idle = idle_rows(droid, states, actions, **CHOICE)
    assert idle[55:85].all()
    assert not idle[:48].any()
    assert not idle[92:].any()


def test_a_short_pause_is_part_of_the_motion(droid):
    states, actions = moving(droid, 150, slice(50, 60))
    assert not idle_rows(droid, states, actions, **CHOICE).any()


def test_a_robot_that_is_told_to_move_is_not_idle(droid):
    still, told = moving(droid, 60, slice(0, 60))[0], moving(droid, 60)[1]
    assert not idle_rows(droid, still, told, **CHOICE).any()
    assert idle_rows(droid, still, still, **CHOICE).all()


def test_a_base_that_drives_is_not_idle(wheeled):
    states = np.zeros((90, 3))
    actions = np.zeros((90, 4))
    assert idle_rows(wheeled, states, actions, **CHOICE).all()
    actions[:, 3] = 0.2
    assert not idle_rows(wheeled, states, actions, **CHOICE).any()


def test_pieces_end_where_rows_are_left_out(droid):
    states, actions = moving(droid, 200, slice(80, 120))
    rows = rows_with(droid, states, actions)
    kept, cuts = pieces(droid, rows, ConversionSettings("droid"))
    assert len(kept) == 2
    assert kept[0].first == 0
    assert kept[1].behind == 200
    assert kept[0].behind < kept[1].first
    assert [cut.why for cut in cuts] == ["idle"]
    assert cuts[0].seconds == pytest.approx((kept[1].first - kept[0].behind) / 15, abs=1e-3)


def test_idle_rows_may_be_kept_and_are_listed(droid):
    states, actions = moving(droid, 200, slice(80, 120))
    settings = ConversionSettings("droid", keep_idle=True)
    kept, cuts = pieces(droid, rows_with(droid, states, actions), settings)
    assert len(kept) == 1
    assert not cuts
    assert set(range(90, 110)) <= set(kept[0].idle)


def test_a_piece_too_short_for_a_window_says_so(droid):
    states, actions = moving(droid, 100)
    faults = ["gap"] * 1 + [""] * 47 + ["gap"] + [""] * 51
    kept, cuts = pieces(
        droid, rows_with(droid, states, actions, faults), ConversionSettings("droid")
    )
    assert [(piece.first, piece.behind) for piece in kept] == [(49, 100)]
    assert [cut.why.split(":")[0] for cut in cuts] == ["gap", "too short", "gap"]


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_pieces_are_runs_of_usable_rows_and_everything_else_has_a_reason(marks):
    from dreamzero_policy.embodiments import get

    droid = get("droid")
    states, actions = moving(droid, len(marks))
    faults = ["" if good else "bad" for good in marks]
    rows = rows_with(droid, states, actions, faults)
    kept, cuts = pieces(droid, rows, ConversionSettings("droid", least_chunks=1.0))
    inside = np.zeros(len(marks), dtype=bool)
    for piece in kept:
        assert all(marks[piece.first : piece.behind])
        assert not inside[piece.first : piece.behind].any()
        inside[piece.first : piece.behind] = True
        assert len(piece) >= 24
    left_out = sum(cut.seconds for cut in cuts)
    if len(marks) > 1:
        assert left_out == pytest.approx((~inside).sum() / 15, abs=0.01 * len(marks))
    assert bool(cuts) == (not inside.all())
