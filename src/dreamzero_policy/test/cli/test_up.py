"""``dreamzero up`` hands the user's choices to the graph and the supervisor."""

from pathlib import Path

import pytest

from dreamzero_bringup import supervisor
from dreamzero_bringup.graph import graph
from dreamzero_bringup.graph.options import Options
from dreamzero_policy.cli import main as command_line


@pytest.fixture
def asked(monkeypatch):
    seen = {}

    def build(options):
        seen["options"] = options
        return []

    def run(nodes, *, sink, **choices):
        seen.update(choices)
        return 7

    monkeypatch.setattr(graph, "build", build)
    monkeypatch.setattr(supervisor, "run", run)
    return seen


def test_every_choice_arrives(asked):
    words = "up droid --sim --checkpoint random:tiny --config-dir c --set controller.rate_hz=25"
    words += " --set policy.seed=2 --dry-run --side robot --domain-id 9 --discovery-range SUBNET"
    assert command_line.main(words.split()) == 7
    assert asked["options"] == Options(
        robot="droid",
        sim=True,
        checkpoint="random:tiny",
        config_dir=Path("c"),
        overrides=("controller.rate_hz=25", "policy.seed=2"),
        dry_run=True,
        side="robot",
    )
    assert (asked["domain_id"], asked["discovery_range"]) == (9, "SUBNET")


def test_the_other_host_arrives(asked):
    command_line.main(["up", "yam", "--policy-host", "gpu-box"])
    assert asked["options"] == Options(robot="yam", sim=False, policy_host="gpu-box")
    command_line.main(["up", "yam", "--robot-host", "robot-pc"])
    assert asked["options"] == Options(robot="yam", sim=False, robot_host="robot-pc")


def test_defaults_are_hardware_and_a_domain_of_its_own(asked):
    command_line.main(["up", "droid"])
    assert asked["options"] == Options(robot="droid", sim=False)
    assert (asked["domain_id"], asked["discovery_range"]) == (None, None)
