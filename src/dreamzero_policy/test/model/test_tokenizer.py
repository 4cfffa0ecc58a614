"""Prompts to ids."""

from itertools import permutations

import pytest
import sentencepiece

from dreamzero_policy.model.tokenizer import byte_tokens, load
from dreamzero_policy.weights.errors import CheckpointError

CORPUS = "pick up the red block and put it on the table\nopen the drawer slowly\n" * 40


def train(folder, **special):
    """A small sentencepiece model."""
    text = folder / "corpus.txt"
    text.write_text(CORPUS)
    folder.mkdir(exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "spiece"), vocab_size=24, minloglevel=2,
        **special,
    )  # fmt: skip


def test_bytes_and_a_closing_token():
    assert byte_tokens("aé") == [3 + 97, 3 + 0xC3, 3 + 0xA9, 1]
    assert load("bytes")("") == [1]


def test_words_tell_roles_apart_though_nobody_sees_their_order():
    tokens = load("words", (), 8192)
    assert tokens("open") == tokens("OPEN")
    assert len(tokens("open it")) == 4  # two words, one of them with the one before it, and the end
    colours = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
    seen = {}
    for thing, place in permutations(colours, 2):
        for said in (
            f"put the {thing} block into the {place} bowl",
            f"put the {thing} block on the {place} block",
            f"push the {thing} puck onto the {place} goal",
            f"wipe the {place} stain with the {thing} sponge",
        ):
            assert seen.setdefault(frozenset(tokens(said)), said) == said
    words = {word for said in seen.values() for word in said.split()}
    assert len({tokens(word)[0] for word in words}) == len(words)


def test_a_local_sentencepiece_model(tmp_path):
    train(tmp_path, pad_id=0, eos_id=1, bos_id=-1, unk_id=2)
    tokens = load("umt5", (tmp_path / "absent", tmp_path))
    plain = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    assert tokens("open the drawer") == [*plain.encode("open the drawer"), 1]


def test_other_special_tokens_are_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(CheckpointError, match="expected umT5's padding token 0 and closing token"):
        load("umt5", (tmp_path,))


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "spiece.model").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="is not a sentencepiece model"):
        load("umt5", (tmp_path,))


def test_a_missing_file_says_what_to_download_where(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load("umt5", (tmp_path / "tokenizer", tmp_path))
    message = str(caught.value)
    assert (
        f"hf download google/umt5-xxl spiece.model --local-dir {tmp_path / 'tokenizer'}" in message
    )
