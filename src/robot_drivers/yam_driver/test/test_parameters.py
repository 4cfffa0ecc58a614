"""The files in config/ state the defaults."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from dreamzero_policy.ros.parameters import resolve
from yam_driver.parameters import YamDriverParameters, YamLeaderParameters

CONFIG = Path(__file__).resolve().parents[4] / "config"


@pytest.mark.parametrize(
    ("name", "cls"), [("yam_driver", YamDriverParameters), ("yam_leader", YamLeaderParameters)]
)
def test_a_file_states_the_defaults(name, cls):
    path = CONFIG / f"{name}.yaml"
    text = path.read_text()
    stated = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert resolve(cls, {"robot": "yam", **stated}) == cls(robot="yam")
    for field in fields(cls):
        if field.name not in ("robot", "autostart"):
            assert f"{field.name}:" in text, field.name


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"gripper_type": "robotiq"}, "gripper_type: expected one of linear_4310"),
        ({"arm_type": "big_yam"}, "arm_type: expected one of yam, yam_pro, yam_ultra"),
        ({"left_gripper_limits": "0 6"}, "left_gripper_limits: expected a list of numbers"),
        ({"largest_distance": 3.0}, "largest_distance: expected at least"),
        ({"command_timeout_s": 0.0}, "command_timeout_s: expected at least"),
    ],
)
def test_a_bad_value_is_named(given, match):
    with pytest.raises(ValueError, match=match):
        resolve(YamDriverParameters, {"robot": "yam", **given})
