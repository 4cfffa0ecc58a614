"""What ``dreamzero new-robot`` writes: it runs as it is, and it never overwrites."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamzero_bringup.graph.graph import build, embodiment
from dreamzero_bringup.graph.options import Options
from dreamzero_policy.cli.main import main

PYPROJECT = Path(__file__).resolve().parents[4] / "pyproject.toml"
SHAPES = {
    "widget": [],
    "one": ["--joints", "1", "--views", "front", "--control-hz", "15"],
    "duo": ["--joints", "left_1,left_2,left_gripper,right_1,right_2,right_gripper",
            "--views", "top,left,right", "--camera", "640x360"],
    "cart": ["--joints", "mast:prismatic,pan,tilt,base_forward:base,base_yaw:base",
             "--views", "a,b,c,d"],
}  # fmt: skip


def new(name, folder, *words):
    return main(["new-robot", name, "--into", str(folder), *words])


@pytest.mark.parametrize("name", SHAPES)
def test_the_graph_of_an_untouched_skeleton_can_be_built(name, tmp_path):
    assert new(name, tmp_path, *SHAPES[name]) == 0
    options = Options(name, sim=True, config_dir=tmp_path)
    assert len(build(options)) == 5
    robot = embodiment(options)
    assert robot.example(frames=2).canvases.shape[1:3] == robot.canvas_size
    assert robot.prompt.count("{}") == 2
    assert robot.time_base.frame_ns == 200_000_000
    assert robot.time_base.chunk_ns == 1_600_000_000


@pytest.mark.parametrize("name", ["duo", "cart"])
def test_its_own_tests_pass(name, tmp_path):
    assert new(name, tmp_path, *SHAPES[name], "--driver") == 0
    path = os.pathsep.join([str(tmp_path / f"{name}_driver"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not PYPROJECT.is_file(), reason="not in the source tree")
def test_it_keeps_our_own_files_rules(tmp_path):
    """Lint of every shape; the lines of the usual one are broken as the formatter would."""
    for name, words in SHAPES.items():
        assert new(name, tmp_path / name, *words, "--driver") == 0
    tests = "test_*.py:D,test_*.py:ANN"  # as pyproject.toml has it for the tests of this tree
    for words in (
        ["check", "--ignore", "I001", "--extend-per-file-ignores", tests, str(tmp_path)],
        ["format", "--check", str(tmp_path / "widget")],
    ):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache", "--config", str(PYPROJECT)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path, capsys):
    (tmp_path / "robots").mkdir()
    kept = tmp_path / "robots" / "widget.yaml"
    kept.write_text("mine")
    assert new("widget", tmp_path) == 2
    assert f"nothing was written: there already: {kept}" in capsys.readouterr().err
    assert kept.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert new("widget", tmp_path / "file") == 2
    assert "into: expected a folder to write to" in capsys.readouterr().err


def test_next_steps_are_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new-robot", "widget", "--driver"]) == 0
    said = capsys.readouterr().out
    for words in (
        "wrote widget/robots/widget.py",
        "python -m pytest widget",
        "dreamzero up widget --sim --config-dir widget",
        "dreamzero doctor widget --config-dir widget",
        f"robot.launch.py robot:=widget config_dir:={tmp_path}/widget",
        "widget/widget_driver",
    ):
        assert words in said


def test_several_robots_share_a_folder(tmp_path):
    assert new("one", tmp_path, "--joints", "1") == 0
    assert new("two", tmp_path, "--joints", "2") == 0
    for name, count in (("one", 1), ("two", 2)):
        assert len(embodiment(Options(name, config_dir=tmp_path)).joints) == count


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["droid"], "a robot 'droid' comes with this stack already"),
        (["widget", "--joints", "a:b"], "expected a kind of"),
        (["widget", "--camera", "big"], "expected WIDTHxHEIGHT"),
        (["widget", "--urdf", "/nowhere.urdf"], "expected a URDF file"),
    ],
)
def test_what_the_user_got_wrong_is_one_line(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new-robot", *words]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
