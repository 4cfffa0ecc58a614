"""``dreamzero convert`` as a user meets it."""

import pytest

from dreamzero_policy.cli.main import main
from dreamzero_policy.data.synthetic import write_recording


@pytest.fixture(scope="module")
def bags(tmp_path_factory, droid):
    folder = tmp_path_factory.mktemp("bags")
    fast = {"camera_hz": 15.0, "joint_hz": 15.0, "command_hz": 15.0}
    write_recording(folder / "good", droid, seconds=4.0, **fast)
    write_recording(folder / "cut_off", droid, seconds=1.0, finish=False, **fast)
    return folder


def test_it_says_what_became_of_every_recording(bags, tmp_path, capsys):
    out = tmp_path / "data"
    assert main(["convert", str(bags), str(out), "--robot", "droid", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "rejected cut_off: TruncatedBagError" in said
    assert "2 of 2 recordings converted now" in said
    assert f"1 episodes, 61 rows: {out}" in said
    assert main(["convert", str(bags), str(out), "--robot", "droid", "--workers", "1"]) == 0
    assert "0 of 2 recordings converted now" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--robot", "r2d2"], "unknown robot 'r2d2'; known robots:"),
        (["--robot", "droid", "--format", "v9"], "format: expected one of v2.1, v3.0, got 'v9'"),
        (["--robot", "droid", "--video-preset", "turbo"], "medium, slow, got 'turbo'"),
        (["--robot", "droid", "--max-age", "9"], "max_age_s: expected 0.05 to 2.0, got 9.0"),
    ],
)
def test_what_the_user_got_wrong_is_one_line(bags, tmp_path, capsys, change, words):
    assert main(["convert", str(bags), str(tmp_path / "data"), *change]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_a_usable_recording_nothing_is_written(bags, tmp_path, capsys):
    out = tmp_path / "data"
    assert main(["convert", str(bags / "cut_off"), str(out), "--robot", "droid"]) == 1
    assert "nothing was written" in capsys.readouterr().out
    assert not out.exists()
