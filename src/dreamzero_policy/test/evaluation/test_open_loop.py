"""Scores on a dataset that the project's own converter made of a synthetic recording."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import write_recording
from dreamzero_policy.datasets.errors import DatasetError, DatasetMismatchError
from dreamzero_policy.datasets.replay_source import open_episode
from dreamzero_policy.evaluation import open_loop
from dreamzero_policy.evaluation.film import Film
from dreamzero_policy.evaluation.model_policy import ModelPolicy
from dreamzero_policy.evaluation.open_loop import Scores, psnr, score
from dreamzero_policy.evaluation.policy import Answer, Hold, Paced, chunk_of, pose_of

ROBOT = embodiments.get("droid")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open_loop")
    fast = {"camera_hz": 15.0, "joint_hz": 30.0, "jpeg": True}
    write_recording(folder / "bags" / "droid_0", ROBOT, seconds=5.0, **fast)
    convert([folder / "bags"], folder / "dataset", ConversionSettings(robot="droid"))
    return folder / "dataset"


class Scripted:
    """Says what a function of (attempt's canvas number, observation) gives."""

    description, untrained, canvases_per_frame, embodiment = "scripted", False, 1, ROBOT

    def __init__(self, rows, predicted=None):
        self.rows, self.predicted, self.asked = rows, predicted, []

    def begin(self, started_ns, scene=None):
        outer = self

        class Attempt(Paced):
            def answer(self, observation):
                number = self.answered(observation)
                outer.asked.append(observation)
                chunk = chunk_of(ROBOT, observation, outer.rows(number, observation), 1, number)
                predicted = outer.predicted
                return Answer(
                    chunk, (lambda: predicted(observation)) if predicted else lambda: None
                )

        return Attempt(ROBOT)


def test_it_is_asked_at_every_boundary_with_the_true_frames(dataset):
    episode = open_episode(dataset, ROBOT, 0)
    horizon = ROBOT.time_base.rows_per_chunk
    padded = np.concatenate([episode.actions, np.zeros((horizon, 8))])
    policy = Scripted(lambda n, _: padded[n * horizon : (n + 1) * horizon])
    found = score(policy, dataset, 0)
    boundaries = range(0, len(episode), horizon)
    assert found.chunks == len(policy.asked) == len(boundaries) >= 3
    for row, observation in zip(boundaries, policy.asked, strict=True):
        np.testing.assert_array_equal(observation.state, episode.states[row])
        frames = min(17, 1 + row // ROBOT.time_base.frame_stride)
        assert len(observation.canvases) == frames
        assert np.diff(observation.stamps_ns) == pytest.approx(ROBOT.time_base.frame_ns, abs=1)
    # What was recorded is what is right, at every row that there is.
    np.testing.assert_allclose(found.overall("policy"), 0.0, atol=1e-12)
    left = len(episode) - boundaries[-1]
    counts = [len(boundaries)] * left + [len(boundaries) - 1] * (horizon - left)
    np.testing.assert_array_equal(found.counts["policy"][0], counts)


@pytest.mark.parametrize("rows", [24, 48])  # canvases of 5 Hz, and of 2.5 Hz, which no second has
def test_hold_scores_as_the_baseline_and_the_baseline_as_arithmetic(dataset, rows):
    robot = replace(ROBOT, time_base=ROBOT.time_base.of_rows(rows))
    found = score(Hold(robot), dataset, 0)
    np.testing.assert_allclose(found.rmse("policy"), found.rmse("hold"))
    episode, horizon = open_episode(dataset, ROBOT, 0), rows
    squares = []
    for row in range(0, len(episode), horizon):
        did = episode.actions[row : row + horizon, :7]
        squares.append(((pose_of(ROBOT, episode.states[row])[:7] - did) ** 2).mean(axis=1))
    whole = np.concatenate(squares)
    key = found.keys.index("joint_position")
    assert found.overall("hold")[key] == pytest.approx(np.sqrt(whole.mean()))
    assert found.overall("hold")[key] > 0.02  # the robot did move


def test_the_previous_chunk_moves_with_the_pose_where_it_is_relative(dataset):
    """A policy that says the same motion from wherever it is scores as its chunk before."""
    motion = np.linspace(0.0, 0.1, ROBOT.time_base.rows_per_chunk)[:, None] * np.ones(8)

    def rows(number, observation):
        absolute = pose_of(ROBOT, observation.state) + motion
        absolute[:, 7] = 0.25
        return absolute

    found = score(Scripted(rows), dataset, 0)
    later = found.counts["previous"] > 0
    assert later.any()
    assert (found.counts["policy"] - found.counts["previous"] == 1).all()
    policy, previous = found.squares["policy"], found.squares["previous"]
    first = open_episode(dataset, ROBOT, 0)
    only_first = (rows(0, type("O", (), {"state": first.states[0]})) - first.actions[:24]) ** 2
    for number, columns in enumerate((slice(0, 7), slice(7, 8))):
        expected = policy[number] - only_first[:, columns].mean(axis=1)
        np.testing.assert_allclose(previous[number], expected, atol=1e-12)


def test_pictures_are_compared_at_their_instants(dataset):
    frame_ns, count = ROBOT.time_base.frame_ns, ROBOT.time_base.frames_per_chunk

    def still(observation):
        stamps = observation.newest_ns + frame_ns * np.arange(1, count + 1, dtype=np.int64)
        return stamps, np.repeat(observation.canvases[-1:], count, axis=0)

    policy = Scripted(lambda n, o: np.tile(pose_of(ROBOT, o.state), (24, 1)), still)
    found = score(policy, dataset, 0)
    assert found.pictures[0] >= 3
    assert found.pictures.sum() > count
    np.testing.assert_allclose(found.psnr, found.still_psnr)
    mean = found.psnr / found.pictures
    assert 5 < mean.min() <= mean.max() < 60
    assert not score(policy, dataset, 0, video=False).pictures.any()


def test_a_model_with_random_weights(dataset, tmp_path):
    policy = ModelPolicy.load("random:tiny", ROBOT, EngineOptions(evaluations=1, threads=1))
    assert policy.untrained
    seen = []
    with Film(tmp_path / "film.mp4", 5.0, predicted=True) as film:

        def watch(now_ns, canvas, expected):
            seen.append(expected is not None)
            film.add(canvas, expected, "x")

        found = score(policy, dataset, 0, watch=watch)
    assert found.chunks == 4
    assert np.isfinite(found.rmse("policy")).all()
    assert (found.overall("policy") > found.overall("hold")).all()
    assert found.divergence[2] == 3  # of every block but the first, that ended
    assert found.divergence[0] > found.divergence[1] > 0
    assert found.pictures.sum() > 8
    assert np.isfinite(found.psnr).all()
    assert found.psnr.sum() < found.still_psnr.sum()
    assert not seen[0]
    assert sum(seen) >= 16
    assert (tmp_path / "film.mp4").stat().st_size > 1000


def test_scores_survive_a_file_and_add_up(dataset):
    one = score(Hold(ROBOT), dataset, 0)
    again = Scores.of_plain(json.loads(json.dumps(one.plain())))
    again.add(one)
    assert (again.chunks, again.episodes, again.rows) == (2 * one.chunks, 2, 2 * one.rows)
    np.testing.assert_allclose(again.rmse("hold"), one.rmse("hold"))
    other = Scores.empty(embodiments.get("yam"))
    with pytest.raises(ValueError, match="expected keys"):
        again.add(other)


def test_psnr():
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert psnr(black, black) == open_loop._BEST_DB
    assert psnr(black, grey) == pytest.approx(20 * np.log10(5))


def test_what_does_not_fit_is_named(dataset):
    with pytest.raises(DatasetMismatchError, match="expected a video"):
        score(Hold(embodiments.get("yam")), dataset, 0)
    with pytest.raises(DatasetError, match="expected an episode of 0 to 0, got 7"):
        score(Hold(ROBOT), dataset, 7)
    slow = replace(ROBOT, time_base=replace(ROBOT.time_base, control_hz=30))
    with pytest.raises(DatasetMismatchError, match=r"expected 30 rows a second .* got 15"):
        score(Hold(slow), dataset, 0)
    long = replace(ROBOT, time_base=ROBOT.time_base.of_rows(96))
    with pytest.raises(DatasetMismatchError, match="expected more than the 96 rows of a chunk"):
        score(Hold(long), dataset, 0)
    with pytest.raises(DatasetError, match="expected a LeRobot dataset"):
        score(Hold(ROBOT), dataset / "nothing", 0)
