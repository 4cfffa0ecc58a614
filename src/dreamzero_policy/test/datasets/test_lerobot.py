"""What is written, read by a reader of its own that shares no code with the writer."""

import json

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.piece_files import native_pictures
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.synthetic import START_NS, write_recording
from dreamzero_policy.datasets.check import problems
from dreamzero_policy.datasets.errors import DatasetError, NotADatasetError
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.normalize import ModelVectors, Statistics, relative_statistics


class Reader:
    """LeRobot v2.1 with the reference's metadata, from nothing but the format's description."""

    def __init__(self, root):
        self.root = root
        self.info = self.json("info.json")
        self.modality = self.json("modality.json")
        self.tasks = {one["task_index"]: one["task"] for one in self.lines("tasks.jsonl")}
        self.episodes = self.lines("episodes.jsonl")

    def json(self, name):
        return json.loads((self.root / "meta" / name).read_text())

    def lines(self, name):
        text = (self.root / "meta" / name).read_text()
        return [json.loads(line) for line in text.splitlines()]

    def path(self, what, index, key=""):
        chunk = index // self.info["chunks_size"]
        names = {"episode_chunk": chunk, "episode_index": index, "video_key": key}
        return self.root / self.info[what].format(**names)

    def table(self, index):
        return pq.read_table(self.path("data_path", index)).to_pydict()

    def vectors(self, index, modality, order):
        table, parts = self.table(index), []
        for key in order:
            entry = self.modality[modality][key]
            column = np.array(table[entry["original_key"]])
            parts.append(column[:, entry["start"] : entry["end"]])
        return np.concatenate(parts, axis=1)

    def frames(self, index, key):
        column = self.modality["video"][key]["original_key"]
        with av.open(str(self.path("video_path", index, column))) as file:
            return [
                (frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)
            ]


@pytest.fixture(scope="module", params=embodiments.names())
def made(request, tmp_path_factory):
    """A robot, its recordings, and the dataset v2.1 made from them."""
    robot, root = embodiments.get(request.param), tmp_path_factory.mktemp(request.param)
    hz = float(robot.time_base.control_hz)
    fast = {"camera_hz": hz / 2, "joint_hz": hz, "command_hz": hz, "seconds": 3.0}
    said = ((0.0, "open it"), (1.0, "close it"))
    write_recording(root / "bags" / "a", robot, **fast, instructions=said)
    write_recording(root / "bags" / "b", robot, **{**fast, "seconds": 2.5}, jpeg=True)
    settings = ConversionSettings(robot.name, least_chunks=1.0)
    outcome = convert([root / "bags"], root / "v2", settings)
    assert outcome.episodes == 2, [part.rejected for part in outcome.parts]
    return robot, root, settings


def test_rows_and_frames_are_those_of_the_recording(made):
    robot, root, settings = made
    reader = Reader(root / "v2")
    for index, name in enumerate(("a", "b")):
        with Episode(root / "bags" / name) as episode:
            rows = resample(episode, settings)
            pictures = list(native_pictures(episode, robot, rows, slice(0, len(rows))))
        assert reader.episodes[index]["length"] == len(rows)
        table = reader.table(index)
        order = [key.name for key in robot.state_keys]
        np.testing.assert_allclose(reader.vectors(index, "state", order), rows.states, atol=1e-6)
        order = [key.name for key in robot.action_keys]
        np.testing.assert_allclose(reader.vectors(index, "action", order), rows.actions, atol=1e-6)
        # Times of rows and of frames are those of the grid, to a millisecond.
        since = (rows.instants_ns - rows.instants_ns[0]) / 1e9
        np.testing.assert_allclose(table["timestamp"], since, atol=1e-3)
        assert table["stamp_ns"] == rows.instants_ns.tolist()
        assert table["stamp_ns"][0] >= START_NS
        for key in robot.language_keys:
            column = table[reader.modality["annotation"][key]["original_key"]]
            assert tuple(reader.tasks[at] for at in column) == rows.instructions
        for view in robot.views:
            frames = reader.frames(index, view.key)
            assert len(frames) == len(rows)
            np.testing.assert_allclose([time for time, _ in frames], since, atol=1e-3)
            for row in range(0, len(rows), 20):
                error = frames[row][1].astype(float) - pictures[row][view.name]
                assert np.abs(error).mean() < 5.0
                assert frames[row][1].shape == (*robot.native_size, 3)


