"""The loop in virtual time: what gets through does the task, and time passes as it does live."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("mujoco")

from dreamzero_bringup.evaluation.told import ExpertPolicy
from dreamzero_bringup.virtual import closed_loop
from dreamzero_bringup.virtual.closed_loop import LoopSettings
from dreamzero_bringup.virtual.rig import Rig
from dreamzero_policy import embodiments
from dreamzero_policy.evaluation.policy import Answer, Hold, Paced, chunk_of, pose_of
from dreamzero_policy.types import NS_PER_S
from sim_driver.cameras import RenderingUnavailableError

ROBOT, SMALL = embodiments.get("droid"), (45, 80)


@pytest.fixture
def rig():
    made = Rig("droid", "pick_place", 1, picture_size=SMALL)
    try:
        made.scene.see()
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    yield made
    made.close()


class Watching:
    def __init__(self):
        self.stamps, self.answers = [], []

    def saw(self, stamp_ns, canvas, progress):
        assert canvas.shape == (*ROBOT.canvas_size, 3)
        self.stamps.append(stamp_ns)

    def expects(self, answer):
        self.answers.append(answer)


class Waver:
    """Moves the first joint by a given amount over every chunk."""

    description, untrained, canvases_per_frame, embodiment = "waver", False, 1, ROBOT

    def __init__(self, rows):
        self.rows, self.seen, self.told = rows, [], []

    def begin(self, started_ns, scene=None):
        outer = self

        class Attempt(Paced):
            def answer(self, observation):
                outer.seen.append(observation)
                rows = outer.rows(pose_of(ROBOT, observation.state))
                number = self.answered(observation)
                return Answer(chunk_of(ROBOT, observation, rows, started_ns, number))

            def published(self, chunk, now_ns):
                outer.told.append((chunk.observation_ns, now_ns))

        return Attempt(ROBOT)


def forward(pose):
    rows = np.tile(pose, (24, 1))
    rows[:, 0] += np.linspace(0.0, 0.2, 24)
    return rows


def test_the_expert_does_its_task_through_the_loop(rig):
    watching = Watching()
    done = closed_loop.run(rig, ExpertPolicy(ROBOT), watcher=watching)
    assert done.success, done
    assert (done.progress, done.trouble, done.refused) == (1.0, "", Counter())
    assert 3.0 < done.seconds < done.time_limit_s == 40.0
    assert set(done.held) <= {"no_chunk"}
    assert done.held.total() < 15
    assert done.instruction == rig.scene.judge.instruction
    assert np.diff(watching.stamps) == pytest.approx(ROBOT.time_base.frame_ns, abs=1)
    assert done.chunks == len(watching.answers) == len(watching.stamps)


def test_hold_does_not(rig):
    before = rig.state.copy()
    done = closed_loop.run(rig, Hold(ROBOT), LoopSettings(time_limit_s=4.0))
    assert not done.success
    assert done.progress < 0.05
    assert done.seconds == pytest.approx(4.0, abs=0.1)
    np.testing.assert_allclose(rig.state, before, atol=0.01)


def test_chunks_come_as_late_as_they_are_said_to(rig):
    policy = Waver(forward)
    closed_loop.run(rig, policy, LoopSettings(0.3, replan_frames=1, time_limit_s=3.0))
    delays = Counter(round((now - seen) / NS_PER_S, 2) for seen, now in policy.told)
    # A canvas every 0.2 s and one call at a time: those that came meanwhile were superseded, and
    # the newest of them waited for up to a tenth of a second.
    assert set(delays) <= {0.3, 0.4}, delays
    asked = [observation.newest_ns for observation in policy.seen]
    assert min(np.diff(asked)) >= 0.2 * NS_PER_S - 2
    assert len(asked) < 12
    assert [o.newest_ns - o.stamps_ns[0] for o in policy.seen][-1] > NS_PER_S
    assert all(o.prompt == rig.scene.judge.instruction for o in policy.seen)


def test_an_observation_that_waited_too_long_is_passed_over(rig):
    policy = Waver(forward)
    closed_loop.run(rig, policy, LoopSettings(0.35, replan_frames=1, time_limit_s=3.0))
    # Free again 0.15 s after a canvas, three quarters of a frame: the next one is waited for.
    assert {round((now - seen) / NS_PER_S, 2) for seen, now in policy.told} <= {0.35, 0.37}
    asked = np.diff([observation.newest_ns for observation in policy.seen])
    assert asked == pytest.approx(0.4 * NS_PER_S, abs=2)


def test_motion_is_the_chunks_inside_the_limits(rig):
    start = rig.state[0]
    done = closed_loop.run(rig, Waver(forward), LoopSettings(0.1, 8, 3.0))
    assert not done.refused
    assert 0.15 < rig.state[0] - start < 0.5
    assert done.held["no_chunk"] <= 9  # until a canvas, a call, a tick
    assert done.held.total() < 0.2 * done.ticks


def test_a_bad_chunk_is_refused_and_held_against(rig):
    def bad(pose):
        rows = forward(pose)
        rows[5, 2] = np.nan
        return rows

    start = rig.state.copy()
    done = closed_loop.run(rig, Waver(bad), LoopSettings(0.1, 8, 2.0))
    assert done.refused["non_finite"] == done.chunks >= 1
    assert done.held.total() == done.ticks
    np.testing.assert_allclose(rig.state, start, atol=0.01)


def test_what_cannot_be_run(rig):
    with pytest.raises(ValueError, match="expected a policy for droid, got one for yam"):
        closed_loop.run(rig, Hold(embodiments.get("yam")))
    with pytest.raises(ValueError, match="expected a scene with a task"):
        closed_loop.run(Rig("droid"), Hold(ROBOT))
    for values, message in (
        ((-0.1,), "latency: expected 0 to 10 s"),
        ((0.1, 0), "replan frames: expected at least 1"),
        ((0.1, 1, 0.0), "time limit: expected 0.5 to 3600"),
    ):
        with pytest.raises(ValueError, match=message):
            LoopSettings(*values)
    with pytest.raises(ValueError, match="start_ns: expected whole seconds"):
        Rig("droid", start_ns=5)
