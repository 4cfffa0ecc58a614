"""The public ``lerobot`` package reads what is written, where it is installed.

It pins another torch than this project, so it is no requirement: to run this, install a release of
it with ``pip install --no-deps`` into an environment of its own that sees this project's packages.
Releases that write v2.1 read that, later ones v3.0. Where its video decoders cannot be had for this
torch, PyAV stands in for them; lists, tables, times and tolerances are the package's own.
"""

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import write_recording
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset as OurReader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def package():
    try:
        from lerobot.datasets import lerobot_dataset
    except ImportError as error:
        pytest.skip(f"the public lerobot package is not installed here: {error}")
    return lerobot_dataset


def decoded(path, times, tolerance_s, backend=None):
    """Frames at times, in the package's layout."""
    import torch

    from dreamzero_policy.datasets.video import frames

    every = list(frames(path))
    rate = 15
    chosen = [every[round(time * rate)] for time in times]
    assert all(abs(time - round(time * rate) / rate) < tolerance_s for time in times)
    return torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).float() / 255


def test_it_loads(package, tmp_path, monkeypatch):
    robot, version = embodiments.get("droid"), package.CODEBASE_VERSION
    said = ((0.0, "open it"), (1.0, "close it"))
    fast = {"camera_hz": 15.0, "joint_hz": 50.0, "command_hz": 15.0, "seconds": 3.0}
    for number in range(2):
        write_recording(tmp_path / "bags" / f"droid_{number}", robot, **fast, instructions=said)
    settings = ConversionSettings("droid", least_chunks=1.0, format=version)
    convert([tmp_path / "bags"], tmp_path / "data", settings)
    monkeypatch.setattr(package, "decode_video_frames", decoded)
    data = package.LeRobotDataset("local/data", root=tmp_path / "data")
    ours = OurReader(tmp_path / "data")
    assert (data.num_episodes, data.num_frames) == (2, sum(e.length for e in ours.episodes))
    assert data.fps == 15
    length = ours.episodes[0].length
    for index in (0, length - 1, length, len(data) - 1):
        episode, row = (0, index) if index < length else (1, index - length)
        sample, table = data[index], ours.table(episode).to_pydict()
        np.testing.assert_allclose(sample["observation.state"], table["observation.state"][row])
        np.testing.assert_allclose(sample["action"], table["action"][row])
        assert abs(float(sample["timestamp"]) - row / 15) < 1e-3
        assert sample["task"] == ours.instructions(episode)[row]
        for key in ours.video_keys:
            expected = list(ours.pictures(episode, key))[row].transpose(2, 0, 1) / 255
            np.testing.assert_allclose(sample[key], expected, atol=1e-6)
    for name in ("observation.state", "action"):
        assert np.isfinite(np.asarray(data.meta.stats[name]["mean"])).all()
