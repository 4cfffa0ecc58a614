"""The picture of a run."""

import cv2

from dreamzero_bringup.demo import timeline_plot
from dreamzero_bringup.demo.recording import Recording
from dreamzero_policy.embodiments.droid import DROID


def test_a_run_is_drawn_with_a_panel_per_joint(recording, tmp_path):
    timeline_plot.draw(recording, tmp_path / "timeline.png", "droid: 'test'")
    image = cv2.imread(str(tmp_path / "timeline.png"))
    assert image.shape[0] > 1000
    assert image.shape[1] > 1500
    blue = (image[..., 0] > 180) & (image[..., 2] < 80)  # the command's colour
    assert blue.sum() > 1000


def test_an_empty_run_is_drawn_too(tmp_path):
    timeline_plot.draw(Recording(DROID, started_ns=0), tmp_path / "timeline.png", "nothing")
    assert (tmp_path / "timeline.png").stat().st_size > 1000
