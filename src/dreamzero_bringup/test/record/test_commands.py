"""A crew's words, and what they ask of the recorder."""

from types import SimpleNamespace

import pytest

pytest.importorskip("dreamzero_msgs.msg")

from dreamzero_bringup.operator_client import Answer
from dreamzero_bringup.record.commands import Commands
from dreamzero_bringup.record.recorder_client import EpisodeRequest


class Recorder:
    """Notes what is asked of it."""

    def __init__(self):
        self.asked, self.answer = [], Answer(True, "done")
        self.status = SimpleNamespace(state=1, RECORDING=1)

    def __getattr__(self, name):
        def ask(*args, **named):
            self.asked.append((name, *args, *named.values()))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return ask


@pytest.fixture
def crew():
    recorder, said = Recorder(), []
    request = EpisodeRequest("fold", task="towels", operator="ada")
    commands = Commands(recorder, request, said.append, lambda: said.append("streams"))
    return SimpleNamespace(run=commands.run, recorder=recorder, said=said, commands=commands)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("start", ("start", EpisodeRequest("fold", "towels", "ada"))),
        ("s wipe it\n", ("start", EpisodeRequest("wipe it", "towels", "ada"))),
        ("mark now the cup", ("mark", "instruction", "now the cup")),
        ("n a dog came in", ("mark", "note", "a dog came in")),
        ("save", ("end", False, "unknown", "")),
        ("w s", ("end", False, "success", "")),
        ("save failure fell down", ("end", False, "failure", "fell down")),
        ("save it went well", ("end", False, "unknown", "it went well")),
        ("discard", ("end", True)),
        ("annotate p half", ("annotate", "partial", "half")),
    ],
)
def test_a_line_asks_for_what_it_says(crew, text, asked):
    assert crew.run(text)
    assert crew.recorder.asked == [asked]
    assert crew.said == ["done"]


def test_again_discards_and_begins_with_the_same_instruction(crew):
    crew.run("start wipe it")
    crew.run("again")
    assert [one[0] for one in crew.recorder.asked] == ["start", "end", "start"]
    assert crew.recorder.asked[2][1].prompt == "wipe it"
    crew.recorder.answer = Answer(False, "nothing runs")
    crew.run("a")
    assert [one[0] for one in crew.recorder.asked] == ["start", "end", "start", "end"]
    assert crew.said[-1] == "not done: nothing runs"


def test_what_cannot_be_is_said_and_the_console_goes_on(crew):
    assert crew.run("jump")
    assert crew.said[0].startswith("expected one of start, mark,")
    assert crew.run("annotate great")
    assert crew.said[1] == (
        "error: expected one of success, failure, partial, unknown, got 'great'"
    )
    crew.recorder.answer = ValueError("none is there")
    assert crew.run("save")
    assert crew.said[2] == "error: none is there"
    assert crew.run("   ")
    assert crew.run("v")
    assert crew.said[3] == "streams"
    assert not crew.run("quit")


def test_leaving_saves_what_runs(crew):
    crew.commands.finish()
    assert crew.recorder.asked[0][:2] == ("end", False)
    crew.recorder.status.state = 0
    crew.commands.finish()
    assert len(crew.recorder.asked) == 1
