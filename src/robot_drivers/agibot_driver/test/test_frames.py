"""Frames: what is sent comes out however the stream is cut; what is not a frame is refused."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agibot_bridge import frames
from agibot_bridge.frames import Decoder, FrameError, VersionError, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner,
                                                                 max_size=4),
    max_leaves=8,
)  # fmt: skip
MESSAGES = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.text(max_size=10),
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
)


def cut(data, places):
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)])]


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(0, 10**6), max_size=6))
def test_messages_come_out_however_the_stream_is_cut(messages, places):
    data, decoder, got = b"".join(map(encode, messages)), Decoder(), []
    for piece in cut(data, places):
        got += decoder.feed(piece)
    assert got == messages


@settings(max_examples=300)
@given(st.binary(max_size=200), st.lists(st.integers(0, 10**6), max_size=4))
def test_any_bytes_are_messages_or_an_error(data, places):
    decoder = Decoder()
    try:
        for piece in cut(data, places):
            assert isinstance(decoder.feed(piece), list)
    except FrameError:
        pass


@given(st.binary(max_size=120))
def test_any_body_is_a_message_or_an_error(body):
    data = struct.pack("!4sHI", frames.MAGIC, frames.VERSION, len(body)) + body
    try:
        (message,) = Decoder().feed(data)
    except FrameError:
        return
    assert isinstance(message["type"], str)


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.integers(0, 10**6), st.integers(1, 255))
def test_a_byte_that_is_wrong_never_hangs_the_reader(messages, place, change):
    data = bytearray(b"".join(map(encode, messages)))
    data[place % len(data)] ^= change
    decoder = Decoder()
    try:
        decoder.feed(bytes(data))
        # What is still waited for is less than what one message may have.
        decoder.feed(b"\0" * (frames.LARGEST + 16))
    except FrameError:
        return
    pytest.fail("zeros are no messages")


def framed(body, magic=frames.MAGIC, version=frames.VERSION, length=None):
    length = len(body) if length is None else length
    return struct.pack("!4sHI", magic, version, length) + body


@pytest.mark.parametrize(
    ("data", "kind", "match"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", FrameError, "begins with b'DZG1', got b'GET '"),
        (framed(b'{"type":"x"}', version=2), VersionError, "version 1 of the protocol, got 2"),
        (framed(b"", length=2**31), FrameError, "at most 65536 bytes, got a message of 2147483648"),
        (framed(b'{"type":"x","a":NaN}'), FrameError, "NaN is not a number"),
        (framed(b'{"type":"x","a":-Infinity}'), FrameError, "-Infinity is not a number"),
        (framed(b"[" * 60000), FrameError, "not a message"),
        (framed(b'{"type":7}'), FrameError, "an object with a type"),
        (framed(b'["type"]'), FrameError, "an object with a type"),
        (framed(b"\xff\xfe"), FrameError, "not a message"),
        (framed(b'{"type":"x","n":' + b"9" * 6000 + b"}"), FrameError, "not a message|n"),
    ],
)
def test_what_is_no_frame_is_named(data, kind, match):
    with pytest.raises(kind, match=match):
        [frames.number(message, "n") for message in Decoder().feed(data)]


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ({"a": 1}, "needs a type"),
        ({"type": "x", "a": float("nan")}, "x cannot be sent"),
        ({"type": "x", "a": b""}, "x cannot be sent"),
        ({"type": "x", "a": "b" * 70000}, "at most 65536 bytes"),
    ],
)
def test_what_cannot_be_sent_is_named(message, match):
    with pytest.raises(FrameError, match=match):
        encode(message)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (frames.text, 1),
        (frames.integer, 1.0),
        (frames.integer, True),
        (frames.integer, 2**63),
        (frames.number, "1"),
        (frames.number, True),
        (frames.number, 10**400),
        (lambda m, n: frames.numbers(m, n, 2), [1.0]),
        (lambda m, n: frames.numbers(m, n, 2), [1.0, None]),
        (lambda m, n: frames.numbers(m, n, 2), {"0": 1, "1": 2}),
        (frames.objects, [1]),
    ],
)
def test_a_wrong_field_is_named(read, value):
    with pytest.raises(FrameError, match=r"x\.field: expected"):
        read({"type": "x", "field": value}, "field")
    with pytest.raises(FrameError, match=r"x\.field: expected"):
        read({"type": "x"}, "field")


def test_infinity_written_as_a_large_number_is_no_number():
    (message,) = Decoder().feed(framed(b'{"type":"x","a":1e999}'))
    with pytest.raises(FrameError, match="a finite number"):
        frames.number(message, "a")
    assert json.dumps(message)  # a reader that asks for nothing is not hurt
