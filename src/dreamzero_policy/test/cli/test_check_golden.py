"""The command's exit code and what it prints."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from dreamzero_policy.cli.main import main


@pytest.fixture
def folder(golden_dir, tmp_path):
    for path in golden_dir.glob("relative_stats.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_all_is_well(folder, capsys):
    assert main(["check-golden", str(folder), "--all"]) == 0
    printed = capsys.readouterr().out
    assert "per_horizon/q99" in printed
    assert "1 of 1 cases passed; 12 of 12 comparisons hold" in printed


def test_a_miss_is_exit_code_one(folder, capsys):
    path = folder / "relative_stats.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    tensors["pooled/mean"] += 1e-6
    save_file(tensors, path)
    assert main(["check-golden", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "MISS" in printed
    assert "0 of 1 cases passed; 11 of 12" in printed


def test_a_wrong_directory_or_case_is_exit_code_two(folder, tmp_path, capsys):
    assert main(["check-golden", str(folder), "--case", "other"]) == 2
    assert "relative_stats" in capsys.readouterr().err
    assert main(["check-golden", str(tmp_path / "nowhere")]) == 2
    assert "expected golden files" in capsys.readouterr().err
