"""The checklist is asked for once; a terminal takes only the answers that it offers."""

import pytest

from dreamzero_bringup.asking import checklist, confirm
from dreamzero_bringup.asking.dialogue import QUIT, Agreeing, Terminal

README = (
    "## First power-on\n\n1. Motors on.\n2. `dreamzero doctor x --walk`.\n3. Range.\n4. Units.\n"
)


class Operator:
    watches = True

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def say(self, text):
        self.asked.append(text.strip())

    def ask(self, question, choices):
        return choices[self.answers.pop(0)]


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.setattr(checklist, "of_package", lambda package: checklist.parse(README))
    return "x_driver"


def test_what_is_confirmed_is_not_asked_for_again(driver, tmp_path):
    found, operator = [], Operator("y", "l", "y")
    assert confirm.confirm(driver, tmp_path, operator, False, found) == ""
    assert [(f.what, f.level.value) for f in found] == [
        ("x_driver 1", "pass"), ("x_driver 3", "warn"), ("x_driver 4", "pass"),
    ]  # fmt: skip
    assert not any("--walk" in text for text in operator.asked)
    again, found = Operator("n"), []
    assert "item 3" in confirm.confirm(driver, tmp_path, again, False, found)
    assert [f.level.value for f in found] == ["pass", "pass", "fail"]
    assert "Range." in again.asked[-1]


def test_nobody_is_asked_where_nobody_watches(driver, tmp_path):
    found = []
    assert confirm.confirm(driver, tmp_path, Agreeing(lambda text: None), True, found) == ""
    assert "3 items not asked for" in found[0].found


def test_it_ends_where_the_operator_ends_it(driver, tmp_path):
    found = []
    assert confirm.confirm(driver, tmp_path, Operator("y", "q"), False, found)
    assert len(found) == 1


@pytest.mark.parametrize(("simulated", "level"), [(True, "skip"), (False, "warn")])
def test_a_robot_whose_driver_is_not_known(tmp_path, simulated, level):
    found = []
    assert confirm.confirm("", tmp_path, Operator(), simulated, found) == ""
    assert [f.level.value for f in found] == [level]


def test_a_terminal_asks_until_it_is_answered():
    said, lines = [], ["", "maybe", "Y"]
    terminal = Terminal(said.append, lambda prompt: lines.pop(0))
    assert terminal.ask("Move it?", {"y": "yes", "q": QUIT}) == "yes"
    assert len(said) == 2

    def ended(prompt):
        raise EOFError

    assert Terminal(said.append, ended).ask("Move it?", {"y": "yes"}) == QUIT
