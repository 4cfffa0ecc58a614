"""The files in config/ name every parameter of their node, with the defaults of the code."""

from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from dreamzero_policy.ros.parameters import resolve

CONFIG = Path(__file__).resolve().parents[4] / "config"
NODES = {
    "camera_tiler": ("parameters.camera_tiler_parameters", "CameraTilerParameters"),
    "proprioception": ("nodes.proprioception_node", "ProprioceptionParameters"),
    "controller": ("parameters.controller_parameters", "ControllerParameters"),
    "policy": ("parameters.policy_parameters", "PolicyParameters"),
    "recorder": ("parameters.recorder_parameters", "RecorderParameters"),
}


@pytest.mark.parametrize("node", NODES)
def test_a_file_states_the_defaults(node):
    module, name = NODES[node]
    cls = getattr(import_module(f"dreamzero_policy.{module}"), name)
    path = CONFIG / f"{node}.yaml"
    stated = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
    made = resolve(cls, {"robot": "droid", **stated})
    assert made == cls(robot="droid")
    text = path.read_text()
    for field in fields(cls):
        if field.default is not MISSING and field.name not in ("robot", "autostart"):
            # A list is empty by default, which YAML gives no type: it stands in a comment.
            assert f"{field.name}:" in text, f"{path}: {field.name} is not mentioned"
