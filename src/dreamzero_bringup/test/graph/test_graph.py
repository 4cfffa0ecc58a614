"""The graph: what a user gets for each choice, and what is refused before anything starts."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from dreamzero_bringup.graph.graph import build_recorder
from dreamzero_bringup.graph.node_spec import NodeSpec, setting
from dreamzero_bringup.graph.options import Options

CONFIG = Path(__file__).parents[4] / "config"


def test_simulated_graph_has_driver_first_and_every_node(config, nodes):
    graph = nodes(config)
    assert list(graph) == ["sim_driver", "camera_tiler", "proprioception", "controller", "policy"]
    assert [spec.side for spec in graph.values()] == ["robot"] * 4 + ["policy"]
    assert all(spec.parameters["robot"] == "droid" for spec in graph.values())


def test_the_policy_shares_no_process_with_anybody(config, nodes):
    """One executable, and so one process and interpreter, for every node: control's is its own."""
    graph = nodes(config)
    executables = [(spec.package, spec.executable) for spec in graph.values()]
    assert len(set(executables)) == len(executables)
    assert ("dreamzero_policy", "policy_node") in executables
    assert ("dreamzero_policy", "controller_node") in executables


def test_threads_that_wait_sleep_and_control_has_one(config, nodes):
    """Two processes on two cores must not stall each other by waiting actively."""
    graph = nodes(config)
    assert all(spec.environment["OMP_WAIT_POLICY"] == "PASSIVE" for spec in graph.values())
    assert graph["controller"].environment["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in graph["policy"].environment  # its own parameter: threads
    assert graph["policy"].nice > graph["controller"].nice


def test_specs_cannot_be_changed(config, nodes):
    spec = nodes(config)["policy"]
    with pytest.raises(FrozenInstanceError):
        spec.name = "other"
    with pytest.raises(TypeError):
        spec.parameters["robot"] = "other"


def test_files_go_to_their_nodes_the_robot_file_last(config, nodes):
    graph = nodes(config)
    robot = config / "robots" / "droid.yaml"
    assert graph["controller"].parameter_files == (config / "controller.yaml", robot)
    assert graph["policy"].parameter_files == (robot,)


def test_overrides_reach_their_node_with_yaml_types(config, nodes):
    graph = nodes(config, overrides=("controller.rate_hz=25", "sim_driver.seed=7"))
    assert graph["controller"].parameters["rate_hz"] == 25
    assert graph["sim_driver"].parameters["seed"] == 7
    assert "rate_hz" not in graph["policy"].parameters


def test_a_setting_is_found_where_the_strongest_source_has_it(config, nodes):
    assert setting(nodes(config)["controller"], "rate_hz") == 30.0
    assert setting(nodes(config)["controller"], "seed") is None
    assert (
        setting(nodes(config, overrides=("controller.rate_hz=25",))["controller"], "rate_hz") == 25
    )
    (config / "robots" / "droid.yaml").write_text(
        "/**/controller:\n  ros__parameters:\n    rate_hz: 20.0\n"
    )
    assert setting(nodes(config)["controller"], "rate_hz") == 20.0


def test_checkpoint_is_given_to_the_policy_alone(config, tmp_path, nodes):
    assert nodes(config, checkpoint="random:tiny")["policy"].parameters["checkpoint"] == (
        "random:tiny"
    )
    graph = nodes(config, checkpoint=str(tmp_path))
    assert graph["policy"].parameters["checkpoint"] == str(tmp_path.resolve())
    assert "checkpoint" not in graph["controller"].parameters


def test_a_dry_run_sends_a_driver_nothing_that_it_obeys(config, nodes):
    graph = nodes(config, dry_run=True)
    assert graph["controller"].remappings == (
        ("joint_commands", "joint_commands/dry_run"),
        ("base_command", "base_command/dry_run"),
        ("driver/release", "driver/release/dry_run"),
        ("driver_status", "driver_status/dry_run"),
    )
    assert graph["sim_driver"].remappings == ()
    assert nodes(config)["controller"].remappings == ()


def test_site_topics_remap_every_node_and_name_the_driver(config, nodes):
    (config / "robots" / "droid.yaml").write_text(
        "/**/graph:\n  ros__parameters:\n    driver: franka_driver/driver_node\n"
        "    topics: ['joint_states:=/franka/joint_states', 'joint_commands:=/franka/commands']\n"
    )
    graph = nodes(config, sim=False, dry_run=True)
    assert graph["driver"].package == "franka_driver"
    assert ("joint_states", "/franka/joint_states") in graph["proprioception"].remappings
    assert graph["controller"].remappings[0] == ("joint_commands", "/franka/commands/dry_run")
    assert dict(graph["controller"].remappings)["base_command"] == "base_command/dry_run"


def test_a_hardware_driver_reads_the_file_of_its_package(config, nodes):
    """Every hardware driver's node is called driver; its file is called after its package."""
    (config / "robots" / "droid.yaml").write_text(
        "/**/graph:\n  ros__parameters:\n    driver: franka_driver/driver_node\n"
        "/**/driver:\n  ros__parameters:\n    robot_ip: 172.16.0.2\n"
    )
    (config / "franka_driver.yaml").write_text("/**:\n  ros__parameters:\n    arm: fr3\n")
    driver = nodes(config, sim=False, overrides=("driver.arm=fer",))["driver"]
    assert [path.name for path in driver.parameter_files] == ["franka_driver.yaml", "droid.yaml"]
    assert driver.parameters["arm"] == "fer"
    assert setting(driver, "robot_ip") == "172.16.0.2"
    with pytest.raises(ValueError, match="driver has no parameter 'amr'"):
        nodes(config, sim=False, overrides=("driver.amr=fer",))


def test_without_simulation_and_driver_only_our_nodes_run(config, nodes):
    assert next(iter(nodes(config, sim=False))) == "camera_tiler"


@pytest.mark.parametrize("side", ["all", "policy"])
def test_the_policy_makes_the_chunks_that_the_seam_expects(config, side, nodes):
    assert "real_time_chunking" not in nodes(config, side=side)["policy"].parameters
    override = ("controller.seam=real_time_chunking",)
    path = config / "controller.yaml"
    for text in ("seam: cross_fade", "seam: real_time_chunking"):
        path.write_text(f"/**:\n  ros__parameters:\n    {text}\n")
        graph = nodes(config, side=side, overrides=() if "real" in text else override)
        assert graph["policy"].parameters["real_time_chunking"] is True
    # A file that states the defaults does not contradict it.
    (config / "policy.yaml").write_text("/**:\n  ros__parameters:\n    real_time_chunking: false\n")
    assert nodes(config, side=side)["policy"].parameters["real_time_chunking"] is True


def test_a_policy_told_otherwise_than_the_seam_is_refused(config, nodes):
    expected = (
        "controller.seam is real_time_chunking, so policy.real_time_chunking is expected to be "
        "true, got False"
    )
    section = "  ros__parameters:\n    real_time_chunking: false\n"
    (config / "policy.yaml").write_text(f"/**:\n{section}")
    (config / "controller.yaml").write_text("/**:\n  ros__parameters:\n    seam: cross_fade\n")
    seam = "controller.seam=real_time_chunking"
    with pytest.raises(ValueError, match=expected):
        nodes(config, overrides=(seam, "policy.real_time_chunking=false"))
    (config / "robots" / "droid.yaml").write_text(f"/**/policy:\n{section}")
    with pytest.raises(ValueError, match=expected):
        nodes(config, overrides=(seam,))
    assert nodes(config, overrides=(seam, "policy.real_time_chunking=true"))


def test_one_side(config, nodes):
    assert list(nodes(config, side="policy")) == ["policy"]
    assert "policy" not in nodes(config, side="robot")


def test_ros_arguments_quote_text_as_yaml():
    spec = NodeSpec("p", "e", "n", "robot", parameters={"a": "on", "b": 1.5, "c": ["x"], "d": True})
    assert spec.ros_arguments() == [
        *("--ros-args", "-r", "__node:=n"),
        *("-p", 'a:="on"', "-p", "b:=1.5", "-p", 'c:=["x"]', "-p", "d:=true"),
    ]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"robot": "nao"}, "unknown robot 'nao'; known robots: .*droid"),
        ({"side": "left"}, "side must be one of all, robot, policy, got 'left'"),
        ({"overrides": ("controller.rate=25",)}, "no parameter 'rate'; its parameters:.*rate_hz"),
        ({"overrides": ("arm.rate_hz=25",)}, "no node 'arm'; nodes: sim_driver"),
        ({"overrides": ("rate_hz=25",)}, "expected node.parameter=value"),
        ({"overrides": ("controller.rate_hz",)}, "expected node.parameter=value"),
        ({"overrides": ("controller.rate_hz={a: 1}",)}, "expected a number, text"),
        ({"overrides": ("controller.rate_hz=[",)}, "not YAML"),
        ({"checkpoint": "/nowhere"}, "expected a folder or random:PRESET, got '/nowhere'"),
        ({"config_dir": Path("/nowhere")}, "config_dir: expected a folder"),
    ],
)
def test_what_a_user_gets_wrong_is_named(config, choices, expected, nodes):
    with pytest.raises(ValueError, match=expected):
        nodes(config, **choices)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "expected a YAML parameter file"),
        ("rate_hz: 30", "expected sections 'node"),
        ("/**:\n  rate_hz: 30", "expected sections 'node"),
        ("just text", "expected sections 'node"),
        ("/**/controler:\n  ros__parameters:\n    a: 1", "expected sections .*/controller,"),
    ],
)
def test_a_file_that_is_no_parameter_file_is_named(config, text, expected, nodes):
    path = config / "robots" / "droid.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=expected) as caught:
        nodes(config)
    assert str(path) in str(caught.value)


