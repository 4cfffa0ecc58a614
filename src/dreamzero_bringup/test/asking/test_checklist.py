"""The READMEs' checklists are what the walk asks for."""

from pathlib import Path

import pytest

from dreamzero_bringup.asking import checklist
from dreamzero_policy import embodiments

DRIVERS = Path(__file__).resolve().parents[3] / "robot_drivers"
ROBOTS = {"franka_driver": "droid", "yam_driver": "yam", "agibot_driver": "agibot_g1"}


@pytest.mark.skipif(not DRIVERS.is_dir(), reason="not in the source tree")
@pytest.mark.parametrize("package", ROBOTS)
def test_every_hardware_driver_has_one_that_names_its_walk(package):
    items = checklist.parse((DRIVERS / package / "README.md").read_text())
    walked = [item for item in items if item.walked]
    assert walked
    assert len(items) - len(walked) >= 8
    assert all(f"dreamzero doctor {ROBOTS[package]} --walk" in item.text for item in walked)
    assert set(ROBOTS.values()) <= set(embodiments.names())


@pytest.mark.parametrize("package", ROBOTS)
def test_what_is_installed_is_the_readme(package):
    pytest.importorskip("ament_index_python", reason="needs the built workspace")
    source = DRIVERS / package / "README.md"
    if source.is_file():
        assert checklist.of_package(package) == checklist.parse(source.read_text())


def test_items_are_read_whole():
    items = checklist.parse(
        "# x\n\n## First power-on: all of it\n\nHands off.\n\n1. [ ] One\n   and more.\n"
        "2. `dreamzero doctor x --walk`.\n\n## Next\n\n1. no\n"
    )
    assert [(item.number, item.text, item.walked) for item in items] == [
        (1, "One and more.", False),
        (2, "`dreamzero doctor x --walk`.", True),
    ]


@pytest.mark.parametrize("text", ["# x\n", "## First power-on\n", "## First power-on\n2. no\n"])
def test_a_readme_without_a_list_is_refused(text):
    with pytest.raises(ValueError, match="power-on"):
        checklist.parse(text)


def test_what_was_confirmed_is_kept_and_a_damaged_file_is_nothing(tmp_path):
    path = tmp_path / "confirmed.json"
    assert checklist.answered(path) == {}
    checklist.remember(path, {"One": "today"})
    assert checklist.answered(path) == {"One": "today"}
    path.write_text("[")
    assert checklist.answered(path) == {}
