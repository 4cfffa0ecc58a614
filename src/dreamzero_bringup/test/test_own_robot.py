"""A robot that this stack has never heard of, added by two files: it closes the loop, and whoever
is told where the files are finds it. Nothing else is edited."""

import math
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest

from dreamzero_bringup.graph.graph import build, embodiment
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.supervisor import Supervisor
from dreamzero_policy import embodiments
from dreamzero_policy.cli.main import main

DEGREES = 180 / math.pi
WORDS = ("--joints", "shoulder,elbow,gripper", "--views", "front,wrist", "--camera", "320x180")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What ``dreamzero new-robot`` writes, with a wire in units of its own: degrees, and a gripper
    that reads 35 to 120 and is told 0 to 1."""
    folder = tmp_path_factory.mktemp("installation") / "widget"
    assert main(["new-robot", "widget", "--into", str(folder), *WORDS]) == 0
    path = folder / "robots" / "widget.py"
    text = path.read_text()
    scale = f"WireScale(0.0, {DEGREES!r})"
    for was, becomes in (
        (
            'Joint("elbow", "revolute", -1.0, 1.0, 0.5, 1.0, 5.0)',
            'Joint("elbow", "revolute", -1.0, 1.0, 0.5, 1.0, 5.0, '
            f"state_wire={scale}, command_wire={scale})",
        ),
        ("state_wire=WireScale(zero=0.0, one=1.0)", "state_wire=WireScale(zero=35.0, one=120.0)"),
        ("home=(0.0, 0.0, 0.0)", "home=(0.0, 0.5, 0.0)"),
    ):
        assert was in text
        text = text.replace(was, becomes)
    path.write_text(text)
    return folder


def test_the_graph_gives_every_node_the_file(folder):
    nodes = build(Options("widget", sim=True, config_dir=folder))
    path = str(folder / "robots" / "widget.py")
    assert {node.parameters["robot"] for node in nodes} == {path}
    assert embodiments.get(path) is embodiment(Options("widget", config_dir=folder))
    assert "widget" not in embodiments.names()


def test_parameters_of_nodes_are_known_without_copies_of_their_files(folder):
    options = {"sim": True, "config_dir": folder}
    nodes = build(Options("widget", overrides=("controller.rate_hz=25",), **options))
    assert next(n for n in nodes if n.name == "controller").parameters["rate_hz"] == 25
    with pytest.raises(ValueError, match="controller has no parameter 'rate'"):
        build(Options("widget", overrides=("controller.rate=25",), **options))


def test_an_unknown_robot_is_named_beside_the_folder_s_own(folder):
    with pytest.raises(ValueError, match="known robots: agibot_g1, droid, widget, yam"):
        build(Options("wodget", config_dir=folder))
    with pytest.raises(ValueError, match="unknown robot 'widget'; known robots: agibot_g1, droid"):
        build(Options("widget"))


def test_what_is_wrong_with_its_file_is_said_before_anything_starts(folder, tmp_path):
    robots = tmp_path / "robots"
    robots.mkdir()
    (robots / "broken.yaml").write_text("")
    (robots / "broken.py").write_text("\nx = 1 / 0\n")
    with pytest.raises(ValueError, match=r"broken\.py:2: ZeroDivisionError"):
        build(Options("broken", config_dir=tmp_path))


def test_its_own_tests_notice_a_wire_that_is_not_the_table_s(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert "3 failed" in done.stdout, done.stdout
    assert "test_the_wire_is_the_makers[elbow" in done.stdout


def test_the_doctor_finds_it(folder):
    from dreamzero_bringup.doctor.configuration import read

    findings = read(Options("widget", config_dir=folder)).findings
    assert not [f for f in findings if f.level.value == "fail"], findings
    found = {finding.what: finding.found for finding in findings}
    assert found["views"] == "front, wrist on a canvas of 640x352"
    assert found["limits"].startswith("50% of the robot's")


class Heard:
    """What the graph said: commands and states in model units."""

    def __init__(self, node, robot):
        from dreamzero_msgs.msg import ActionChunk, ControllerStatus, PolicyStatus, Proprioception
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import JointState

        from dreamzero_policy.ros import qos

        self.robot, self.commands, self.states = robot, [], []
        self.policy = self.controller = self.chunk = self.wire = None
        for kind, topic, profile, take in (
            (JointState, "joint_commands", QoSProfile(depth=1000), self._command),
            (JointState, "joint_states", qos.STATE_INPUT, self._wire),
            (Proprioception, "proprioception", qos.STATE_INPUT, self._state),
            (PolicyStatus, "policy_status", qos.STATUS, lambda m: setattr(self, "policy", m)),
            (ActionChunk, "action_chunk", qos.CHUNK, lambda m: setattr(self, "chunk", m)),
            (
                ControllerStatus,
                "controller_status",
                qos.STATUS,
                lambda m: setattr(self, "controller", m),
            ),
        ):
            node.create_subscription(kind, topic, take, profile)

    def _command(self, message):
        values = dict(zip(message.name, message.position, strict=True))
        joints = self.robot.joints
        self.commands.append([j.command_wire.to_model(values[j.name]) for j in joints])

    def _wire(self, message):
        self.wire = dict(zip(message.name, message.position, strict=True))

    def _state(self, message):
        self.states.append(list(message.positions))

    def until(self, wanted, patience_s, supervisor, log):
        deadline = time.monotonic() + patience_s
        while not wanted():
            assert supervisor.poll() is None, log[-20:]
            assert time.monotonic() < deadline, (self.policy, self.controller, log[-20:])
            time.sleep(0.05)


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_closes_the_loop(folder, tmp_path):
    from dreamzero_msgs.msg import PolicyStatus

    from dreamzero_bringup.operator_client import OperatorClient, spinning

    made = tmp_path / "checkpoint"
    words = ["--preset", "tiny", "--robot", "widget", "--config-dir", str(folder), str(made)]
    assert main(["checkpoint", "make-random", *words]) == 0
    nodes = build(Options("widget", sim=True, config_dir=folder, checkpoint=str(made)))
    robot = embodiment(Options("widget", config_dir=folder))
    log: list[str] = []
    supervisor = Supervisor(nodes, sink=lambda name, line: log.append(f"{name}: {line}"))
    with supervisor, spinning("own_robot_test", supervisor.domain_id) as node:
        heard, operator = Heard(node, robot), OperatorClient(node)

        def until(wanted, patience_s=60.0):
            heard.until(wanted, patience_s, supervisor, log)

        until(lambda: heard.policy and heard.policy.state == PolicyStatus.IDLE, 120.0)
        assert heard.policy.untrained
        until(lambda: heard.states and heard.wire)
        assert heard.states[-1] == pytest.approx([0.0, 0.5, 0.0], abs=0.01)
        assert heard.wire["elbow"] == pytest.approx(0.5 * DEGREES, abs=0.5)
        assert heard.wire["gripper"] == pytest.approx(35.0, abs=1.0)

        operator.start("turn the widget")
        until(lambda: heard.chunk and heard.controller and heard.controller.chunks_accepted)
        assert tuple(heard.chunk.joint_names) == robot.action_joints
        assert not heard.commands
        answer = operator.motion("enable")
        assert answer.success, answer.message
        start = np.array(heard.states[-1])
        until(lambda: np.abs(np.array(heard.states[-1]) - start)[:2].max() > 0.005)
        until(lambda: len(heard.commands) > 60)
        assert operator.motion("estop").success
    sent = np.array(heard.commands)
    lower, upper = np.transpose([(joint.lower, joint.upper) for joint in robot.joints])
    assert (sent >= lower - 1e-6).all()
    assert (sent <= upper + 1e-6).all()
    speed = np.abs(np.diff(sent, axis=0))[:, :2] * 30.0
    assert speed.max() <= 0.5 * 0.5 * 1.01  # half of its limit, as its settings say
    assert any("no scene of its own" in line for line in log), "the sketch did not say what it is"


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_its_driver_is_built_found_and_holds(tmp_path, monkeypatch):
    """What ``--driver`` writes, built by colcon over this stack, is one more node of the graph."""
    from dreamzero_msgs.msg import DriverStatus, Proprioception

    from dreamzero_bringup.operator_client import spinning
    from dreamzero_policy.ros import qos

    colcon = Path(sys.executable).with_name("colcon")
    if not colcon.is_file():
        pytest.skip("colcon is not installed beside this interpreter")
    folder, prefix = tmp_path / "gadget", tmp_path / "install"
    assert main(["new-robot", "gadget", "--into", str(folder), "--joints", "3", "--driver"]) == 0
    where = ["--build-base", str(tmp_path / "build"), "--install-base", str(prefix)]
    command = [str(colcon), "--log-base", str(tmp_path / "log"), "build", "--merge-install"]
    built = subprocess.run(
        [*command, "--base-paths", str(folder), *where],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    # What sourcing its setup file does.
    site = sysconfig.get_path("purelib", vars={"base": str(prefix)})
    for name, added, before in (
        ("AMENT_PREFIX_PATH", str(prefix), os.environ.get("AMENT_PREFIX_PATH") or sys.prefix),
        ("PYTHONPATH", site, os.environ.get("PYTHONPATH", "")),
    ):
        monkeypatch.setenv(name, os.pathsep.join(filter(None, (added, before))))
    nodes = build(Options("gadget", sim=False, config_dir=folder, side="robot"))
    assert (nodes[0].package, nodes[0].name) == ("gadget_driver", "driver")
    log, statuses, states = [], [], []
    wanted = [node for node in nodes if node.name in ("driver", "proprioception")]
    supervisor = Supervisor(wanted, sink=lambda name, line: log.append(f"{name}: {line}"))
    with supervisor, spinning("own_driver_test", supervisor.domain_id) as node:
        node.create_subscription(DriverStatus, "driver_status", statuses.append, qos.STATUS)
        node.create_subscription(Proprioception, "proprioception", states.append, qos.STATE_INPUT)
        deadline = time.monotonic() + 60
        while not (statuses and len(states) > 10):
            assert supervisor.poll() is None, log[-20:]
            assert time.monotonic() < deadline, log[-20:]
            time.sleep(0.05)
    assert statuses[-1].mode == DriverStatus.HOLDING
    assert statuses[-1].message == "no command yet"
    assert list(states[-1].positions) == [0.0, 0.0, 0.0]
    assert any("there is no robot behind this driver" in line for line in log)
