"""What a policy sees of a task: every object, in its colour, at the size of a small view."""

import colorsys
from collections import Counter

import numpy as np
import pytest

from sim_driver import tasks
from sim_driver.cameras import RenderingUnavailableError
from sim_driver.models import robots
from sim_driver.tasks.task import COLOURS
from sim_driver.virtual import VirtualRobot

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
