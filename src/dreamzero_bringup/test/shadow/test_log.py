"""The shadow log: what was written comes back, wherever the file was cut; a full disk is said."""

import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.shadow.log import ShadowLog, read
from dreamzero_policy import embodiments
from dreamzero_policy.types import ActionChunk

DROID = embodiments.get("droid")
HOME = np.array(DROID.home)


def chunk(sequence: int = 0) -> ActionChunk:
    rows = np.tile(HOME, (24, 1)) + 0.001 * sequence
    return ActionChunk(10**18, 10**18, 66_666_667, rows, DROID.action_joints, 7, sequence)


def write(path: Path, count: int = 5) -> None:
    log = ShadowLog(path)
    log.write("start", robot="droid", instruction="fold it")
    log.write("policy", weights="untrained", untrained=True)
    for index in range(count):
        log.pose("state", 10**18 + index, HOME)
        log.pose("human", 10**18 + index, np.where(np.arange(8) == 2, np.nan, HOME))
        log.chunk(10**18 + index, chunk(index))
    log.write("refused", reason="stale_chunk")
    log.close()


def test_what_was_written_comes_back(tmp_path):
    write(tmp_path / "shadow.jsonl")
    run = read(tmp_path / "shadow.jsonl")
    assert (run.embodiment, run.instruction, run.untrained) == (DROID, "fold it", True)
    assert run.complete
    assert run.damaged == 0
    assert run.refused == {"stale_chunk": 1}
    assert [c.sequence for _, c in run.chunks] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(run.chunks[3][1].rows, chunk(3).rows, atol=1e-6)
    np.testing.assert_allclose(run.states[1], np.tile(HOME, (5, 1)), atol=1e-6)
    assert np.isnan(run.human[1][:, 2]).all()


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0, 1.0))
def test_a_log_cut_anywhere_loses_one_line_at_most(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    write(folder / "whole.jsonl")
    whole = (folder / "whole.jsonl").read_bytes()
    cut = folder / "cut.jsonl"
    kept = whole[: round(share * len(whole))]
    cut.write_bytes(kept)
    if kept.count(b"\n") == 0 and b'"fold it"}' not in kept:
        with pytest.raises(ValueError, match="start line"):
            read(cut)
        return
    run = read(cut)
    entire = kept.count(b"\n") - 1
    found = len(run.chunks) + len(run.states[0]) + len(run.human[0]) + sum(run.refused.values())
    found += bool(run.weights) + run.complete
    assert entire <= found <= entire + 1
    assert run.damaged <= 1


def test_lines_of_nonsense_are_counted_and_passed_over(tmp_path):
    write(tmp_path / "shadow.jsonl")
    with (tmp_path / "shadow.jsonl").open("a") as file:
        file.write('{"kind": "state", "stamp": 1, "positions": [1, 2]}\n[]\n\x00\x01\n')
        file.write('{"kind": "chunk", "rows": "many"}\n')
    run = read(tmp_path / "shadow.jsonl")
    assert run.damaged == 4
    assert len(run.chunks) == 5


def test_an_earlier_log_is_never_overwritten(tmp_path):
    write(tmp_path / "shadow.jsonl")
    with pytest.raises(ValueError, match="new file"):
        ShadowLog(tmp_path / "shadow.jsonl")


def test_a_full_disk_ends_the_log_and_nothing_else(tmp_path):
    log = ShadowLog(tmp_path / "shadow.jsonl")
    log.write("start", robot="droid", instruction="fold it")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        for index in range(100):
            log.pose("state", index, HOME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "the log ended after" in log.broken
    log.close()
    run = read(tmp_path / "shadow.jsonl")
    assert len(run.states[0]) >= log.lines - 2
    assert not run.complete


@pytest.mark.parametrize("text", ["", "{}\n", '{"kind": "chunk"}\n', "no json\n"])
def test_what_is_no_log_is_refused(tmp_path, text):
    (tmp_path / "shadow.jsonl").write_text(text)
    with pytest.raises(ValueError, match="expected a shadow log"):
        read(tmp_path / "shadow.jsonl")
