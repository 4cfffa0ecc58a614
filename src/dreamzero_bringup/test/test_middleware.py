"""Nodes get more shared memory, unless the user chose the middleware's transports."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("ament_index_python", reason="looks up where packages are installed")

from dreamzero_bringup import middleware

FILE = Path(__file__).resolve().parents[3] / "config" / "dds" / "fastdds.xml"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setattr(middleware, "installed_config_dir", lambda: tmp_path)
    (tmp_path / "dds").mkdir()
    return tmp_path / "dds" / "fastdds.xml"


def test_the_installed_profile_is_named(installed):
    assert middleware.environment({}) == {}  # an older installation has none
    installed.write_text("<dds/>")
    assert middleware.environment({}) == {"FASTRTPS_DEFAULT_PROFILES_FILE": str(installed)}


@pytest.mark.parametrize(
    "name",
    [
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTDDS_BUILTIN_TRANSPORTS",
    ],
)
def test_what_the_user_chose_stays(installed, name):
    installed.write_text("<dds/>")
    assert middleware.environment({name: "theirs"}) == {}
    assert middleware.environment({name: ""}) != {}


def test_nothing_is_installed(monkeypatch):
    def missing():
        raise ValueError("not installed")

    monkeypatch.setattr(middleware, "installed_config_dir", missing)
    assert middleware.environment({}) == {}


def test_the_file_holds_two_rounds_of_the_largest_cameras():
    size = next(e for e in ElementTree.parse(FILE).iter() if e.tag.endswith("segment_size"))
    assert int(size.text) > 2 * 3 * 640 * 480 * 3
