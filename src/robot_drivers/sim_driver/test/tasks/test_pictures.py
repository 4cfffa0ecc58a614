"""What a policy sees of a task: every object, in its colour, at the size of a small view."""

import colorsys
from collections import Counter

import mujoco
import numpy as np
import pytest

from sim_driver import tasks
from sim_driver.cameras import RenderingUnavailableError
from sim_driver.models import robots
from sim_driver.tasks.task import COLOURS
from sim_driver.virtual import VirtualRobot

SPOTS = [(x, y) for x in (-0.6, 0.0, 0.6) for y in (-0.6, 0.0, 0.6)]
"""Points of an object's top, as shares of its half sizes."""
OVERVIEWS = {"droid": ("exterior_1", "exterior_2"), "yam": ("top",), "agibot_g1": ("head",)}
SIZE = (88, 160)
PIXELS = 8
"""An object of which fewer are seen in the best overview is not seen."""


def by_colour(image):
    """Number of pixels of each named colour."""
    pixels = image.reshape(-1, 3) / 255.0
    strong = pixels[np.ptp(pixels, axis=1) > 0.3]
    hues = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in strong])
    away = np.abs(hues[:, None] - np.array(list(COLOURS.values())))
    away = np.minimum(away, 1 - away)
    nearest = away.argmin(axis=1)[away.min(axis=1) < 0.04]
    return Counter(np.array(list(COLOURS))[nearest].tolist())


@pytest.mark.parametrize(
    ("name", "task"), [(name, task) for name in OVERVIEWS for task in tasks.names(robots.get(name))]
)
def test_every_object_is_seen_in_its_colour(name, task):
    for seed in (0, 1, 2):
        robot = VirtualRobot(name, task, seed, picture_size=SIZE)
        try:
            seen = robot.see()
        except RenderingUnavailableError as error:
            pytest.skip(str(error))
        robot.close()
        counts = [by_colour(seen[view]) for view in OVERVIEWS[name]]
        wanted = Counter(item.colour for item in robot.judge.layout.items)
        for colour, items in wanted.items():
            best = max(count[colour] for count in counts)
            assert best >= PIXELS * items, (seed, colour, best)


@pytest.mark.parametrize("task", ["reach", "hover"])
@pytest.mark.parametrize("name", OVERVIEWS)
def test_where_one_begins_to_reach_no_arm_hides_a_thing(name, task):
    """What is hidden then cannot be asked for by its colour."""
    for seed in range(6):
        robot = VirtualRobot(name, task, seed)
        model = robot._robot.model
        data = mujoco.MjData(model)
        data.qpos[:] = robot.scene_state
        mujoco.mj_forward(model, data)
        for thing in robot.judge.layout.things:
            top = [(x * thing.half[0], y * thing.half[1], thing.half[2]) for x, y in SPOTS]
            spots = data.body(thing.name).xpos + np.array(top)
            best = max(
                sum(sees(model, data, view, spot, thing.name) for spot in spots)
                for view in OVERVIEWS[name]
            )
            assert best >= len(SPOTS) - 1, (seed, thing.name, best)


def sees(model, data, view, spot, body):
    """Whether what a camera meets first on its way to a point belongs to the body."""
    eye, met = data.camera(view).xpos, np.zeros(1, np.int32)
    bearer = model.camera(view).bodyid[0]  # a lens may lie behind its surface, which is not drawn
    away = mujoco.mj_ray(model, data, eye, spot - eye, None, 1, bearer, met)
    return away > 0 and model.body(model.geom_bodyid[met[0]]).name == body
