"""``dreamzero record`` hands the crew's choices to the recorder's console."""

from pathlib import Path

import pytest

pytest.importorskip("dreamzero_msgs.msg")

from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.record import session
from dreamzero_bringup.record.recorder_client import EpisodeRequest
from dreamzero_policy.cli import main as command_line


def test_every_choice_arrives(monkeypatch, tmp_path):
    seen = {}

    def run(options, request, **choices):
        seen.update(options=options, request=request, **choices)
        return 5

    monkeypatch.setattr(session, "run", run)
    words = ["record", "yam", "--instruction", "fold it", "--task", "towels", "--operator", "ada"]
    words += ["--place", "lab", "--folder", str(tmp_path), "--set", "recorder.jpeg_quality=80"]
    words += ["--config-dir", "c", "--domain-id", "9", "--db", str(tmp_path / "tasks.db")]
    assert command_line.main(words) == 5
    assert seen["options"] == Options(
        "yam",
        sim=False,
        config_dir=Path("c"),
        overrides=("recorder.jpeg_quality=80", f"recorder.folder={tmp_path}"),
    )
    assert seen["request"] == EpisodeRequest("fold it", "towels", "ada", "lab")
    assert (seen["domain_id"], seen["discovery_range"]) == (9, None)
