"""What a checkpoint fixes of the nodes beside the robot, in graphs: followed, or refused."""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.embodiments.embodiment import TimeBase

CONFIG = Path(__file__).parents[4] / "config"


@pytest.fixture(scope="module")
def faster(tmp_path_factory) -> str:
    """A checkpoint of chunks of 24 rows at 20 Hz: a canvas every 0.15 s."""
    path = tmp_path_factory.mktemp("checkpoint") / "faster"
    robot = replace(embodiments.get("droid"), time_base=TimeBase(20, 3, 24))
    make_random("tiny", path, robot, changes=("num_layers=1", "text.num_layers=1"))
    return str(path)


@pytest.mark.parametrize("side", ["all", "robot"])
@pytest.mark.parametrize("where", ["option", "override", "file"])
def test_the_time_base_is_the_checkpoint_s(config, faster, side, where, nodes):
    (config / "proprioception.yaml").write_text("/**:\n  ros__parameters:\n    rate_hz: 30\n")
    source = faster if where == "file" else "random:tiny"
    (config / "policy.yaml").write_text(f"/**:\n  ros__parameters:\n    checkpoint: {source}\n")
    choices = {
        "option": {"checkpoint": faster},
        "override": {"overrides": (f"policy.checkpoint={faster}",)},
        "file": {},
    }[where]
    graph = nodes(config, side=side, **choices)
    tiler, state = graph["camera_tiler"], graph["proprioception"]
    assert tiler.parameters["frame_hz"] == state.parameters["frame_hz"] == pytest.approx(20 / 3)
    assert (
        state.parameters["rate_hz"] == 40
    )  # the least multiple of 20 / 3 that is whole and not below 30
    assert tiler.remark == (
        "as the checkpoint faster asks: 24 rows at 20 Hz (1.2 s, a frame every 3 rows), so "
        "canvases come at 6.667 Hz; states at 40 Hz"
    )
    assert [node.name for node in graph.values() if node.remark] == ["camera_tiler"]


def test_a_checkpoint_with_the_robot_s_times_changes_nothing(config, tmp_path, nodes):
    (config / "policy.yaml").write_text("/**:\n  ros__parameters:\n    checkpoint: random:tiny\n")
    graph = nodes(config)
    assert all(set(node.parameters) == {"robot"} for node in graph.values())
    assert not any(node.remark for node in graph.values())


def test_more_canvases_than_frames_are_served_where_the_policy_takes_them(config, faster, nodes):
    for node in ("policy", "camera_tiler", "proprioception"):
        shutil.copy(CONFIG / f"{node}.yaml", config)
    override = "policy.canvases_per_frame=2"
    graph = nodes(config, overrides=(override,))
    assert graph["camera_tiler"].parameters["frame_hz"] == 10.0
    assert "rate_hz" not in graph["proprioception"].parameters
    assert "canvases come at 10 Hz (2 a frame)" in graph["camera_tiler"].remark
    graph = nodes(config, checkpoint=faster, overrides=(override,))
    assert graph["camera_tiler"].parameters["frame_hz"] == pytest.approx(40 / 3)
    assert graph["proprioception"].parameters["rate_hz"] == 40
    with pytest.raises(ValueError, match=r"canvases_per_frame is 2; got 6\.667"):
        nodes(config, checkpoint=faster, overrides=(override, "camera_tiler.frame_hz=6.667"))


@pytest.mark.parametrize("value", ["fast", ".inf", ".nan", "-1", "[1]", "true", "{}"])
def test_what_is_no_number_is_left_to_its_node_to_refuse(config, faster, value, nodes):
    for node, name in (
        ("policy", "chunk_rows"),
        ("policy", "canvases_per_frame"),
        ("camera_tiler", "frame_hz"),
        ("camera_tiler", "view_size"),
        ("proprioception", "rate_hz"),
    ):
        path = config / f"{node}.yaml"
        path.write_text(f"/**:\n  ros__parameters:\n    {name}: {value}\n")
        with suppress(ValueError):  # refused here already, or later; nothing else is raised
            nodes(config, checkpoint=faster)
        path.unlink()


def test_random_weights_bring_their_rows_and_views(config, nodes):
    graph = nodes(config, checkpoint="random:wan22_5b", overrides=("policy.chunk_rows=48",))
    assert graph["camera_tiler"].parameters["frame_hz"] == 2.5
    assert graph["camera_tiler"].parameters["view_size"] == [160, 320]
    assert graph["proprioception"].parameters["frame_hz"] == 2.5


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("policy.chunk_rows=48", "policy.chunk_rows: expected 24, .* faster has 24 rows at 20 Hz"),
        ("camera_tiler.frame_hz=5", "camera_tiler.frame_hz: expected 6.667, .* got 5: leave it"),
        ("proprioception.frame_hz=5", "proprioception.frame_hz: expected 6.667, .*; got 5"),
        ("proprioception.rate_hz=30", "rate_hz: expected a multiple of the 6.667 Hz .*; got 30"),
        ("camera_tiler.view_size=[8, 8]", r"view_size: expected \[\d+, \d+\], .* got \[8, 8\]"),
    ],
)
def test_a_setting_that_contradicts_the_checkpoint_is_refused(
    config, faster, override, said, nodes
):
    for node in ("policy", "camera_tiler", "proprioception"):
        shutil.copy(CONFIG / f"{node}.yaml", config)
    with pytest.raises(ValueError, match=said):
        nodes(config, checkpoint=faster, overrides=(override,))


def test_what_is_set_as_the_checkpoint_has_it_is_left(config, faster, nodes):
    shutil.copy(CONFIG / "camera_tiler.yaml", config)
    graph = nodes(config, checkpoint=faster, overrides=("camera_tiler.frame_hz=6.667",))
    assert graph["camera_tiler"].parameters["frame_hz"] == pytest.approx(20 / 3)


@pytest.mark.parametrize("side", ["robot", "all"])
def test_a_robot_s_host_without_the_checkpoint_has_what_its_user_sets(config, side, nodes):
    """The default of a file that nobody meant says nothing of the policy's host."""
    for node in ("policy", "camera_tiler"):
        shutil.copy(CONFIG / f"{node}.yaml", config)
    graph = nodes(config, side=side, overrides=("camera_tiler.frame_hz=3.75",))
    assert graph["camera_tiler"].parameters["frame_hz"] == 3.75
    with pytest.raises(ValueError, match="expected 5, since the checkpoint random:tiny has 24"):
        nodes(
            config,
            side=side,
            checkpoint="random:tiny",
            overrides=("camera_tiler.frame_hz=3.75",),
        )


def test_a_checkpoint_that_cannot_be_read_is_left_to_the_policy_to_refuse(config, tmp_path, nodes):
    graph = nodes(config, checkpoint=str(tmp_path))
    assert set(graph["camera_tiler"].parameters) == {"robot"}
