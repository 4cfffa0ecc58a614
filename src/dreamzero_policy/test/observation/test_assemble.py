import numpy as np
import pytest

from dreamzero_policy.embodiments import get
from dreamzero_policy.observation.assemble import ObservationWindow

DROID = get("droid")
BASE = DROID.time_base
STEP = BASE.frame_ns
START = 8_925_000_000 * STEP  # a grid instant of about today


def canvas(level):
    return np.full((*DROID.canvas_size, 3), level, np.uint8)


def window(steps, states=None, frames=None):
    """A window with canvases at ``steps`` (frame intervals after START), each with its level."""
    out = ObservationWindow(DROID, BASE, frames)
    for step in steps:
        assert out.add_canvas(START + step * STEP, canvas(step))
    for step in steps if states is None else states:
        assert out.add_state(START + step * STEP, np.full(8, float(step)))
    return out


def steps_of(observation):
    return ((observation.stamps_ns - START) // STEP).tolist()


def test_frames_are_in_order_with_the_state_of_the_newest():
    observation = window(range(9)).observation("pick")
    assert steps_of(observation) == list(range(9))
    assert observation.canvases[:, 0, 0, 0].tolist() == list(range(9))
    assert observation.state.tolist() == [8.0] * 8
    assert observation.prompt == "pick"
    assert np.diff(observation.stamps_ns).tolist() == [STEP] * 8


def test_one_canvas_with_its_state_is_enough():
    assert steps_of(window([0]).observation("x")) == [0]


def test_there_is_no_observation_without_a_state_at_a_canvas():
    assert window([0, 1], states=[]).observation("x") is None
    assert window([], states=[3]).observation("x") is None
    assert window([0, 1], states=[5]).observation("x") is None


def test_it_ends_at_the_newest_canvas_that_has_a_state():
    assert steps_of(window(range(6), states=[2, 3]).observation("x")) == [0, 1, 2, 3]


def test_a_gap_starts_a_new_run():
    assert steps_of(window([0, 1, 2, 4, 5]).observation("x")) == [4, 5]


def test_the_oldest_frames_leave():
    assert steps_of(window(range(40)).observation("x")) == list(range(23, 40))
    assert steps_of(window(range(40), frames=9).observation("x")) == list(range(31, 40))
    with pytest.raises(ValueError, match="expected at least 9 frames, got 8"):
        ObservationWindow(DROID, BASE, frames=8)


def test_what_is_not_newer_is_not_taken():
    out = window([3])
    assert not out.add_canvas(START + 3 * STEP, canvas(9))
    assert not out.add_canvas(START + 2 * STEP, canvas(9))
    assert not out.add_state(START + 3 * STEP, np.zeros(8))
    assert out.observation("x").canvases[0, 0, 0, 0] == 3


def test_a_clock_that_was_set_back_empties_the_window():
    out = window(range(20, 30))
    assert out.add_canvas(START, canvas(1))
    assert out.observation("x") is None
    assert out.add_state(START, np.zeros(8))
    assert steps_of(out.observation("x")) == [0]


def test_it_can_be_emptied():
    out = window([3])
    out.clear()
    assert out.observation("x") is None
    assert out.add_canvas(START, canvas(1))
    assert out.add_state(START, np.zeros(8))
    assert steps_of(out.observation("x")) == [0]


def test_states_between_canvas_instants_are_not_kept():
    """The 30 Hz proprioception has six states per canvas; only one of them is at its instant."""
    out = window([0], states=[])
    taken = [out.add_state(START + round(k * 1e9 / 30), np.zeros(8)) for k in range(7)]
    assert taken == [True, False, False, False, False, False, True]


def test_an_observation_does_not_change_later():
    out = window([0])
    first = out.observation("x")
    out.add_canvas(START + STEP, canvas(77))
    out.add_state(START + STEP, np.ones(8))
    assert steps_of(first) == [0]
    assert not first.canvases.any()


@pytest.mark.parametrize(
    ("stamp", "image", "message"),
    [
        (START, np.zeros((352, 320, 3), np.uint8), r"expected uint8 \[352, 640, 3\]"),
        (START, np.zeros((352, 640, 3), np.float32), "got float32"),
        (START + 1, canvas(0), "expected an instant of the checkpoint's 5 Hz"),
    ],
)
def test_a_canvas_that_does_not_fit_is_refused(stamp, image, message):
    with pytest.raises(ValueError, match=message):
        ObservationWindow(DROID, BASE).add_canvas(stamp, image)


@pytest.mark.parametrize("positions", [np.zeros(7), np.full(8, np.nan)])
def test_a_state_that_does_not_fit_is_refused(positions):
    with pytest.raises(ValueError, match="state: expected 8 finite positions"):
        ObservationWindow(DROID, BASE).add_state(START, positions)


def test_canvases_may_come_more_often_than_frames():
    out = ObservationWindow(DROID, BASE, per_frame=4)
    stamps = [START + i * (STEP // 4) for i in range(80)]
    for stamp in stamps:
        assert out.add_canvas(stamp, canvas(0))
    assert out.add_state(stamps[-1], np.zeros(8))
    assert out.observation("x").stamps_ns.tolist() == stamps[-65:]
    with pytest.raises(ValueError, match="the checkpoint's 20 Hz"):
        out.add_canvas(stamps[-1] + 10_000_000, canvas(0))
    # One that is lost leaves the rest: whether it is needed depends on the call.
    out = ObservationWindow(DROID, BASE, per_frame=4)
    kept = [*stamps[5:8], *stamps[9:12]]
    for stamp in (*stamps[:1], *kept):  # 1 to 4 are lost, more than a frame, and 8
        out.add_canvas(stamp, canvas(0))
    out.add_state(stamps[11], np.zeros(8))
    assert out.observation("x").stamps_ns.tolist() == kept
    with pytest.raises(ValueError, match="at least 1 canvas per frame"):
        ObservationWindow(DROID, BASE, per_frame=0)