def test_a_robot_without_settings_names_the_missing_file(config, nodes):
    (config / "robots" / "droid.yaml").unlink()
    with pytest.raises(ValueError, match=r"expected the file .*robots/droid\.yaml"):
        nodes(config)


def test_a_robot_whose_scene_cannot_be_used_is_refused_before_anything_starts(
    config, monkeypatch, nodes
):
    robots = pytest.importorskip("sim_driver.models.robots")

    def unusable(robot):
        raise ValueError(f"no scene of {robot}")

    monkeypatch.setattr(robots, "get", unusable)
    with pytest.raises(ValueError, match="no scene of droid"):
        nodes(config)
    assert "controller" in nodes(config, sim=False)
    assert list(nodes(config, side="policy")) == ["policy"]


def test_a_task_that_the_robot_does_not_have_is_refused_before_anything_starts(config, nodes):
    pytest.importorskip("sim_driver.tasks")
    (config / "sim_driver.yaml").write_text('/**:\n  ros__parameters:\n    task: ""\n')
    assert nodes(config, overrides=("sim_driver.task=stack",))["sim_driver"]
    with pytest.raises(
        ValueError, match="no task 'carry' for droid; there are: reach, hover, pick_place"
    ):
        nodes(config, overrides=("sim_driver.task=carry",))
    assert nodes(config, overrides=("sim_driver.task=carry",), side="policy")


