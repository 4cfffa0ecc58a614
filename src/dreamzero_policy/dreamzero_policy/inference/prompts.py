"""Prompts as every block sees them: an instruction's once, the negative one once per process."""

from __future__ import annotations

from torch import Tensor

from dreamzero_policy.acceleration.prompt import embed_prompt
from dreamzero_policy.inference.session import Session
from dreamzero_policy.model.context import Side
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.observation.prompt import NEGATIVE_PROMPT, render


class Prompts:
    """Renders, encodes and embeds; what a session has of its instruction is not made again.

    Args:
        model: whose text encoder.
        dit: the network that runs, which may be another than the model's.
        template: how an instruction is rendered for this robot, as ``render`` takes it.
        guided: whether there is a negative prompt.
        whole: every token of a prompt's padding, one by one (the slow twin).
    """

    def __init__(
        self, model: DreamZero, dit: CausalDiT, template: str, *, guided: bool, whole: bool
    ) -> None:
        self._model, self._dit, self._template = model, dit, template
        self._guided, self._whole = guided, whole
        self._negative: Side | None = None

    def of(self, session: Session, instruction: str) -> tuple[Side, ...]:
        """The prompt and, with guidance, the negative prompt."""
        if session.texts and session.prompt == instruction:
            return session.texts
        positive = self._embed(render(self._template, instruction))
        if not self._guided:
            return (positive,)
        if self._negative is None:
            self._negative = self._embed(NEGATIVE_PROMPT)
        return (positive, self._negative)

    def _embed(self, prompt: str) -> Side:
        text: Tensor = self._model.encode_prompt(prompt).to(self._model.device)
        return self._dit.embed_text(text) if self._whole else embed_prompt(self._dit, text)
