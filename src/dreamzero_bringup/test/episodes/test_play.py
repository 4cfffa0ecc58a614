"""A policy is shown what it would have been shown live: consecutive canvases, no gap bridged."""

import numpy as np

from dreamzero_bringup.episodes.play import observations
from dreamzero_policy import embodiments
from dreamzero_policy.conversion.part_picture import canvas_at
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.synthetic import write_recording
from dreamzero_policy.types import NS_PER_S


def lost(topic, at_ns, values):
    gone = topic.startswith("wrist") and 1.5 * NS_PER_S < at_ns < 2.5 * NS_PER_S
    return None if gone else values


def test_windows_grow_and_begin_anew_behind_a_gap(tmp_path):
    robot = embodiments.get("droid")
    few = {"camera_hz": 15.0, "joint_hz": 50.0, "command_hz": 15.0, "jpeg": True}
    folder = write_recording(tmp_path / "droid_1", robot, seconds=4.0, change=lost, **few)
    with Episode(folder) as episode:
        rows = resample(episode, ConversionSettings(robot="droid"))
        seen = list(observations(episode, rows, robot, robot.time_base))
        lengths = [len(one.canvases) for one in seen]
        anew = lengths.index(1, 1)
        assert lengths == [*range(1, anew + 1), *range(1, len(lengths) - anew + 1)]
        assert seen[anew].newest_ns - seen[anew - 1].newest_ns > 0.9 * NS_PER_S
        for one in (seen[0], seen[-1]):
            row = int(np.flatnonzero(rows.instants_ns == one.newest_ns)[0])
            assert (one.canvases[-1] == canvas_at(episode, robot, rows, row)).all()
            assert (one.state == rows.states[row]).all()
            assert one.prompt == "pick up the red block"
