"""What a run says of its data before anything is trained."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dreamzero_policy.runs.start import start_of
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.preflight import report


@pytest.mark.parametrize("note", ["", "its chunks have 24 rows, this run's 48"])
def test_what_of_a_checkpoint_is_left_out_is_said(note):
    windows = [SimpleNamespace(window=SimpleNamespace(chunks=1))] * 4
    material = SimpleNamespace(sources=[], training=windows, validation=[])
    config = TrainConfig("random:tiny", steps=3, batch=2)
    start = replace(start_of("random:tiny"), note=note)
    first, *others = report(material, start, config).splitlines()
    assert first == "begins from random:tiny (not trained before)"
    assert [line.strip() for line in others] == [
        *filter(None, [note]),
        "windows of 1 chunks: 4; 0 held out for validation",
        "3 steps of 2: each window is drawn 1.5 times on average",
    ]
