"""Episodes of public datasets in the robot's terms: found by name or refused, never guessed."""

import json
import shutil

import h5py
import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import picture, write_recording
from dreamzero_policy.datasets.errors import DatasetError, DatasetMismatchError
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.datasets.replay_source import open_episode, parse_cameras
from dreamzero_policy.datasets.video import VideoWriter

FAST = {"camera_hz": 15.0, "joint_hz": 15.0, "command_hz": 15.0, "seconds": 2.5}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, droid):
    root = tmp_path_factory.mktemp("public")
    write_recording(root / "a", droid, **FAST)
    convert([root / "a"], root / "data", ConversionSettings("droid", least_chunks=1.0))
    return root / "data"


def edited(dataset, folder, change):
    """A copy whose info.json and modality.json were changed."""
    shutil.copytree(dataset, folder)
    info = json.loads((folder / "meta" / "info.json").read_text())
    (folder / "meta" / "modality.json").unlink()
    change(info)
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    return folder


def test_an_episode_of_ours_is_the_robots_again(dataset, droid):
    episode, data = open_episode(dataset, droid, 0), LeRobotDataset(dataset)
    table = data.table(0).to_pydict()
    np.testing.assert_allclose(episode.states, table["observation.state"])
    np.testing.assert_allclose(episode.actions, table["action"])
    assert set(episode.pictures) == {view.name for view in droid.views}
    frames = list(episode.pictures["wrist"]())
    assert len(frames) == len(episode) == len(episode.instructions)
    assert frames[0].shape == (180, 320, 3)


def test_slices_of_another_order_are_put_right(dataset, droid, tmp_path):
    """As DROID's public conversion has it: the gripper before the joints, other columns around."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "public"
    shutil.copytree(dataset, folder)
    path = next(folder.glob("data/*/*.parquet"))
    path.chmod(0o644)
    table = pq.read_table(path)
    states = np.array(table["observation.state"].to_pylist())
    packed = np.concatenate([np.zeros((len(states), 6)), states[:, 7:], states[:, :7]], axis=1)
    at = table.column_names.index("observation.state")
    table = table.set_column(at, "observation.state", pa.array(packed.tolist()))
    path.unlink()
    pq.write_table(table, path)
    gear = json.loads((folder / "meta" / "modality.json").read_text())
    gear["state"]["gripper_position"] |= {"start": 6, "end": 7}
    gear["state"]["joint_position"] |= {"start": 7, "end": 14}
    (folder / "meta" / "modality.json").write_text(json.dumps(gear))
    np.testing.assert_allclose(open_episode(folder, droid, 0).states, states)


def test_without_modality_joints_are_found_by_name_or_refused(dataset, droid, tmp_path):
    named = edited(dataset, tmp_path / "named", lambda info: None)
    np.testing.assert_allclose(
        open_episode(named, droid, 0).states, open_episode(dataset, droid, 0).states
    )

    def nameless(info):
        info["features"]["observation.state"]["names"] = None

    unknown = edited(dataset, tmp_path / "unknown", nameless)
    with pytest.raises(DatasetMismatchError, match=r"a column observation\.state with the joints"):
        open_episode(unknown, droid, 0)


def test_another_robots_dataset_is_refused(dataset):
    with pytest.raises(DatasetMismatchError, match="say --camera top=COLUMN"):
        open_episode(dataset, embodiments.get("yam"), 0)


def test_cameras_of_other_names_can_be_given(dataset, droid):
    given = parse_cameras(["wrist=observation.images.exterior_image_1_left"], droid)
    episode = open_episode(dataset, droid, 0, given)
    first = next(episode.pictures["wrist"]())
    np.testing.assert_array_equal(first, next(episode.pictures["exterior_1"]()))
    with pytest.raises(ValueError, match="view=column with a view of"):
        parse_cameras(["nose=x"], droid)


@pytest.fixture
def raw(tmp_path):
    """Two episodes in DROID's raw layout."""
    for number in range(2):
        folder = tmp_path / "success" / f"Fri_Jul__7_09:42:2{number}_2023"
        (folder / "recordings" / "MP4").mkdir(parents=True)
        with h5py.File(folder / "trajectory.h5", "w") as file:
            file["observation/robot_state/joint_positions"] = np.full((30, 7), 0.1 * number)
            file["observation/robot_state/gripper_position"] = np.linspace(0, 1, 30)
            file["action/joint_position"] = np.full((30, 7), 0.2)
            file["action/gripper_position"] = np.ones(30)
        facts = {"current_task": "put the pen in the cup"}
        for at, name in enumerate(("ext1", "ext2", "wrist")):
            facts[f"{name}_cam_serial"] = f"2400{at}"
            with VideoWriter(
                folder / "recordings" / "MP4" / f"2400{at}.mp4", (90, 160), 60
            ) as film:
                for k in range(29):  # one frame short of the rows
                    film.add(picture((90, 160), at, k / 15))
        (folder / f"metadata_{number}.json").write_text(json.dumps(facts))
    return tmp_path / "success"


def test_raw_droid_episodes_are_read(raw, droid):
    episode = open_episode(raw, droid, 1)
    assert (len(episode), episode.fps) == (29, 15.0)
    np.testing.assert_allclose(episode.states[:, :7], 0.1)
    assert episode.states[-1, 7] == pytest.approx(28 / 29)
    assert episode.actions.shape == (29, 8)
    assert episode.instructions[0] == "put the pen in the cup"
    frames = list(episode.pictures["wrist"]())
    assert len(frames) == 29
    assert np.abs(frames[20].astype(float) - picture((90, 160), 2, 20 / 15)).mean() < 6.0
    with pytest.raises(DatasetError, match="expected an episode of 0 to 1, got 5"):
        open_episode(raw, droid, 5)
    with pytest.raises(DatasetMismatchError, match="7 joints and a gripper"):
        open_episode(raw, embodiments.get("yam"), 0)


def test_what_a_raw_episode_lacks_is_named(raw, droid):
    episode = sorted(raw.iterdir())[0]
    (episode / "recordings" / "MP4" / "24002.mp4").unlink()
    with pytest.raises(DatasetError, match="video of camera wrist"):
        open_episode(raw, droid, 0)
    (episode / "trajectory.h5").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="cannot be read"):
        open_episode(raw, droid, 0)