def test_statistics_are_those_of_all_rows_at_once(made):
    robot, root, _ = made
    reader = Reader(root / "v2")
    stats = reader.json("stats.json")
    for modality, order in (
        ("state", [key.name for key in robot.state_keys]),
        ("action", [key.name for key in robot.action_keys]),
    ):
        every = np.concatenate([reader.vectors(n, modality, order) for n in range(2)])
        direct = Statistics.of(every.astype(np.float64))
        column = {"state": "observation.state", "action": "action"}[modality]
        for name in ("q01", "q99", "min", "max", "mean", "std"):
            np.testing.assert_allclose(stats[column][name], getattr(direct, name), atol=1e-6)
    relative, per_row = (
        reader.json(f"relative_{what}stats_dreamzero.json") for what in ("", "horizon_")
    )
    wanted = [key.name for key in robot.action_keys if key.relative]
    assert sorted(relative) == sorted(wanted) == sorted(per_row)
    for key in wanted:
        actions = [reader.vectors(n, "action", [key]).astype(np.float64) for n in range(2)]
        states = [reader.vectors(n, "state", [key]).astype(np.float64) for n in range(2)]
        horizon = robot.time_base.rows_per_chunk
        pooled, rows = relative_statistics(actions, states, horizon)
        for name in ("q01", "q99", "min", "max", "mean", "std"):
            np.testing.assert_allclose(relative[key][name], getattr(pooled, name), atol=1e-6)
            np.testing.assert_allclose(per_row[key][name], getattr(rows, name), atol=1e-6)


def test_metadata_is_what_a_checkpoint_normalises_with(made):
    robot, root, _ = made
    reader = Reader(root / "v2")
    stats, relative = reader.json("stats.json"), reader.json("relative_stats_dreamzero.json")

    def of(modality, key):
        if modality == "action" and key in relative:
            return Statistics.from_mapping(key, relative[key])
        entry = reader.modality[modality][key]
        column = stats[entry["original_key"]]
        return Statistics.from_mapping(
            key, {name: values[entry["start"] : entry["end"]] for name, values in column.items()}
        )

    vectors = ModelVectors(
        robot,
        {key.name: of("state", key.name) for key in robot.state_keys},
        {key.name: of("action", key.name) for key in robot.action_keys},
    )
    state = reader.vectors(0, "state", [key.name for key in robot.state_keys])[0]
    assert np.abs(vectors.state(state)).max() <= 1.0
    facts = reader.json("embodiment.json")
    assert facts["embodiment_tag"] == robot.tag
    assert facts["frame_stride"] * facts["frames_per_chunk"] == facts["actions_per_chunk"]
    assert [view.key for view in robot.views] == list(reader.modality["video"])


def test_v3_has_the_same_rows_and_frames(made):
    robot, root, _ = made
    settings = ConversionSettings(robot.name, least_chunks=1.0, format="v3.0")
    convert([root / "bags"], root / "v3", settings)
    two, three = LeRobotDataset(root / "v2"), LeRobotDataset(root / "v3")
    assert three.version == 3
    for entry in two.episodes:
        assert three.episode(entry.index).length == entry.length
        assert three.table(entry.index).to_pydict() == two.table(entry.index).to_pydict()
        assert three.instructions(entry.index) == two.instructions(entry.index)
        for key in two.video_keys:
            pairs = zip(
                three.pictures(entry.index, key), two.pictures(entry.index, key), strict=True
            )
            for got, expected in pairs:
                np.testing.assert_array_equal(got, expected)
    assert not problems(root / "v3", robot)


def test_a_damaged_dataset_is_named(made, tmp_path):
    import shutil

    _, root, _ = made
    folder = tmp_path / "damaged"
    shutil.copytree(root / "v2", folder)
    lines = (folder / "meta" / "episodes.jsonl").read_text().replace('"length": ', '"length": 1')
    (folder / "meta" / "episodes.jsonl").write_text(lines)
    with pytest.raises(DatasetError, match="rows of episode 0"):
        LeRobotDataset(folder).table(0)
    with pytest.raises(DatasetError, match="expected an episode of 0 to 1, got 7"):
        LeRobotDataset(folder).episode(7)
    (folder / "meta" / "info.json").write_text("{}")
    with pytest.raises(NotADatasetError, match="expected a LeRobot dataset"):
        LeRobotDataset(folder)
    with pytest.raises(NotADatasetError):
        LeRobotDataset(tmp_path)
