"""The file in config/ states the defaults."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from agibot_driver.parameters import AgibotDriverParameters
from dreamzero_policy.ros.parameters import resolve

CONFIG = Path(__file__).resolve().parents[4] / "config"


def test_a_file_states_the_defaults():
    text = (CONFIG / "agibot_driver.yaml").read_text()
    stated = yaml.safe_load(text)["/**"]["ros__parameters"]
    defaults = AgibotDriverParameters(robot="agibot_g1")
    assert resolve(AgibotDriverParameters, {"robot": "agibot_g1", **stated}) == defaults
    for field in fields(AgibotDriverParameters):
        if field.name not in ("robot", "autostart"):
            assert f"{field.name}:" in text, field.name


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"bridge_port": 0}, "bridge_port: expected at least 1 and at most 65535, got 0"),
        ({"stale_after_s": 9.0}, "stale_after_s: expected at least"),
        ({"largest_distance": 3.0}, "largest_distance: expected at least"),
        ({"bridge_hots": "x"}, "did you mean bridge_host"),
    ],
)
def test_a_bad_value_is_named(given, match):
    with pytest.raises(ValueError, match=match):
        resolve(AgibotDriverParameters, {"robot": "agibot_g1", **given})