def test_a_bad_topic_rule_and_a_bad_driver_are_named(config, nodes):
    path = config / "robots" / "droid.yaml"
    path.write_text("/**/graph:\n  ros__parameters:\n    topics: [a-b]\n")
    with pytest.raises(ValueError, match="expected 'ours:=theirs', got 'a-b'"):
        nodes(config)
    path.write_text("/**/graph:\n  ros__parameters:\n    driver: franka\n")
    with pytest.raises(ValueError, match="must be 'package/executable', got 'franka'"):
        nodes(config, sim=False)


def test_the_recorder_gets_the_robots_file_its_topics_and_the_controllers_limits(config, nodes):
    (config / "recorder.yaml").write_text("/**:\n  ros__parameters:\n    folder: a\n")
    (config / "robots" / "droid.yaml").write_text(
        "/**/graph:\n  ros__parameters:\n    topics: ['wrist/image_raw:=/hand/color']\n"
        "/**/controller:\n  ros__parameters:\n    limit_scale: 0.5\n"
        "    tighter_limits: ['panda_joint1.velocity=0.5']\n"
        "/**/recorder:\n  ros__parameters:\n    jpeg_quality: 80\n"
    )
    options = Options("droid", config_dir=config, overrides=("recorder.folder=b",))
    recorder = build_recorder(options, "1.0")
    assert recorder.remappings == (("wrist/image_raw", "/hand/color"),)
    assert recorder.parameters == {
        "robot": "droid",
        "robot_file": str(config / "robots" / "droid.yaml"),
        "software": "1.0",
        "limits": ["limit_scale=0.5", "panda_joint1.velocity=0.5"],
        "folder": "b",
    }
    assert setting(recorder, "jpeg_quality") == 80
    assert "recorder" not in nodes(config)  # beside the graph, not in it
    with pytest.raises(ValueError, match="no node 'controller'; nodes: recorder"):
        build_recorder(Options("droid", config_dir=config, overrides=("controller.rate_hz=9",)))
