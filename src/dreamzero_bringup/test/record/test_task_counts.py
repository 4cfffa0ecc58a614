"""What a crew saves is on the task sheets, once, and what cannot be is said."""

import pytest

pytest.importorskip("dreamzero_msgs.msg")

from types import SimpleNamespace

from dreamzero_msgs.action import RecordEpisode

from dreamzero_bringup.record.session import _Ends
from dreamzero_bringup.record.task_counts import TaskCounts
from dreamzero_policy import embodiments
from dreamzero_policy.data.synthetic import write_recording
from dreamzero_policy.tasks import catalogue
from dreamzero_policy.tasks.store import open_store


@pytest.fixture
def db(tmp_path):
    with open_store(tmp_path / "tasks.db", create=True, station="s") as store:
        catalogue.add_task(store, "Kitchen", "Wipe", 1)
        catalogue.change_setting(store, "retire_after", "2")
    return tmp_path / "tasks.db"


def episode(folder, task):
    small = {"seconds": 0.5, "camera_hz": 2.0, "joint_hz": 20.0, "command_hz": 10.0}
    return write_recording(folder, embodiments.get("droid"), **small, facts={"task": task})


def test_every_kept_episode_is_counted_once_and_no_discarded_one(db, tmp_path):
    tasks, said = TaskCounts(db, ["K01"]), []
    assert (tasks.text, tasks.problem) == ("Kitchen: Wipe", "")
    client = SimpleNamespace(ended=None, started=True)
    ends = _Ends(client, said.append, tasks)
    result = RecordEpisode.Result
    for number, outcome in enumerate((result.SAVED, result.DISCARDED, result.STOPPED)):
        folder = episode(tmp_path / f"droid_{number}", tasks.text)
        client.ended = result(outcome=outcome, folder=str(folder), message="why")
        ends.tell()
        ends.tell()
    ends.wait()
    assert said == [
        "counted: K01 1 of 2",
        "the episode ended by itself: why",
        "counted: K01 2 of 2, K01 has its 2 episodes and retires",
    ]


def test_a_name_that_is_no_task_is_written_down_and_not_counted(db, tmp_path):
    tasks = TaskCounts(db, ["stack", "blocks"])
    assert tasks.text == "stack | blocks"
    assert "no task 'stack'" in tasks.problem
    assert tasks.saved(tmp_path) == ""
    assert "dreamzero tasks init" in TaskCounts(tmp_path / "none.db", ["K01"]).problem
    assert TaskCounts(tmp_path / "none.db", []).problem == ""


def test_a_count_that_fails_is_said_and_ends_nothing(db, tmp_path):
    said = TaskCounts(db, ["K01"]).saved(tmp_path / "gone")
    assert said.startswith("not counted: ")
    assert "dreamzero episodes count" in said
