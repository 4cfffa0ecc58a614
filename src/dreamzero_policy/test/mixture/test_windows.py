"""Windows against the reference's, as its sampling was observed, and what is better in ours."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.mixture.windows import Window, windows

BASE = TimeBase(15, 3, 24)


def of_length(rows, **more):
    return windows(np.zeros(rows, int), BASE, 4, **more)


@pytest.mark.parametrize(("rows", "bases", "three"), [(300, 277, 2), (100, 77, 61)])
def test_bases_and_lengths_are_the_reference_s(rows, bases, three):
    found = Counter()
    for window in of_length(rows):
        found[window.chunks] += window.bases
    assert sum(found.values()) == bases
    assert found[3] == three


def test_rows_of_an_interior_base():
    (window,) = (one for one in of_length(300) if one.start == 52)
    assert window.rows(BASE)[:, 0].tolist() == [52, 76, 100, 124]
    frames = window.frame_rows(BASE)
    assert len(frames) == 33
    assert (frames[0], frames[1], frames[-1]) == (52, 55, 148)
    assert window.rows(BASE).ravel().tolist() == list(range(52, 148))
    assert window.rows(BASE).shape == (4, 24)


@pytest.mark.parametrize(("rows", "count"), [(0, 0), (23, 0), (24, 0), (25, 1), (47, 23)])
def test_short_episodes_have_few_windows_or_none(rows, count):
    """The reference's loader fails on 24 to 47 rows."""
    assert len(of_length(rows)) == count
    assert all(window.start + 24 < rows for window in of_length(rows))


def test_no_chunk_crosses_a_change_of_instruction():
    labels = np.repeat([0, 1], 60)
    for window in windows(labels, BASE, 4):
        assert len(set(labels[window.rows(BASE)].flat)) == 1


def test_stride_and_rows_that_are_left_out():
    assert {w.start % 6 for w in of_length(200, stride=6)} == {0}
    every = sum(w.bases for w in of_length(60))
    assert sum(w.bases for w in of_length(60, excluded=range(10))) == every - 10
    idle = range(100)
    assert len(of_length(200, idle=idle)) > len(of_length(200, idle=idle, most_idle=0.2)) > 0


def test_with_a_stride_every_instruction_is_heard_at_its_first_row_even_by_a_robot_that_rests():
    labels = np.repeat([0, 1], 61)
    found = windows(labels, BASE, 1, stride=24, excluded=range(58, 66))
    assert [w.start for w in found] == [0, 24, 61, 85]
    rested = windows(labels, BASE, 1, excluded=range(58, 66))
    assert 61 not in {w.start for w in rested}  # as the reference


def test_with_a_stride_windows_begin_everywhere():
    found = [(w.start, w.chunks) for w in windows(np.zeros(61, int), BASE, 2, stride=12)]
    assert found == [(0, 2), (12, 2), (24, 1), (36, 1)]
    assert max(w.start for w in windows(np.zeros(61, int), BASE, 2)) == 23  # as the reference


@given(stride=st.integers(2, 40), offset=st.integers(1, 40), rows=st.integers(1, 90))
def test_the_second_base_may_lie_anywhere_in_the_first_stride(stride, offset, rows):
    labels, offset = np.repeat([0, 1], rows), min(offset, stride)
    found = {w.start for w in windows(labels, BASE, 1, stride=stride, offset=offset)}
    bases = [0, *range(offset, rows, stride)]
    last = 2 * rows - BASE.rows_per_chunk - 1  # the frame that closes a window is there
    assert found == {
        first + base
        for first in (0, rows)
        for base in bases
        if base + BASE.rows_per_chunk <= rows and first + base <= last
    }


def test_a_window_may_go_on_behind_the_end_of_an_instruction_where_the_robot_rests():
    labels = np.repeat([0, 1], [61, 30])
    found = windows(labels, BASE, 1, stride=24, rest=20)
    starts = [(0, None), (24, None), (48, 60), (61, None), (85, 90)]
    assert [(w.start, w.last) for w in found] == starts
    over = found[2]
    assert over.rows(BASE)[0].tolist() == [*range(48, 61), *[60] * 11]
    assert over.frame_rows(BASE).tolist() == [48, 51, 54, 57, 60, 60, 60, 60, 60]
    assert {labels[w.rows(BASE)].max() - labels[w.rows(BASE)].min() for w in found} == {0}
    none = windows(labels, BASE, 1, stride=24)
    assert [w for w in found if w.last is None] == none


@pytest.mark.parametrize(("rows", "last"), [(24, 23), (25, None), (12, 11), (5, 4)])
def test_what_is_shorter_than_a_chunk_has_a_window_if_it_may_rest(rows, last):
    (window,) = windows(np.zeros(rows, int), BASE, 1, stride=60, rest=20)
    assert (window.start, window.last) == (0, last)
    assert window.frame_rows(BASE).max() < rows or last is None


def test_the_same_window_from_several_bases_stands_once():
    found = of_length(120)
    assert len({(w.start, w.chunks) for w in found}) == len(found)
    assert found[0] == Window(0, 4, 3)  # bases 0, 24 and 48
