"""The recorder's status for people."""

from types import SimpleNamespace

from rich.console import Console

from dreamzero_bringup.record.status_text import line, table

STREAM = {"rate": 29.6, "nominal_rate": 30.0, "messages": 900, "worst_gap": 0.05, "skew": 0.012}


def status(**changes):
    streams = [
        SimpleNamespace(topic="wrist/image_raw", required=True, dropped=0, problem="", **STREAM),
        SimpleNamespace(topic="authority", required=False, dropped=0, problem="", **STREAM),
    ]
    streams[1].messages = 0
    values = {
        "state": 1,
        "message": "recording",
        "elapsed": 12.3,
        "instruction": "fold it",
        "messages": 900,
        "bytes": 5 << 20,
        "queue": 0.02,
        "idle": 0.25,
        "disk_free": 90 << 30,
        "disk_seconds_left": 6000.0,
        "dropped": 0,
        "marks": [],
        "streams": streams,
    }
    return SimpleNamespace(**(values | changes))


def test_a_running_episode_in_a_line():
    assert line(status()) == (
        "RECORDING, 12 s, 'fold it', 900 messages, 5 MiB, idle 25%, 90 GiB free, enough for 100 min"
    )


def test_what_is_wrong_is_in_the_line():
    spoiled = status(dropped=3, marks=["x"], queue=0.5)
    spoiled.streams[0].problem = "black"
    text = line(spoiled)
    assert "queue 50%" in text
    assert text.endswith("3 messages LOST, 1 marks, ! wrist/image_raw black")


def test_an_idle_recorder_says_why_it_is_not_ready():
    waiting = status(state=0, message="not ready: wrist/image_raw: no message yet")
    waiting.disk_seconds_left = -1.0
    assert line(waiting) == "not ready: wrist/image_raw: no message yet, 90 GiB free"
    assert line(status(state=0, message="droid_1: 9 messages saved in x")).startswith("ready, ")


def test_the_table_has_what_came_and_what_must_come():
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(status()))
    text = console.export_text()
    assert "wrist/image_raw *" in text
    assert "30 of 30 Hz" in text
    assert "authority" not in text
