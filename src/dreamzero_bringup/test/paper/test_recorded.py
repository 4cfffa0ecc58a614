"""What the studies ask of recordings."""

import pytest

pytest.importorskip("mujoco")

from dreamzero_policy.recording.quality import Thresholds
from paper import recorded
from paper.recipes import Recordings
from paper.sizes import Size


@pytest.mark.parametrize(("rows", "frame_hz"), [(24, 10), (48, 5), (96, 2.5)])
def test_cameras_give_every_frame_of_the_network_and_never_seem_to_hang(
    rows, frame_hz, monkeypatch, tmp_path
):
    asked = []
    monkeypatch.setattr(recorded, "demonstrate", lambda wanted, *_, **__: asked.append(wanted))
    monkeypatch.setattr(recorded, "orders", lambda *_: [])
    recordings = Recordings("yam", ("reach",), minutes=0.0)
    recorded.record(recordings, Size(chunk_rows=rows), tmp_path, 1, lambda *_: None)
    (wanted,) = asked
    assert wanted.camera_hz >= frame_hz
    assert wanted.camera_hz % frame_hz == 0
    assert 1 / wanted.camera_hz < Thresholds().max_gap_s
