"""What is said of a piece's pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dreamzero_policy.conversion.piece_files import _Colours


@given(arrays(np.uint8, st.tuples(st.integers(1, 4), *(st.integers(1, 6),) * 2, st.just(3))))
def test_statistics_of_colours_are_those_of_all_pixels(pictures):
    colours = _Colours()
    for picture in pictures:
        colours.add(picture)
    pixels = pictures.reshape(-1, 3).astype(np.float64) / 255
    entry = colours.entry()
    for name, of in (("min", np.min), ("max", np.max), ("mean", np.mean), ("std", np.std)):
        assert entry[name] == pytest.approx(of(pixels, axis=0), abs=1e-7), name
    assert entry["count"] == [len(pictures)]
