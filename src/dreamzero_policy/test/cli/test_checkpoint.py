"""``dreamzero checkpoint``, as it is typed."""

import pytest
import torch

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.checkpoint.adapters import save_adapters
from dreamzero_policy.cli.main import main
from dreamzero_policy.model import lora

ROBOT = embodiments.get("droid")
SIZES = ("--set", "num_layers=1", "--set", "text.num_layers=1", "--set", "image.num_layers=2")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "made"
    assert main(["checkpoint", "make-random", "--preset", "tiny", *SIZES, str(path)]) == 0
    return path


def test_make_inspect_verify(made, capsys):
    assert main(["checkpoint", "inspect", str(made)]) == 0
    assert "random weights" in capsys.readouterr().out
    assert main(["checkpoint", "verify", str(made), "--write"]) == 0
    assert main(["checkpoint", "verify", str(made)]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_a_failed_check_is_a_failed_command(made, tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert main(["checkpoint", "verify", str(tmp_path)]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_adapters_are_merged(made, tmp_path):
    dit = checkpoint.load(made, ROBOT, dtype=torch.float32).model.dit
    lora.add(dit, 4, 4.0)
    save_adapters(tmp_path / "adapters", dit, made, rank=4, alpha=4.0)
    command = ["checkpoint", "merge-lora", str(tmp_path / "adapters"), str(tmp_path / "merged")]
    assert main(command) == 2
    assert main([*command, "--base", str(made)]) == 0
    assert main(["checkpoint", "verify", str(tmp_path / "merged")]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inspect", "/no/such"], "config.json: cannot be read"),
        (["make-random", "--preset", "huge", "/tmp/never/made"], "no preset 'huge'"),
        (["make-random", "--preset", "tiny", "--robot", "r2d2", "/tmp/never"], "unknown robot"),
    ],
)
def test_what_the_user_got_wrong_is_one_line(words, message, capsys):
    assert main(["checkpoint", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
