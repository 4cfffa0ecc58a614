"""The launch file, run with the real launch_ros where it is installed."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip(
    "launch_ros",
    reason="launch_ros is not on PyPI; `dreamzero up` starts the same graph without it",
)

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.graph import Options, build
from dreamzero_bringup.launch_ros_adapter import describe, describe_recorder, options

pytestmark = pytest.mark.ros

_DEFAULTS = {
    "sim": "true",
    "checkpoint": "",
    "config_dir": "",
    "overrides": "",
    "dry_run": "false",
    "side": "all",
}


def actions(robot, **arguments):
    """What the description does for launch arguments, without starting anything."""
    return done_by(describe(robot), arguments)


def done_by(description, arguments):
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    found = []
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.visit(context)
        elif isinstance(entity, OpaqueFunction):
            found += entity.visit(context)
    return found


def test_arguments_have_defaults_and_choices():
    declared = {a.name: a for a in describe("droid").get_launch_arguments()}
    assert set(declared) == set(_DEFAULTS)
    assert declared["sim"].choices == ["true", "false"]


def test_words_become_options(tmp_path):
    assert options("droid", _DEFAULTS) == Options("droid")
    chosen = {
        "sim": "false",
        "checkpoint": "random:tiny",
        "config_dir": str(tmp_path),
        "overrides": "controller.rate_hz=25; policy.seed=1;",
        "dry_run": "true",
        "side": "robot",
    }
    assert options("droid", chosen) == Options(
        "droid",
        sim=False,
        checkpoint="random:tiny",
        config_dir=tmp_path,
        overrides=("controller.rate_hz=25", "policy.seed=1"),
        dry_run=True,
        side="robot",
    )


def test_the_graph_is_the_same_as_that_of_the_supervisor(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "101")
    nodes = [action for action in actions("droid", sim="true") if isinstance(action, Node)]
    expected = build(Options("droid"))
    assert [(n.node_package, n.node_executable) for n in nodes] == [
        (spec.package, spec.executable) for spec in expected
    ]


def test_a_domain_that_a_run_holds_is_refused(monkeypatch):
    claim = DomainClaim()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(claim.domain_id))
    with pytest.raises(ValueError, match="belongs to another dreamzero run"):
        actions("droid", sim="true")
    claim.release()


def test_an_unknown_override_is_refused():
    with pytest.raises(ValueError, match="controller has no parameter 'rate'"):
        actions("droid", overrides="controller.rate=1")


def test_the_recorder_is_one_node_of_the_robot_that_is_named(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "101")
    given = {"robot": "yam", "overrides": "recorder.jpeg_quality=80"}
    found = done_by(describe_recorder(), given)
    (node,) = [action for action in found if isinstance(action, Node)]
    assert node.node_executable == "recorder_node"


@pytest.mark.slow
def test_the_launch_file_brings_up_every_node_and_leaves_none(tmp_path):
    from dreamzero_bringup.graph import package_prefix
    from dreamzero_bringup.operator_client import spinning

    file = package_prefix("dreamzero_bringup") / "share/dreamzero_bringup/launch/droid.launch.py"
    claim = DomainClaim()  # tells which domain is free; the launch claims it next
    domain_id = claim.domain_id
    claim.release()
    program = (
        "import sys; from launch import LaunchService, LaunchDescription;"
        "from launch.actions import IncludeLaunchDescription;"
        "from launch.launch_description_sources import PythonLaunchDescriptionSource as Source;"
        "service = LaunchService();"
        f"included = IncludeLaunchDescription(Source({str(file)!r}));"
        "service.include_launch_description(LaunchDescription([included]));"
        "sys.exit(service.run())"
    )
    env = {**os.environ, "ROS_DOMAIN_ID": str(domain_id), "ROS_LOG_DIR": str(tmp_path)}
    env["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    log = (tmp_path / "launch.log").open("w+")
    launch = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=log, stderr=log)
    expected = {spec.name for spec in build(Options("droid"))}
    try:
        with spinning("onlooker", domain_id) as node:
            until = time.monotonic() + 60
            while not expected <= set(node.get_node_names()):
                assert launch.poll() is None, (tmp_path / "launch.log").read_text()
                assert time.monotonic() < until, node.get_node_names()
                time.sleep(0.2)
            launch.send_signal(signal.SIGINT)
            assert launch.wait(timeout=20) == 0, (tmp_path / "launch.log").read_text()
            until = time.monotonic() + 10
            while expected & set(node.get_node_names()) and time.monotonic() < until:
                time.sleep(0.2)
            assert not expected & set(node.get_node_names())
    finally:
        launch.kill()
