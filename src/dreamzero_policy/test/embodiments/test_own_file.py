"""A robot's own file: found by folder and name, and every way in which it may be wrong."""

import pytest

from dreamzero_policy import embodiments

GOOD = """
from dataclasses import dataclass, replace
from dreamzero_policy.embodiments.droid import DROID as other


@dataclass
class Note:
    text: str = ""


WIDGET = replace(other, name="widget", tag="widget")
del other
"""


def write(folder, text, name="widget"):
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def test_it_is_found_by_name_in_its_folder_only(tmp_path):
    path = write(tmp_path, GOOD)
    assert embodiments.locate("widget", tmp_path) == str(path)
    robot = embodiments.get(embodiments.locate("widget", tmp_path))
    assert (robot.name, robot.tag) == ("widget", "widget")
    assert embodiments.get(str(path)) is robot
    assert embodiments.names(tmp_path) == ("agibot_g1", "droid", "widget", "yam")
    with pytest.raises(ValueError, match="unknown robot 'widget'; known robots: agibot_g1, droid"):
        embodiments.get("widget")


def test_a_robot_of_this_stack_is_found_beside_it(tmp_path):
    assert embodiments.locate("droid", tmp_path) == "droid"
    assert embodiments.locate("droid", tmp_path / "nowhere") == "droid"


def test_the_file_of_a_simulated_scene_is_no_robot(tmp_path):
    write(tmp_path, GOOD)
    write(tmp_path, "", name="widget_sim")
    write(tmp_path, "", name="not-a-name")
    assert embodiments.names(tmp_path) == ("agibot_g1", "droid", "widget", "yam")


@pytest.mark.parametrize("name", ["../widget", "wid/get", "", "wid get", "/etc/passwd"])
def test_a_name_is_no_path(tmp_path, name):
    write(tmp_path, GOOD)
    (tmp_path / "below").mkdir()
    with pytest.raises(ValueError, match="unknown robot"):
        embodiments.locate(name, tmp_path / "below")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected one constant of class Embodiment, got 0"),
        (GOOD + "\nOTHER = replace(WIDGET, tag='x')\n", "of class Embodiment, got 2"),
        (GOOD.replace('name="widget"', 'name="gadget"'), "expected name='widget' as the file is"),
        ("x = 1\nfrom nowhere import y\n", r"widget\.py:2: ModuleNotFoundError"),
        ("x = 1\n\nx = (\n", r"widget\.py:3: SyntaxError"),
        (
            GOOD.replace('tag="widget"', "home=(0.0,)"),
            r"widget\.py:\d+: ValueError: widget: home has 1 values for 8 joints",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=expected) as caught:
        embodiments.get(str(path))
    assert str(path) in str(caught.value)


def test_a_robot_of_this_stack_is_not_replaced_in_silence(tmp_path):
    write(tmp_path, GOOD.replace('name="widget"', 'name="droid"'), name="droid")
    with pytest.raises(ValueError, match="a robot 'droid' comes with this stack already"):
        embodiments.get(embodiments.locate("droid", tmp_path))


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"expected the file .*/widget\.py, there is none"):
        embodiments.get(str(tmp_path / "widget.py"))
