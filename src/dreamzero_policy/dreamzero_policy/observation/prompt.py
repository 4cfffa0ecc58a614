"""From what a person typed to the sentence a checkpoint was trained on (design: data.md 1.7)."""

from __future__ import annotations

import ast
import html
import re

NEGATIVE_PROMPT = (
    "Vibrant colors, overexposed, static, blurry details, text, subtitles, style, artwork, "
    "painting, image, still, grayscale, dull, worst quality, low quality, JPEG artifacts, ugly, "
    "mutilated, extra fingers, bad hands, bad face, deformed, disfigured, mutated limbs, fused "
    "fingers, stagnant image, cluttered background, three legs, many people in the background, "
    "walking backwards."
)
"""What guidance steers away from, byte for byte as the checkpoints saw it."""

_MARKERS = re.compile("<(?:LAPA|DREAM|COTRAIN)>")


def clean_instruction(text: str) -> str:
    """The instruction in the form that goes into the template.

    Markers of the training mixture are removed; a text that is a Python literal is replaced by its
    value, a list or tuple by its first element; the rest is lower-cased.

    Raises:
        ValueError: nothing is left to follow.
    """
    text = _MARKERS.sub("", text)
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if isinstance(value, list | tuple):
        value = value[0] if value else ""
    words = str(value).lower()
    if not words.strip():
        raise ValueError(f"instruction: expected words, got {text!r}")
    return words


def render(template: str, instruction: str) -> str:
    """The prompt of ``instruction`` in ``template``, ready for the tokenizer.

    Args:
        template: an embodiment's sentence with ``{}`` wherever the instruction goes.
        instruction: as the person wrote it.

    Returns:
        The prompt with broken Unicode mended, HTML entities resolved and white space collapsed.

    Raises:
        ValueError: the instruction is empty.
    """
    from ftfy import fix_text  # only where the policy runs: the robot host has no need of it

    prompt = template.replace("{}", clean_instruction(instruction))
    return " ".join(html.unescape(html.unescape(fix_text(prompt))).split())
