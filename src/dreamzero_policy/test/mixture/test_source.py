"""A dataset looked through: what is wrong with it is named, and nothing wrong is trained on."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.datasets.errors import DatasetError
from dreamzero_policy.mixture.dataset_spec import DatasetSpec
from dreamzero_policy.mixture.source import Cutting, open_source, robot_of
from dreamzero_policy.mixture.vector_statistics import merged, statistics_of, with_room
from dreamzero_policy.normalize import relative_statistics
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.start import start_of
from dreamzero_policy.training.config import TINY
from dreamzero_policy.training.material import look_through


def looked(folder, droid, **more):
    return open_source(DatasetSpec(folder, **more), droid, Cutting(most_chunks=2))


def rewrite(path, column, change):
    """Changes a column of a table."""
    table = pq.read_table(path)
    values = np.array(table[column].to_pylist())
    change(values)
    at = table.column_names.index(column)
    path.unlink()
    pq.write_table(table.set_column(at, column, pa.array(values.tolist())), path)


def test_a_whole_dataset(dataset, droid):
    source = looked(dataset, droid)
    assert not source.errors
    assert robot_of(source.spec) == "droid"
    first = source.episodes[0]
    assert first.states.shape[1:] == first.actions.shape[1:] == (8,)
    assert first.wordings(first.windows[0]) == ("open the drawer",)
    assert max(window.chunks for window in first.windows) == 2


def test_windows_go_on_behind_the_end_where_the_robot_rests_and_nowhere_else(spoiled, droid):
    def late(cutting):
        source = open_source(DatasetSpec(spoiled), droid, cutting)
        assert not source.errors
        return {
            e.index: [w.start for w in e.windows if w.last is not None] for e in source.episodes
        }

    cutting = Cutting(most_chunks=1, stride=12, rest=24)
    assert not any(late(cutting).values()), "it moves until the end"
    for name in ("observation.state", "action"):

        def stop(values):
            values[-6:] = values[-6]

        rewrite(spoiled / "data/chunk-000/episode_000000.parquet", name, stop)
    found = late(cutting)
    assert found[0]
    assert not found[1]
    assert not any(late(Cutting(most_chunks=1, stride=12)).values())


def test_second_windows_begin_at_another_row_in_every_episode(dataset, droid):
    def seconds(stride):
        source = open_source(DatasetSpec(dataset), droid, Cutting(most_chunks=1, stride=stride))
        return [[w.start for w in e.windows[1:2]] for e in source.episodes]

    starts = [start for starts in seconds(12) for start in starts]
    assert len(starts) == len(set(starts)) >= 2
    assert all(1 <= start <= 12 for start in starts)
    assert not any(seconds(2000)), "beginnings alone"


def test_statistics_are_the_dataset_s_own_or_the_same_worked_out(dataset, spoiled, droid):
    stored = statistics_of(looked(dataset, droid))
    for name in ("stats.json", "relative_stats_dreamzero.json"):
        (spoiled / "meta" / name).unlink()
    source = looked(spoiled, droid)
    for ours, theirs in zip(statistics_of(source), stored, strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_allclose(ours[key].q99, theirs[key].q99, atol=1e-5)
    joints, _ = relative_statistics(
        [e.actions[:, :7].astype(float) for e in source.episodes],
        [e.states[:, :7].astype(float) for e in source.episodes],
        24,
    )
    np.testing.assert_allclose(stored[1]["joint_position"].q01, joints.q01, atol=1e-5)


def test_statistics_of_two_datasets_are_the_widest(dataset, droid):
    one = statistics_of(looked(dataset, droid))
    wide = merged([one, one], [1, 3])
    np.testing.assert_allclose(wide[0]["joint_position"].std, one[0]["joint_position"].std)
    np.testing.assert_array_equal(wide[1]["joint_position"].q99, one[1]["joint_position"].q99)


def test_a_joint_that_only_trembled_is_given_room(dataset, droid):
    """A thousandth of its limits; one that moved, and one that never changed, stay as they are."""
    found = statistics_of(looked(dataset, droid))
    joints = found[0]["joint_position"]
    low, high = joints.q01.copy(), joints.q99.copy()
    low[1], high[1] = 0.3, 0.3 + 1e-6
    low[2] = high[2] = 0.4
    found[0]["joint_position"] = replace(joints, q01=low, q99=high)
    states, actions = with_room(found, droid)
    got, joint = states["joint_position"], droid.joint(droid.state_joints[1])
    assert got.q99[1] - got.q01[1] == pytest.approx((joint.upper - joint.lower) / 1000)
    assert got.q01[1] + got.q99[1] == pytest.approx(2 * 0.3, abs=1e-5)
    others = [0, *range(2, 7)]
    np.testing.assert_array_equal(got.q01[others], low[others])
    np.testing.assert_array_equal(got.q99[others], high[others])
    for name, untouched in found[1].items():
        np.testing.assert_array_equal(actions[name].q99, untouched.q99)


def test_statistics_of_other_rows_are_refused(spoiled, droid):
    path = spoiled / "meta" / "stats.json"
    stats = json.loads(path.read_text())
    for name in ("min", "max", "q01", "q99"):
        stats["action"][name] = [value * 0.1 for value in stats["action"][name]]
    path.write_text(json.dumps(stats))
    with pytest.raises(DatasetError, match="does not belong to these rows: action panda_joint"):
        statistics_of(looked(spoiled, droid))


def test_everything_that_is_wrong_is_named_at_once(spoiled, droid):
    tables = sorted(spoiled.glob("data/*/*.parquet"))

    def no_number(values):
        values[7, 3] = np.nan

    rewrite(tables[0], "action", no_number)
    missing = next(spoiled.glob("videos/*/*wrist*/episode_000001.mp4"))
    missing.unlink()
    with pytest.raises(TrainingError) as caught:
        look_through(
            [DatasetSpec(spoiled)], [droid], start_of("random:tiny"), TINY, lambda *_: None
        )
    text = str(caught.value)
    assert "episode 0" in text
    assert "expected finite values, got nan of panda_joint4 in row 7" in text
    assert f"{missing}: expected the video of episode 1, got no file" in text


def test_a_cut_off_video_and_another_rate_are_refused(spoiled, droid):
    video = next(spoiled.glob("videos/*/*wrist*/episode_000000.mp4"))
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    info = json.loads((spoiled / "meta" / "info.json").read_text())
    (spoiled / "meta" / "info.json").write_text(json.dumps(info | {"fps": 30}))
    errors = looked(spoiled, droid).errors
    assert any("expected 15 rows per second" in error for error in errors)
    assert any(str(video) in error for error in errors)


def test_episodes_shorter_than_a_window_are_noted_or_refused(dataset, spoiled, droid):
    longer = open_source(DatasetSpec(dataset), droid, Cutting(most_chunks=1))
    assert not longer.notes
    slow = embodiments.get("agibot_g1").time_base
    for path in spoiled.glob("data/*/*.parquet"):
        table = pq.read_table(path)
        path.unlink()
        pq.write_table(table.slice(0, 20), path)
    entries = (spoiled / "meta" / "episodes.jsonl").read_text().splitlines()
    cut = [json.dumps(json.loads(line) | {"length": 20}) for line in entries]
    (spoiled / "meta" / "episodes.jsonl").write_text("\n".join(cut))
    (error,) = looked(spoiled, droid).errors
    assert "expected episodes of at least 25 rows" in error
    assert "the longest has 20 rows" in error
    assert slow.rows_per_chunk == 48


def test_another_robot_s_dataset_is_refused(dataset):
    with pytest.raises(TrainingError, match="expected a video"):
        look_through(
            [DatasetSpec(dataset)], [embodiments.get("yam")], start_of("random:tiny"), TINY,
            lambda *_: None,
        )  # fmt: skip


def test_video_alone_needs_no_joints(spoiled, droid):
    for path in spoiled.glob("data/*/*.parquet"):
        table = pq.read_table(path).drop_columns(["action", "observation.state"])
        path.unlink()
        pq.write_table(table, path)
    source = looked(spoiled, droid, actions=False)
    assert not source.errors
    assert source.episodes[0].actions is None
    assert looked(spoiled, droid).errors


@pytest.mark.parametrize("text", ["", "data,robot=", "data,weight=x", "data,weight=0", "a,b"])
def test_a_dataset_that_is_named_wrongly(text):
    with pytest.raises(TrainingError):
        DatasetSpec.parse(text)


def test_a_dataset_by_name():
    spec = DatasetSpec.parse("out/people,robot=human,weight=0.5,video-only")
    assert (str(spec.path), spec.robot, spec.weight, spec.actions) == (
        *("out/people", "human", 0.5, False),
    )
