"""The report of a run: figures, pictures and a page, also of a run that was cut off."""

import json

import numpy as np
import pytest

from dreamzero_bringup.shadow.log import FILE, ShadowLog
from dreamzero_bringup.shadow.report import write_report
from dreamzero_policy import embodiments
from dreamzero_policy.types import ActionChunk

DROID = embodiments.get("droid")
SECOND = 1_000_000_000


def motion(stamps: np.ndarray) -> np.ndarray:
    return np.array(DROID.home) + 0.02 * (stamps / SECOND)[:, None] * np.arange(1, 9)


def log_run(folder, *, end: bool = True) -> None:
    log = ShadowLog(folder / FILE)
    log.write("start", robot="droid", instruction="<fold> it")
    log.write("policy", weights="untrained: random weights", untrained=True)
    stamps = np.arange(0, 4 * SECOND, SECOND // 30)
    for stamp, pose in zip(stamps, motion(stamps), strict=True):
        log.pose("state", int(stamp), pose)
        log.pose("planned", int(stamp), pose + 0.01)
    due = SECOND + np.arange(24) * 66_666_667
    rows = motion(due)
    log.chunk(0, ActionChunk(SECOND, SECOND, 66_666_667, rows, DROID.action_joints, 1, 0))
    log.write("refused", reason="stale_chunk")
    if end:
        log.close()


@pytest.mark.parametrize("end", [True, False])
def test_the_folder_holds_figures_pictures_and_a_page(tmp_path, end):
    log_run(tmp_path, end=end)
    write_report(tmp_path)
    summary = json.loads((tmp_path / "shadow.json").read_text())
    assert summary["log"]["complete"] is end
    assert summary["joints"]["panda_joint1"]["skill"] == pytest.approx(1.0)
    assert summary["joints"]["panda_joint1"]["planned_rmse"] == pytest.approx(0.01, abs=1e-5)
    assert summary["chunks"]["refused_by_the_controller"] == {"stale_chunk": 1}
    for name in ("timeline.png", "horizon.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    page = (tmp_path / "index.html").read_text()
    assert "&lt;fold&gt; it" in page
    assert "untrained" in page
    assert ("has no end" in page) is not end


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a file"):
        write_report(tmp_path)
