"""The file in config/ names every parameter of the driver, with the defaults of the code."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="parameters are declared with rclpy")

from dreamzero_policy.ros.parameters import NodeParameters, resolve
from sim_driver.parameters import SimDriverParameters

CONFIG = Path(__file__).resolve().parents[4] / "config" / "sim_driver.yaml"


def test_the_file_states_the_defaults():
    stated = yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]
    of_every_node = {field.name for field in fields(NodeParameters)}
    assert set(stated) == {field.name for field in fields(SimDriverParameters)} - of_every_node
    made = resolve(SimDriverParameters, {"robot": "droid", **stated})
    assert made == SimDriverParameters(robot="droid")
