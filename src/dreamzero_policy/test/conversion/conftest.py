"""Small recordings of a small robot, written once, and converted."""

from dataclasses import replace

import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.synthetic import write_recording


@pytest.fixture(scope="session")
def settings():
    """Short pieces are kept, so that recordings can be short."""
    return ConversionSettings(robot="droid", least_chunks=1.0)


@pytest.fixture(scope="session")
def record(tmp_path_factory, droid):
    """Writes a recording of a few seconds; cameras and joints slower than a robot's."""

    def write(name="droid_0", robot=droid, folder=None, **options):
        root = folder or tmp_path_factory.mktemp("bags")
        fast = {"seconds": 4.0, "camera_hz": 15.0, "joint_hz": 50.0, "command_hz": 15.0}
        return write_recording(root / name, robot, **{**fast, **options})

    return write


@pytest.fixture(scope="session")
def settings_of():
    """Settings of any robot."""

    def make(name, **changes):
        embodiments.get(name)
        return replace(ConversionSettings(robot=name, least_chunks=1.0), **changes)

    return make
