"""The film of a run."""

import av
import pytest

from dreamzero_bringup.demo import canvas_video
from dreamzero_policy.embodiments.droid import DROID


def frames(path):
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264"
        return stream.average_rate, [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]


def test_seen_and_predicted_stand_side_by_side(recording, tmp_path):
    path = tmp_path / "canvas.mp4"
    matched = canvas_video.write(
        recording.seen,
        recording.predicted,
        path,
        frame_ns=DROID.time_base.frame_ns,
        origin_ns=recording.first_command_ns,
        untrained=True,
    )
    rate, shown = frames(path)
    assert (matched, rate, len(shown)) == (15, 5, 30)
    assert shown[0].shape == (396, 1288, 3)
    assert abs(int(shown[10][200, 100].mean()) - 50) < 6  # seen: shade 40 + index
    assert abs(int(shown[11][200, 1000].mean()) - 200) < 6  # predicted for this instant
    assert shown[10][60, 1000].mean() < 60  # no prediction for that one
    assert shown[0][10:40, :640].max() > 200  # the label


def test_a_film_without_a_canvas_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected at least one canvas, got none"):
        canvas_video.write([], [], tmp_path / "x.mp4", frame_ns=1, origin_ns=0, untrained=False)
