"""Prompts to token ids: umT5's sentencepiece model from a local folder, plain bytes, or words.

Nothing is downloaded here. Whoever runs a released checkpoint puts ``spiece.model`` of
google/umt5-xxl beside it; the error says where.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Literal, Protocol

from dreamzero_policy.weights.errors import CheckpointError

PAD, END, UNKNOWN = 0, 1, 2
SPECIAL_TOKENS = 3


class Tokenizer(Protocol):
    """Anything that turns a prompt into the ids of its tokens, the closing token last."""

    def __call__(self, prompt: str) -> list[int]:
        """Token ids of ``prompt``, neither padded nor truncated."""
        ...


def byte_tokens(prompt: str) -> list[int]:
    """UTF-8 bytes as token ids 3 to 258 and the closing token, as ByT5 numbers them."""
    return [SPECIAL_TOKENS + byte for byte in prompt.encode("utf-8")] + [END]


def words_of(prompt: str) -> list[str]:
    """Words and marks of a prompt, in lower case."""
    return re.findall(r"\w+|[^\w\s]", prompt.lower())


def word_tokens(vocab_size: int) -> Tokenizer:
    """Whole words, each by itself and once more with the two before it, hashed into a vocabulary.

    For a small frozen encoder that nobody trained: what attends to its tokens sees no order, so
    "the red block into the blue bowl" and its opposite have to differ as sets.

    Args:
        vocab_size: ids, the special ones among them.
    """

    def tokens(prompt: str) -> list[int]:
        words = words_of(prompt)
        ids = []
        for at in range(len(words)):
            for phrase in (words[at : at + 1], words[max(at - 2, 0) : at + 1])[: 1 + bool(at)]:
                hashed = zlib.crc32(" ".join(phrase).encode("utf-8"))
                ids.append(SPECIAL_TOKENS + hashed % (vocab_size - SPECIAL_TOKENS))
        return [*ids, END]

    return tokens


class SentencePieceTokenizer:
    """The tokens that umT5 was trained with.

    Args:
        model_file: ``spiece.model``.

    Raises:
        CheckpointError: the file is no sentencepiece model, or has not umT5's special tokens.
    """

    def __init__(self, model_file: Path) -> None:
        from sentencepiece import SentencePieceProcessor  # only where a released checkpoint runs

        try:
            self._model = SentencePieceProcessor(model_file=str(model_file))
        except (RuntimeError, OSError) as error:
            raise CheckpointError(
                f"tokenizer: {model_file} is not a sentencepiece model ({error})"
            ) from error
        if (self._model.pad_id(), self._model.eos_id()) != (PAD, END):
            raise CheckpointError(
                f"tokenizer: {model_file}: expected umT5's padding token {PAD} and closing "
                f"token {END}, got {self._model.pad_id()} and {self._model.eos_id()}"
            )

    def __call__(self, prompt: str) -> list[int]:
        """Token ids of ``prompt``, neither padded nor truncated."""
        return [*self._model.encode(prompt), END]


def load(
    kind: Literal["umt5", "bytes", "words"], folders: tuple[Path, ...] = (), vocab_size: int = 259
) -> Tokenizer:
    """The tokenizer of a text encoder.

    Args:
        kind: as in ``TextConfig.tokenizer``.
        folders: where to look for ``spiece.model``, first match wins.
        vocab_size: as in ``TextConfig``; of words alone.

    Raises:
        CheckpointError: no folder has the file; the message says what to download where.
    """
    if kind == "bytes":
        return byte_tokens
    if kind == "words":
        return word_tokens(vocab_size)
    for folder in folders:
        if (folder / "spiece.model").is_file():
            return SentencePieceTokenizer(folder / "spiece.model")
    target = folders[0] if folders else Path("CHECKPOINT") / "tokenizer"
    looked = ", ".join(str(folder) for folder in folders) or "no folder"
    raise CheckpointError(
        f"tokenizer: expected umT5's spiece.model, looked in {looked}. Get it once (4.5 MB): "
        f"hf download google/umt5-xxl spiece.model --local-dir {target}"
    )
