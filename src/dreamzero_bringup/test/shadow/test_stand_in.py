"""The stand-in's motion is one that a driver and the limits take."""

import numpy as np
import pytest

from dreamzero_bringup.shadow.stand_in import RATE_HZ, sweep
from dreamzero_policy import embodiments


@pytest.mark.parametrize("name", ["droid", "agibot_g1", "yam"])
def test_it_starts_at_home_and_keeps_every_limit(name):
    robot = embodiments.get(name)
    path = np.array([sweep(robot, tick / RATE_HZ) for tick in range(1800)])
    np.testing.assert_allclose(path[0], robot.home)
    for column, joint in enumerate(robot.joints):
        values = path[:, column]
        assert values.min() >= joint.lower - 1e-12
        assert values.max() <= joint.upper + 1e-12
        assert np.abs(np.diff(values)).max() * RATE_HZ <= joint.velocity + 1e-9
        if joint.kind == "gripper":
            assert np.ptp(values) == pytest.approx(joint.upper - joint.lower)
        elif joint.kind == "base":
            assert not values.any()
