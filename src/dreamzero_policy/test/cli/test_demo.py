"""``dreamzero demo`` refuses what makes no sense before anything starts."""

import pytest

from dreamzero_policy.cli import main as command_line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["demo", "nao"], "unknown robot 'nao'"),
        (["demo", "--seconds", "0"], "seconds: expected 1 to 3600, got 0"),
        (["demo", "--out", __file__], "out: expected a folder, got the file"),
        (["demo", "--config-dir", "/nowhere"], "config_dir: expected a folder"),
    ],
)
def test_what_makes_no_sense_is_refused(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line.main(words) == 2
    assert expected in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
