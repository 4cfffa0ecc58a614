"""Chunks there and back, and what a chunk message can get wrong."""

from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Duration

from dreamzero_policy.messages.chunks import chunk_from_message, chunk_message
from dreamzero_policy.types import ActionChunk


def chunk(rows):
    return ActionChunk(5, 7, 66_666_667, rows, ("a", "b"), session=2**63, sequence=9)


def test_a_chunk_comes_back_equal_to_float32():
    rows = np.arange(6.0).reshape(3, 2) / 7
    rows[1, 1] = np.nan
    back = chunk_from_message(chunk_message(chunk(rows)))
    np.testing.assert_array_equal(back.rows, rows.astype(np.float32))
    assert (back.observation_ns, back.start_ns, back.step_ns) == (5, 7, 66_666_667)
    assert (back.names, back.session, back.sequence) == (("a", "b"), 2**63, 9)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("horizon", 4, "expected 4 rows x 2 joints = 8 values, got 6"),
        ("joint_names", ["a"], "expected 3 rows x 1 joints = 3 values, got 6"),
        ("joint_names", [], "expected 3 rows x 0 joints"),
        ("rows", array("f", [1.0]), "got 1"),
        ("step", Duration(), "step_ns must be positive"),
    ],
)
def test_a_chunk_message_of_the_wrong_shape_is_refused(field, value, why):
    message = chunk_message(chunk(np.zeros((3, 2))))
    setattr(message, field, value)
    with pytest.raises(ValueError, match=why):
        chunk_from_message(message)
