"""The command line: it answers at once, says what it expects, and hands over what was asked."""

import subprocess
import sys
import types

import pytest

from dreamzero_policy.cli import main as command_line


def run(*argv: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "dreamzero_policy.cli.main", *argv], capture_output=True, text=True
    )


def test_help_lists_subcommands_and_examples():
    answer = run("--help")
    assert answer.returncode == 0
    for word in ("demo", "up", "run", "enable", "estop", "reset-estop", "examples:"):
        assert word in answer.stdout


def test_help_needs_neither_torch_nor_ros():
    program = (
        "import sys; from dreamzero_policy.cli.main import parser; parser();"
        "print([m for m in ('torch', 'rclpy', 'numpy', 'scipy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


@pytest.mark.parametrize(
    "command", ["up", "demo", "run", "enable", "disable", "estop", "expert", "sim-tasks"]
)
def test_every_subcommand_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([command, "--help"])
    assert ended.value.code == 0
    assert f"dreamzero {command}" in capsys.readouterr().out.partition("example")[2]


def test_every_subcommand_can_run():
    for name, parser in command_line.parser()._subparsers._group_actions[0].choices.items():
        assert callable(parser.get_default("run")), name


def test_what_the_user_got_wrong_is_one_line_and_exit_code_2(capsys):
    assert command_line.main(["up", "nao", "--sim"]) == 2
    error = capsys.readouterr().err
    assert error == "dreamzero: error: unknown robot 'nao'; known robots: agibot_g1, droid, yam\n"


def test_no_subcommand_is_refused():
    assert run().returncode == 2


def test_ctrl_c_is_130(monkeypatch):
    def interrupted(args):
        raise KeyboardInterrupt

    fake = types.SimpleNamespace(parse_args=lambda argv: types.SimpleNamespace(run=interrupted))
    monkeypatch.setattr(command_line, "parser", lambda: fake)
    assert command_line.main([]) == 130
