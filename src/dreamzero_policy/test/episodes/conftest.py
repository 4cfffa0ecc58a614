"""A folder of episodes: a good one, one cut off, one damaged, and what is none."""

from pathlib import Path

import pytest

from dreamzero_policy.data.synthetic import write_recording

SMALL = {"seconds": 3.0, "camera_hz": 10.0, "joint_hz": 50.0, "command_hz": 15.0, "jpeg": True}


@pytest.fixture
def record(droid):
    """Writes a small episode."""

    def write(folder: Path, **options) -> Path:
        facts = {"task": "blocks", "operator": "ada"} | options.pop("facts", {})
        return write_recording(folder, droid, **{**SMALL, **options}, facts=facts)

    return write


@pytest.fixture
def station(tmp_path, record) -> Path:
    """Episodes: good, cut off, with a byte changed, and not a bag at all."""
    root = tmp_path / "episodes"
    record(root / "good")
    record(root / "cut", finish=False)
    damaged = record(root / "damaged")
    path = next(damaged.glob("*.mcap"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    (root / "nonsense").mkdir()
    (root / "nonsense" / "metadata.yaml").write_text("nothing: here\n")
    return root
