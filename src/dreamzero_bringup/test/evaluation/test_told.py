"""Recorded actions, played where they were recorded, do the task again."""

import pytest

pytest.importorskip("dreamzero_msgs.msg")
pytest.importorskip("mujoco")

from dreamzero_bringup.evaluation.told import ExpertPolicy, RecordedPolicy
from dreamzero_bringup.virtual import closed_loop
from dreamzero_bringup.virtual.closed_loop import LoopSettings
from dreamzero_bringup.virtual.demonstrations import Wanted, demonstrate
from dreamzero_bringup.virtual.rig import Rig
from dreamzero_policy import embodiments
from sim_driver.cameras import RenderingUnavailableError

ROBOT, SMALL = embodiments.get("droid"), (45, 80)


def test_a_recording_is_played_in_its_own_scene(tmp_path):
    wanted = Wanted("droid", ("pick_place",), seed=3, picture_size=SMALL, camera_hz=5)
    try:
        demonstrate(wanted, 1, tmp_path / "demos", workers=1, tell=lambda *_: None)
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    policy = RecordedPolicy(tmp_path / "demos", ROBOT)
    from sim_driver import tasks
    from sim_driver.models import robots
    from sim_driver.tasks.split import first_scenes

    task = tasks.get("pick_place", robots.get("droid"))
    scene = first_scenes(robots.get("droid"), task, "seen", 3, 1)[0]
    rig = Rig("droid", "pick_place", scene.seed, scene.choice, picture_size=SMALL)
    done = closed_loop.run(rig, policy, LoopSettings(0.1, replan_frames=3, time_limit_s=20.0))
    rig.close()
    assert done.success, done
    other = Rig("droid", "pick_place", 999, picture_size=SMALL)
    with pytest.raises(ValueError, match="expected a recording of pick_place, seed 999"):
        closed_loop.run(other, policy)
    other.close()


def test_what_needs_a_scene_says_so(tmp_path):
    with pytest.raises(ValueError, match="the expert needs a simulated scene"):
        ExpertPolicy(ROBOT).begin(0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected recordings of droid in simulated scenes"):
        RecordedPolicy(tmp_path / "empty", ROBOT)
