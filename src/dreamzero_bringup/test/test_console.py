"""One terminal for several nodes."""

import io

from dreamzero_bringup.console import console, is_alarming, log_files


def test_lines_stand_behind_aligned_names():
    stream = io.StringIO()
    sink = console(stream, ["policy", "controller"], colour=False)
    sink("policy", "ready")
    sink("controller", "holding")
    assert stream.getvalue() == "[policy]     ready\n[controller] holding\n"


def test_each_node_has_its_colour_and_errors_are_red():
    stream = io.StringIO()
    sink = console(stream, ["policy", "controller"], colour=True)
    sink("policy", "ready")
    sink("controller", "[ERROR] [1.0] [controller]: no state")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("\033[36m[policy]")
    assert second.startswith("\033[32m[controller]")
    assert "\033[31m[ERROR]" in second


def test_alarming_lines():
    assert is_alarming("Traceback (most recent call last):")
    assert not is_alarming("[INFO] [1.0] [x]: no [ERROR] here")


def test_log_files_start_empty_and_ignore_strangers(tmp_path):
    (tmp_path / "policy.log").write_text("old\n")
    sink = log_files(tmp_path, ["policy"])
    sink("policy", "new")
    sink("dreamzero", "ours")
    assert (tmp_path / "policy.log").read_text() == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["policy.log"]


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path):
    (tmp_path / "policy.log").symlink_to("/dev/full")
    sink = log_files(tmp_path, ["policy", "controller"])
    sink("policy", "no room for this")
    sink("controller", "nor is there need")
    assert (tmp_path / "controller.log").read_text() == "nor is there need\n"
