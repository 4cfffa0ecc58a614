"""The installation's files are spoilt one line at a time."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and the built workspace")

from dreamzero_bringup.doctor import configuration
from dreamzero_bringup.doctor.configuration import read
from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.facts.expected import expected
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.installed import installed_config_dir
from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.embodiments.droid import DROID

pytestmark = pytest.mark.ros


@pytest.fixture
def folder(tmp_path):
    """A copy of the installed files."""
    return Path(shutil.copytree(installed_config_dir(), tmp_path / "config"))


def section(node, text):
    return f"/**/{node}:\n  ros__parameters:\n    {text}\n"


def test_the_installed_files_are_sound(complaints):
    found = read(Options("droid", sim=True))
    assert not complaints(found.findings)
    assert set(found.settings) == {
        "sim_driver", "camera_tiler", "proprioception", "controller", "policy"
    }  # fmt: skip


def test_without_simulation_somebody_must_drive(complaints):
    complaint = complaints(read(Options("droid", sim=False)).findings)
    assert list(complaint) == ["driver"]
    assert complaint["driver"].level is Level.WARN
    assert "robots/droid.yaml" in complaint["driver"].fix


def test_a_driver_that_is_not_installed(folder, complaints):
    (folder / "robots/droid.yaml").write_text(section("graph", "driver: sim_driver/no_such_node"))
    complaint = complaints(read(Options("droid", sim=False, config_dir=folder)).findings)
    assert complaint["driver"].level is Level.FAIL
    assert "sim_driver/no_such_node" in complaint["driver"].found


def test_a_section_that_no_node_reads(folder, complaints):
    (folder / "robots/droid.yaml").write_text(section("contoller", "rate_hz: 25.0"))
    found = read(Options("droid", config_dir=folder))
    assert complaints(found.findings)["node graph"].level is Level.FAIL
    assert "contoller" in found.findings[0].found
    assert not found.nodes


@pytest.mark.parametrize(
    ("node", "text", "what", "found"),
    [
        ("controller", "rate_hzz: 25.0", "parameters: controller", "did you mean rate_hz"),
        ("controller", "rate_hz: 1000000.0", "parameters: controller", "rate_hz: expected"),
        ("camera_tiler", "settle_s: yes", "parameters: camera_tiler", "settle_s: expected"),
        ("policy", "replan_frames: 0", "parameters: policy", "at least 1"),
        ("sim_driver", "seed: -1", "parameters: sim_driver", "seed: expected at least 0"),
        (
            "controller",
            'tighter_limits: ["panda_joint1.velocity=9.0"]',
            "limits",
            "may only be tightened",
        ),
        ("controller", 'tighter_limits: ["panda_joint1"]', "limits", "joint.limit=value"),
        ("controller", 'tighter_limits: ["elbow.velocity=0.1"]', "limits", "no joint 'elbow'"),
        ("camera_tiler", "view_size: [8, 8]", "views", "at least 16"),
        ("policy", "chunk_rows: 7", "time base", "multiple of 8"),
    ],
)
def test_one_wrong_line_is_one_complaint(folder, complaints, node, text, what, found):
    (folder / "robots/droid.yaml").write_text(section(node, text))
    files = read(Options("droid", sim=node == "sim_driver", config_dir=folder))
    complaint = complaints(files.findings)
    complaint.pop("driver", None)  # none is named without --sim
    assert list(complaint) == [what]
    assert complaint[what].level is Level.FAIL
    assert found in complaint[what].found


def test_tighter_limits_are_shown(folder):
    text = 'limit_scale: 0.5\n    tighter_limits: ["panda_joint1.velocity=0.5"]'
    (folder / "robots/droid.yaml").write_text(section("controller", text))
    shown = {f.what: f.found for f in read(Options("droid", config_dir=folder)).findings}
    assert shown["limits"].startswith("50% of the robot's")
    assert shown["limits"].endswith("tighter for panda_joint1")


def test_a_wrong_override(complaints):
    found = read(Options("droid", overrides=("controller.rate_hz=-1",)))
    assert complaints(found.findings)["parameters: controller"].level is Level.FAIL
    assert "controller" not in found.settings


@pytest.fixture
def unloadable(monkeypatch):
    """Makes the import of a node's module fail."""

    def spoil(module, error):
        def import_module(name):
            if name == module:
                raise error
            return real(name)

        monkeypatch.setattr(configuration, "import_module", import_module)

    real = configuration.import_module
    return spoil


def test_a_robot_host_has_no_torch(unloadable, complaints):
    missing = ModuleNotFoundError("No module named 'torch'")
    unloadable("dreamzero_policy.nodes.policy_node", missing)
    found = read(Options("droid", sim=True))
    assert not complaints(found.findings)
    (skipped,) = [f for f in found.findings if f.level is Level.SKIP]
    assert skipped.what == "parameters: policy"
    assert "torch" in skipped.found


@pytest.mark.parametrize(
    ("module", "node"),
    [("dreamzero_policy.nodes.policy_node", "policy"), ("sim_driver.driver_node", "sim_driver")],
)
def test_a_node_that_cannot_be_loaded_is_a_failure(unloadable, complaints, module, node):
    unloadable(module, ImportError("cannot import name 'Session'"))
    complaint = complaints(read(Options("droid", sim=True)).findings)[f"parameters: {node}"]
    assert complaint.level is Level.FAIL
    assert "cannot import name 'Session'" in complaint.found
    assert complaint.fix == "bash scripts/setup.sh"


def test_a_foreign_driver_has_parameters_of_its_own():
    assert (
        configuration.parameter_class(NodeSpec("franka", "franka_node", "driver", "robot")) is None
    )


def test_what_to_expect_follows_the_files(folder):
    (folder / "robots/droid.yaml").write_text(
        section("graph", 'topics: ["joint_states:=franka/joint_states"]')
        + section("camera_tiler", "compressed_views: [wrist]\n    frame_hz: 10.0")
        + section(
            "proprioception",
            'sources: ["arm=panda_joint1, panda_joint2", "hand=panda_finger_joint1"]\n'
            "    max_age_s: 0.5\n    ignored_joints: [panda_finger_joint2]",
        )
    )
    wanted = expected(DROID, read(Options("droid", config_dir=folder)), simulated=False)
    assert wanted.topic("joint_states") == "/franka/joint_states"
    assert wanted.topic("driver_status") == "/driver_status"
    assert wanted.camera("wrist") == "wrist/image_raw/compressed"
    assert wanted.camera("exterior_1") == "exterior_1/image_raw"
    assert wanted.sources == {
        "arm": ("panda_joint1", "panda_joint2"), "hand": ("panda_finger_joint1",)
    }  # fmt: skip
    assert wanted.frame_hz == 10.0
    assert wanted.state_max_age_s == 0.5
    assert wanted.ignored_joints == {"panda_finger_joint2"}


def test_what_to_expect_without_files():
    wanted = expected(AGIBOT_G1, configuration.Configuration(), simulated=False)
    assert wanted.sources == {"joint_states": AGIBOT_G1.state_joints}
    assert wanted.commands == ("joint_commands", "base_command")
    assert wanted.frame_hz == pytest.approx(
        AGIBOT_G1.time_base.control_hz / AGIBOT_G1.time_base.frame_stride
    )
