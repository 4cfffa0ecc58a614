"""What the policy keeps of what it is sent, and what it says of the rest."""

from types import SimpleNamespace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.messages.images import Canvas, canvas_from_message, canvas_message
from dreamzero_policy.messages.joints import Proprioception, proprioception_message
from dreamzero_policy.nodes.policy_inputs import PolicyInputs
from dreamzero_policy.observation.assemble import ObservationWindow
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.types import NS_PER_S

pytestmark = pytest.mark.ros

ROBOT = embodiments.get("droid")
GRID = Grid.of_frames(ROBOT.time_base)
FIRST = GRID.index_at(1000 * NS_PER_S)


@pytest.fixture
def kept():
    """Inputs, and what they called back."""
    made = SimpleNamespace(changes=0, rewinds=0, complaints=[])

    def changed():
        made.changes += 1

    def rewound():
        made.rewinds += 1

    made.inputs = PolicyInputs(
        ROBOT,
        ObservationWindow(ROBOT, ROBOT.time_base),
        max_age_s=0.6,
        tolerance_s=0.1,
        changed=changed,
        rewound=rewound,
        complain=made.complaints.append,
    )
    return made


def canvas(frame, size=ROBOT.canvas_size, grid=GRID):
    stamp = grid.instant(grid.index_at(1000 * NS_PER_S) + frame)
    views = dict.fromkeys((view.name for view in ROBOT.views), stamp)
    return canvas_message(Canvas(stamp, np.zeros((*size, 3), dtype=np.uint8), views))


def state(frame, names=ROBOT.state_joints):
    stamp = GRID.instant(FIRST + frame)
    pose = ROBOT.state_at_home()
    return proprioception_message(Proprioception(stamp, names, pose, np.zeros(8), {}))


def test_a_canvas_with_its_state_is_an_observation(kept):
    inputs = kept.inputs
    assert inputs.newest_canvas_ns == 0
    assert inputs.stale(GRID.instant(FIRST)) == "no canvas has come yet"
    inputs.take_canvas(canvas(0))
    assert inputs.observation("move") is None
    assert inputs.stale(GRID.instant(FIRST)) == "no proprioception has come yet"
    inputs.take_state(state(0))
    assert kept.changes == 2
    observation = inputs.observation("move")
    assert observation.newest_ns == inputs.newest_canvas_ns == GRID.instant(FIRST)
    assert inputs.stale(GRID.instant(FIRST) + 6 * 10**8) == ""
    assert "canvas is 0.60 s old, at most 0.6 s" in inputs.stale(GRID.instant(FIRST) + 600000001)


def test_inputs_of_a_clock_that_is_ahead_are_waited_out(kept):
    kept.inputs.take_canvas(canvas(0))
    kept.inputs.take_state(state(0))
    assert kept.inputs.stale(GRID.instant(FIRST) - 10**8) == ""
    assert kept.inputs.stale(GRID.instant(FIRST) - 3 * 10**8) == (
        "the newest canvas lies 0.30 s in the future, at most 0.1 s: the clocks of the two hosts "
        "differ"
    )


def test_a_compressed_canvas_may_come_decoded_or_as_what_was_wrong_with_it(kept):
    plain = canvas_from_message(canvas(0))
    kept.inputs.take_canvas(plain)
    assert kept.inputs.newest_canvas_ns == plain.stamp_ns
    kept.inputs.take_canvas(ValueError("canvas: cut short"))
    assert kept.complaints[-1] == "canvas: cut short"
    assert kept.inputs.newest_canvas_ns == plain.stamp_ns


def test_what_does_not_fit_is_said_and_left(kept):
    inputs = kept.inputs
    inputs.take_canvas(canvas(0, (4, 4)))
    assert "set camera_tiler.view_size to [176, 320]" in kept.complaints[0]
    assert inputs.stale(0) == kept.complaints[0]
    inputs.take_state(state(0, tuple(reversed(ROBOT.state_joints))))
    assert "proprioception: expected joints panda_joint1" in kept.complaints[1]
    assert kept.changes == 0


@pytest.mark.parametrize("hz", [2.5, 10.0, 3.75])
def test_canvases_at_another_rate_are_refused_and_said(kept, hz):
    inputs, grid = kept.inputs, Grid.of_frames(ROBOT.time_base, hz)
    for frame in range(12):
        inputs.take_canvas(canvas(frame, grid=grid))
        inputs.take_state(state(round(frame * 5 / hz)))
    assert "the policy takes one every 0.200 s" in kept.complaints[-1]
    assert inputs.stale(grid.instant(grid.index_at(1000 * NS_PER_S) + 11)) == kept.complaints[-1]


def test_a_clock_that_was_set_back_empties_the_window(kept):
    inputs = kept.inputs
    inputs.take_canvas(canvas(100))
    inputs.take_state(state(100))
    inputs.take_canvas(canvas(0))
    assert kept.rewinds == 1
    assert "the clock was set back by 20.0 s" in kept.complaints[0]
    assert inputs.observation("move") is None
    assert inputs.newest_canvas_ns == GRID.instant(FIRST)


def test_one_that_is_only_late_is_no_news(kept):
    inputs = kept.inputs
    inputs.take_canvas(canvas(3))
    inputs.take_canvas(canvas(2))
    assert (kept.changes, kept.rewinds, kept.complaints) == (1, 0, [])
