"""What a user writes becomes a field's value, or is refused by name."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.named_values import named_values


@dataclass
class Kind:
    count: int = 0
    share: float = 0.0
    on: bool = False
    word: str = ""
    mode: Literal["slow", "fast"] = "slow"
    most: int | None = None
    either: int | str | None = None
    things: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("count=3", 3), ("share=1e-3", 1e-3), ("on=Yes", True), ("on=false", False)),
        *(("word=a=b", "a=b"), ("mode=fast", "fast"), ("most=none", None), ("most=4", 4)),
        *(("either=4", 4), ("either=all", "all"), ("either=none", None)),
    ],
)
def test_a_value_has_the_type_of_its_field(text, value):
    (found,) = named_values([text], Kind).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed=3", "expected NAME=VALUE with one of count, share"),
        ("count", "expected NAME=VALUE"),
        ("count=", "expected NAME=VALUE"),
        ("=3", "expected NAME=VALUE"),
        ("count=3.5", "'count=3.5': expected a value of type int"),
        ("share=much", "expected a value of type float"),
        ("on=perhaps", "expected a value of type bool"),
        ("mode=warp", "expected one of slow, fast"),
        ("most=few", "expected a value of type int or none"),
        ("things=1", "expected a value of type tuple"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        named_values([text], Kind)


def test_the_last_one_counts():
    assert named_values(["count=1", "share=2", "count=3"], Kind) == {"count": 3, "share": 2.0}


@given(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(min_size=1))
def test_what_python_writes_is_read(count, share, on, word):
    texts = [f"count={count}", f"share={share!r}", f"on={on}", f"word={word}"]
    assert named_values(texts, Kind) == {"count": count, "share": share, "on": on, "word": word}
