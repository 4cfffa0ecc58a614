"""Prompts as the blocks see them: what is encoded, and how often."""

from types import SimpleNamespace

import pytest
from fake_model import ROBOT

from dreamzero_policy.inference.prompts import Prompts
from dreamzero_policy.observation.prompt import NEGATIVE_PROMPT, render


@pytest.fixture
def session(fake):
    return fake.engine().new_session(0)


def prompts(fake, *, guided):
    return Prompts(fake.model, fake.model.dit, ROBOT.prompt, guided=guided, whole=True)


def test_without_guidance_there_is_the_rendered_instruction_alone(fake, session):
    (only,) = prompts(fake, guided=False).of(session, "Stack the Blocks")
    assert only is not None
    assert fake.model.prompts == [render(ROBOT.prompt, "Stack the Blocks")]


def test_the_negative_prompt_is_encoded_once_whatever_is_asked_for(fake, session):
    made = prompts(fake, guided=True)
    first, second = made.of(session, "move"), made.of(session, "stop")
    assert first[1] is second[1]
    rendered = [render(ROBOT.prompt, each) for each in ("move", "stop")]
    assert fake.model.prompts == [rendered[0], NEGATIVE_PROMPT, rendered[1]]


def test_what_a_session_has_of_its_instruction_is_taken(fake):
    had = ("text", "negative")
    session = SimpleNamespace(texts=had, prompt="move")
    made = prompts(fake, guided=True)
    assert made.of(session, "move") is had
    assert not fake.model.prompts
    assert made.of(session, "stop") is not had


def test_an_empty_instruction_is_refused(fake, session):
    with pytest.raises(ValueError, match="instruction"):
        prompts(fake, guided=True).of(session, " ")
