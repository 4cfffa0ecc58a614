"""A crew's commands, one line each: what they mean, and what they ask of the recorder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dreamzero_bringup.record.recorder_client import EpisodeRequest, RecorderClient

HELP = """\
  start [INSTRUCTION]       begin an episode (s)
  mark INSTRUCTION          the next sub-task begins now (m)
  note TEXT                 note something at this instant (n)
  save [OUTCOME] [NOTES]    end it and keep it; success, failure, partial or unknown (w)
  discard                   end it and put it into the trash folder (d)
  again                     discard it and begin anew with the same instruction (a)
  annotate OUTCOME [NOTES]  say how the last episode went
  streams                   every stream: rate, gaps, what is wrong (v)
  help (h), quit (q); an episode that runs is saved when you quit"""

_SHORT = {"s": "start", "m": "mark", "n": "note", "w": "save", "d": "discard", "a": "again",
          "v": "streams", "h": "help", "?": "help", "q": "quit", "exit": "quit"}  # fmt: skip
_OUTCOMES = ("success", "failure", "partial", "unknown")


class Commands:
    """Carries out lines.

    Args:
        client: of the recorder.
        request: what is known of every episode; ``start`` changes its instruction.
        say: takes lines for the crew.
        show_streams: shows every stream.
    """

    def __init__(
        self,
        client: RecorderClient,
        request: EpisodeRequest,
        say: Callable[[str], None],
        show_streams: Callable[[], None],
    ) -> None:
        self._client, self._request = client, request
        self._say, self._show_streams = say, show_streams

    def run(self, text: str) -> bool:
        """Carries out a line; false for ``quit``. What goes wrong is said, never raised."""
        word, _, rest = text.strip().partition(" ")
        command = _SHORT.get(word.lower(), word.lower())
        if command == "quit":
            return False
        known = {
            "start": self._start,
            "mark": lambda rest: self._noted("instruction", rest),
            "note": lambda rest: self._noted("note", rest),
            "save": self._save,
            "discard": lambda _: self._said(self._client.end(discard=True)),
            "again": self._again,
            "annotate": self._annotate,
            "streams": lambda _: self._show_streams(),
            "help": lambda _: self._say(HELP),
        }
        if command not in known:
            if command:
                self._say(f"expected one of {', '.join([*known, 'quit'])}, got {word!r}")
            return True
        try:
            known[command](rest.strip())
        except ValueError as error:
            self._say(f"error: {error}")
        return True

    def finish(self) -> None:
        """Saves the episode that runs, if one does."""
        status = self._client.status
        if status is not None and status.state == status.RECORDING:
            try:
                self._said(self._client.end(discard=False, notes="saved when the console was left"))
            except ValueError as error:
                self._say(f"error: {error}")

    def _start(self, instruction: str) -> None:
        self._request = replace(self._request, prompt=instruction or self._request.prompt)
        self._said(self._client.start(self._request))

    def _again(self, _: str) -> None:
        answer = self._client.end(discard=True)
        self._said(answer)
        if answer.success:
            self._said(self._client.start(self._request))

    def _noted(self, kind: str, text: str) -> None:
        self._said(self._client.mark(kind, text))

    def _save(self, text: str) -> None:
        outcome, notes = _outcome(text)
        self._said(self._client.end(False, outcome or "unknown", notes))

    def _annotate(self, text: str) -> None:
        outcome, notes = _outcome(text)
        if not outcome:
            raise ValueError(f"expected one of {', '.join(_OUTCOMES)}, got {text!r}")
        self._said(self._client.annotate(outcome, notes))

    def _said(self, answer: object) -> None:
        self._say(answer.message if answer.success else f"not done: {answer.message}")


def _outcome(text: str) -> tuple[str, str]:
    """The outcome at the head of a text, or its first letter, and the rest."""
    word, _, rest = text.partition(" ")
    for outcome in _OUTCOMES:
        if word and (word == outcome or word == outcome[0]):
            return outcome, rest.strip()
    return "", text
