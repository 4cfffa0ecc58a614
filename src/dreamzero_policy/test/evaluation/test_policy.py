"""When policies are asked, and what hold says."""

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.evaluation.policy import Hold, Paced, pose_of
from dreamzero_policy.types import Observation


def at(robot, frame):
    example = robot.example()
    stamp = example.stamps_ns + frame * robot.time_base.frame_ns
    return Observation(example.canvases, stamp, example.state, example.prompt)


@pytest.mark.parametrize(("every", "due"), [(1, [0, 1, 2, 3]), (3, [0, 3, 6, 9]), (99, [0, 8, 16])])
def test_a_beat(every, due):
    robot, paced = embodiments.get("droid"), None
    paced, asked = Paced(robot), []
    for frame in range(max(due) + 1):
        if paced.due(at(robot, frame), every):
            paced.answered(at(robot, frame))
            asked.append(frame)
    assert asked == due


@pytest.mark.parametrize("name", embodiments.names())
def test_hold_stays_at_the_measured_pose(name):
    robot = embodiments.get(name)
    observation = robot.example()
    attempt = Hold(robot).begin(5)
    chunk = attempt.answer(observation).chunk
    assert chunk.start_ns == chunk.observation_ns == observation.newest_ns
    assert (chunk.session, chunk.sequence) == (5, 0)
    assert chunk.horizon == robot.time_base.rows_per_chunk
    for joint, column in zip(robot.joints, chunk.rows.T, strict=True):
        if joint.kind == "base":
            assert (column == 0).all()
        else:
            assert (column == observation.state[robot.state_joints.index(joint.name)]).all()
    np.testing.assert_array_equal(pose_of(robot, observation.state), chunk.rows[0])
