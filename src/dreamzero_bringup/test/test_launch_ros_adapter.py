"""The launch files of all robots, run with the real launch_ros where it is installed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

pytest.importorskip(
    "launch_ros",
    reason="launch_ros is not on PyPI; `dreamzero up` starts the same graph without it",
)

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node

from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.launch_ros_adapter import describe, describe_recorder, options

pytestmark = pytest.mark.ros

_DEFAULTS = {
    "sim": "true",
    "checkpoint": "",
    "config_dir": "",
    "overrides": "",
    "dry_run": "false",
    "side": "all",
    "policy_host": "",
    "robot_host": "",
}
ROBOTS = ("droid", "agibot_g1", "yam")


def actions(robot, /, **arguments):
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


def test_the_launch_file_of_any_robot_takes_its_name(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "102")
    declared = [argument.name for argument in describe().get_launch_arguments()]
    assert declared[0] == "robot"
    nodes = [action for action in actions(None, robot="yam") if isinstance(action, Node)]
    assert len(nodes) == len(build(Options("yam")))


def test_words_become_options(tmp_path):
    assert options("droid", _DEFAULTS) == Options("droid")
    chosen = {
        "sim": "false",
        "checkpoint": "random:tiny",
        "config_dir": str(tmp_path),
        "overrides": "controller.rate_hz=25; policy.seed=1;",
        "dry_run": "true",
        "side": "robot",
        "policy_host": "gpu-box",
        "robot_host": "",
    }
    assert options("droid", chosen) == Options(
        "droid",
        sim=False,
        checkpoint="random:tiny",
        config_dir=tmp_path,
        overrides=("controller.rate_hz=25", "policy.seed=1"),
        dry_run=True,
        side="robot",
        policy_host="gpu-box",
    )


@pytest.fixture
def domain_id(monkeypatch):
    """A domain that nobody has."""
    claim = DomainClaim()
    claim.release()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(claim.domain_id))
    return claim.domain_id


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_graph_is_the_same_as_that_of_the_supervisor(robot, domain_id):
    nodes = [action for action in actions(robot, sim="true") if isinstance(action, Node)]
    expected = build(Options(robot))
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


def test_a_policy_host_is_a_peer_and_has_the_policy(domain_id, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    found = actions("yam", sim="true", policy_host="127.0.0.1")
    names = [action.node_executable for action in found if isinstance(action, Node)]
    assert "policy_node" not in names
    context = LaunchContext()
    for action in found:
        if isinstance(action, SetEnvironmentVariable):
            action.visit(context)
    assert context.environment["ROS_STATIC_PEERS"] == "127.0.0.1"
    assert context.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_the_recorder_is_one_node_of_the_robot_that_is_named(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "101")
    given = {"robot": "yam", "overrides": "recorder.jpeg_quality=80"}
    found = done_by(describe_recorder(), given)
    (node,) = [action for action in found if isinstance(action, Node)]
    assert node.node_executable == "recorder_node"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("robot", "sides"),
    [*((robot, ("all",)) for robot in ROBOTS), ("yam", ("robot", "policy"))],
)
def test_launch_files_bring_up_every_node_and_leave_none(robot, sides, domain_id, tmp_path):
    """One launch, or one per side: every node becomes active and one Ctrl-C each ends them."""
    from lifecycle_msgs.srv import GetState

    from dreamzero_bringup.operator_client import result_of, spinning

    launches = [Launch(robot, side, tmp_path) for side in sides]
    expected = {spec.name for spec in build(Options(robot))}
    try:
        with spinning("onlooker", domain_id) as node:
            for name in expected:
                client = node.create_client(GetState, f"/{name}/get_state")
                until = time.monotonic() + 120
                label = ""
                while label != "active":
                    for launch in launches:
                        assert launch.process.poll() is None, launch.log()
                    assert time.monotonic() < until, (name, label, node.get_node_names())
                    if client.wait_for_service(0.5):
                        future = client.call_async(GetState.Request())
                        with suppress(ValueError):  # it is busy: asked again
                            label = result_of(future, 5.0, name).current_state.label
            for launch in launches:
                launch.process.send_signal(signal.SIGINT)
            for launch in launches:
                assert launch.process.wait(timeout=30) == 0, launch.log()
            until = time.monotonic() + 15
            while expected & set(node.get_node_names()) and time.monotonic() < until:
                time.sleep(0.2)
            assert not expected & set(node.get_node_names())
    finally:
        for launch in launches:
            launch.process.kill()


class Launch:
    """A process that does what ``ros2 launch`` does with a robot's launch file."""

    def __init__(self, robot, side, folder):
        from dreamzero_bringup.installed import package_prefix

        share = package_prefix("dreamzero_bringup") / "share/dreamzero_bringup"
        file = share / "launch" / f"{robot}.launch.py"
        program = (
            "import sys; from launch import LaunchService, LaunchDescription;"
            "from launch.actions import IncludeLaunchDescription;"
            "from launch.launch_description_sources import PythonLaunchDescriptionSource as Source;"
            "service = LaunchService();"
            f"included = IncludeLaunchDescription(Source({str(file)!r}),"
            f" launch_arguments={{'sim': 'true', 'side': {side!r}}}.items());"
            "service.include_launch_description(LaunchDescription([included]));"
            "sys.exit(service.run())"
        )
        env = {**os.environ, "ROS_LOG_DIR": str(folder)}
        env["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self._file = folder / f"{side}.log"
        stream = self._file.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], env=env, stdout=stream, stderr=stream
        )

    def log(self):
        return self._file.read_text()
