"""The stand-in for franky; leaves what speaks ROS out where there is none."""

import importlib.util
import sys
from pathlib import Path

import pytest

_ROS = ("rclpy", "dreamzero_msgs")
collect_ignore = (
    []
    if all(importlib.util.find_spec(name) for name in _ROS)
    else [path.name for path in Path(__file__).parent.glob("test_*.py")]
)


@pytest.fixture
def franky():
    """A fresh stand-in for the module ``franky``."""
    spec = importlib.util.spec_from_file_location(
        "fake_franky", Path(__file__).with_name("fake_franky.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_franky"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fake_franky"]
