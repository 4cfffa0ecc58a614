"""Canvases at another rate than the policy's are told from canvases that are lost."""

import pytest

from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.observation.canvas_rate import CanvasRate
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.types import NS_PER_S

START = 1000 * NS_PER_S


def watched(hz, time_base, frames=20, lost=()):
    """A watch that has seen canvases of a grid."""
    grid, watch = Grid.of_frames(time_base, hz), CanvasRate(Grid.of_frames(time_base).hz)
    first = grid.index_at(START)
    for frame in range(frames):
        if frame not in lost:
            watch.note(grid.instant(first + frame))
    return watch


@pytest.mark.parametrize("base", [TimeBase(15, 3, 24), TimeBase(20, 3, 24), TimeBase(30, 6, 48)])
def test_the_checkpoint_s_rate_is_no_problem(base):
    for lost in ((), {3, 4, 5, 9, 10}, set(range(1, 20, 3))):
        assert watched(0.0, base, lost=lost).problem == ""
    assert watched(round(base.frame_hz, 2), base).problem == ""  # 6.67 for 20 / 3


@pytest.mark.parametrize(
    ("hz", "frames", "said"),
    [
        (10.0, 3, "every 0.100 s, the policy takes one every 0.200 s"),
        (2.5, 9, "every 0.400 s"),
        (3.75, 9, "every 0.267 s"),
        (6.0, 3, "every 0.167 s"),
    ],
)
def test_another_rate_is_said_with_what_to_set(hz, frames, said):
    problem = watched(hz, TimeBase(15, 3, 24), frames).problem
    assert said in problem
    assert "set camera_tiler.frame_hz (and proprioception.frame_hz) to 5 where they run" in problem
    assert ("withholds" in problem) == (hz < 5)


def test_few_long_gaps_are_losses():
    assert watched(2.5, TimeBase(15, 3, 24), frames=8).problem == ""


def test_the_right_rate_is_seen_again():
    base = TimeBase(15, 3, 24)
    watch, grid = watched(10.0, base), Grid.of_frames(base)
    first = grid.index_at(START + 10 * NS_PER_S)
    for frame in range(12):
        watch.note(grid.instant(first + frame))
    assert watch.problem == ""


def test_a_clock_that_was_set_back_begins_anew():
    watch = watched(10.0, TimeBase(15, 3, 24))
    watch.note(START - 50 * NS_PER_S)
    assert watch.problem == ""
