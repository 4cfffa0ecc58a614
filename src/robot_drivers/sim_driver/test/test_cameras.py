"""Pictures: repeatable by seed, right side up, and showing what a policy must see."""

import colorsys

import numpy as np
import pytest

from sim_driver import cameras
from sim_driver.cameras import Cameras, RenderingUnavailableError
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots

FRANKA = robots.get("droid")
HUES = {"red": 0.995, "green": 0.36, "blue": 0.60, "yellow": 0.135, "purple": 0.78}


@pytest.fixture(autouse=True)
def _needs_egl():
    """Skips, with the install command, where headless rendering is not installed."""
    robot = SimulatedRobot(FRANKA, 0, now_ns=0)
    try:
        Cameras(robot.model, FRANKA.views).close()
    except RenderingUnavailableError as error:
        pytest.skip(str(error))


def pictures(seed, sim=FRANKA, target=None, seconds=1.5):
    """Every view of the robot at home, or after it was commanded to ``target`` on the wire."""
    robot = SimulatedRobot(sim, seed, now_ns=0)
    for now in range(0, round(seconds * 1e9) if target else 0, 100_000_000):
        robot.command(robot.joint_names, target, now)
        robot.advance(now)
    lens = Cameras(robot.model, sim.views)
    lens.see(robot.scene_state())
    seen = {view.name: lens.render(view.name) for view in sim.views}
    lens.close()
    return seen


def home(sim):
    """Home on the wire, by joint name."""
    return {joint.name: joint.commanded.to_wire(joint.home) for joint in sim.joints}


def changed(one, other):
    """[H, W] which pixels differ much."""
    return np.abs(one.astype(int) - other.astype(int)).max(axis=-1) > 30


def coloured(image, hue):
    """Number of strongly coloured pixels within 0.05 of ``hue``."""
    pixels = image.reshape(-1, 3) / 255.0
    strong = pixels[np.ptp(pixels, axis=1) > 0.3]
    colours, counts = np.unique(strong, axis=0, return_counts=True)
    found = np.array([colorsys.rgb_to_hsv(*colour)[0] for colour in colours])
    away = np.abs(found - hue)
    return counts[np.minimum(away, 1 - away) < 0.05].sum()


def test_same_seed_same_pixels():
    first, again, other = pictures(7), pictures(7), pictures(8)
    for view in FRANKA.views:
        assert first[view.name].shape == (view.height, view.width, 3)
        assert first[view.name].dtype == np.uint8
        assert first[view.name].flags.c_contiguous
        np.testing.assert_array_equal(first[view.name], again[view.name])
        assert (first[view.name] != other[view.name]).mean() > 0.05


@pytest.mark.parametrize("seed", [0, 11])
def test_exterior_views_show_every_block(seed):
    seen = pictures(seed)
    for view in ("exterior_1", "exterior_2"):
        for name, hue in HUES.items():
            assert coloured(seen[view], hue) > 8, f"{name} in {view}"


def test_pictures_are_the_right_way_up():
    for view in ("exterior_1", "exterior_2"):
        image = pictures(0)[view].astype(float)
        sky, table = image[2].mean(axis=0), image[150, 100:220].mean(axis=0)
        assert sky[2] > sky[0]  # bluish
        assert table[0] > table[2] + 20  # wood


def test_wrist_camera_sees_the_fingers_close():
    robot = SimulatedRobot(FRANKA, 0, now_ns=0)
    lens = Cameras(robot.model, FRANKA.views)
    lens.see(robot.scene_state())
    opened = lens.render("wrist").astype(int)
    home = [joint.home for joint in FRANKA.joints]
    for now in range(0, 1_500_000_000, 100_000_000):
        robot.command(robot.joint_names, [*home[:7], 0.0], now)
        robot.advance(now)
    lens.see(robot.scene_state())
    closed = lens.render("wrist").astype(int)
    lens.close()
    changed = np.abs(opened - closed).max(axis=-1) > 30
    assert changed[120:].mean() > 0.03
    assert changed[:60].mean() < 0.01
    dark = (closed.max(axis=-1) < 90)[130:, 120:200]
    assert dark.mean() > (opened.max(axis=-1) < 90)[130:, 120:200].mean() + 0.1


def test_unknown_view_is_named():
    robot = SimulatedRobot(FRANKA, 0, now_ns=0)
    lens = Cameras(robot.model, FRANKA.views)
    with pytest.raises(ValueError, match="no view 'top'; there are: exterior_1, exterior_2, wrist"):
        lens.render("top")
    lens.close()


def test_no_egl_names_the_packages(monkeypatch):
    def missing():
        raise ImportError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(cameras, "_egl", missing)
    robot = SimulatedRobot(FRANKA, 0, now_ns=0)
    with pytest.raises(RenderingUnavailableError, match="libegl1 libgl1-mesa-dri") as caught:
        Cameras(robot.model, FRANKA.views)
    assert "libEGL.so.1" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "overview", "wrists"),
    [
        ("agibot_g1", "head", {"hand_left": "left_gripper_joint1",
                               "hand_right": "right_gripper_joint1"}),
        ("yam", "top", {"left": "left_gripper", "right": "right_gripper"}),
    ],
)  # fmt: skip
def test_two_armed_robots_see_blocks_and_their_own_grippers(name, overview, wrists):
    """Each wrist camera sees its own gripper close, near the picture's lower edge, and big."""
    sim = robots.get(name)
    open_wire = home(sim)
    closed = {"agibot_g1": 1.0, "yam": 0.0}[name]
    before = pictures(0, sim)
    for view in sim.views:
        assert before[view.name].shape == (view.height, view.width, 3)
        assert before[view.name].std() > 20
    for block, hue in HUES.items():
        assert coloured(before[overview], hue) > 60, block
    for view, gripper in wrists.items():
        after = pictures(0, sim, list((open_wire | {gripper: closed}).values()))
        moved = {seen: changed(before[seen], after[seen]) for seen in before}
        height = moved[view].shape[0]
        assert moved[view][height // 2 :].mean() > 0.05
        assert moved[view][: height // 3].mean() < 0.01
        assert moved[overview].mean() > 0.0005  # the overview shows the hands too


def test_every_block_is_in_the_overview_whatever_the_seed():
    for name, overview in (("agibot_g1", "head"), ("yam", "top")):
        for seed in (1, 2):
            seen = pictures(seed, robots.get(name))[overview]
            for block, hue in HUES.items():
                assert coloured(seen, hue) > 60, f"{block} of seed {seed} in {name}"
