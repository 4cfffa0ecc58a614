"""The condition as the reference slices it."""

import pytest
import torch

from dreamzero_policy.golden.loops import slice_condition


def test_the_condition_past_its_end_is_its_end():
    y = torch.arange(9.0).reshape(1, 1, 9, 1, 1)
    assert slice_condition(y, 3, 2).flatten().tolist() == [3, 4]
    assert slice_condition(y, 8, 2).flatten().tolist() == [7, 8]
    assert slice_condition(y, 30, 2).flatten().tolist() == [7, 8]
    with pytest.raises(ValueError, match="expected at least 10 latent frames, got 9"):
        slice_condition(y, 0, 10)
