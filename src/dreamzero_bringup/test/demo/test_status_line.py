"""What a demo shows while it runs."""

import io

from dreamzero_bringup.demo.recording import TaskReport
from dreamzero_bringup.demo.status_line import LiveStatus, PlainStatus, status_text
from dreamzero_policy.types import NS_PER_S


def test_one_line_with_rates_latency_age_and_limits(recording):
    text = status_text(recording, recording.first_command_ns + 6 * NS_PER_S)
    assert "6.0 s" in text
    assert "commands 30.0 Hz" in text
    assert "canvases 5.0 Hz" in text
    assert "latency 400 ms (p95 500, denoise 250)" in text
    assert "chunk age 0.40 s" in text
    assert "limits hit 0 joint ticks" in text
    assert "\n" not in text
    assert "task" not in text
    recording.task = TaskReport("reach", "reach for the red block", 0.4, False, 2.0)
    assert status_text(recording, recording.first_command_ns).endswith("task: progress 0.40")
    recording.task = TaskReport("reach", "reach for the red block", 1.0, True, 5.0)
    assert status_text(recording, recording.first_command_ns).endswith("task: done")


def test_plain_and_live(recording):
    lines = []
    with PlainStatus(lambda *line: lines.append(line)) as status:
        status.show("here")
    assert lines == [("dreamzero", "here")]
    stream = io.StringIO()
    with LiveStatus(stream) as status:
        status.show("here")
    assert "here" in stream.getvalue()
