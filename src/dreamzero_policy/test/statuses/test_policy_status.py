"""What the status message says of calls."""

import math

import numpy as np
import pytest
from dreamzero_msgs import msg as dz

from dreamzero_policy import embodiments
from dreamzero_policy.inference.engine import Inference
from dreamzero_policy.inference.latencies import Spread
from dreamzero_policy.inference.session import ResetReason, Session
from dreamzero_policy.inference.worker import WorkerStatistics
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.statuses.policy_status import PolicyRecord
from dreamzero_policy.types import ActionChunk

ROBOT = embodiments.get("droid")


def inference(sequence=0, evaluations=8, divergence=None, reset=None):
    rows = np.tile(np.array(ROBOT.home), (24, 1))
    chunk = ActionChunk(0, 0, ROBOT.time_base.row_ns, rows, ROBOT.action_joints, 1, sequence)
    return Inference(
        chunk=chunk,
        latents=None,
        context=(),
        kind="commit",
        evaluations=evaluations,
        stages={"denoise": 0.25, "total": 0.3},
        reset_reason=reset,
        divergence=divergence,
    )


def status(record, work=None):
    return record.message(
        state=dz.PolicyStatus.RUNNING,
        text="",
        weights="",
        untrained=True,
        prompt="",
        work=work,
        ranks=2,
        transit_ns=None,
        now_ns=0,
    )


def test_evaluations_are_counted_over_the_session():
    record, session = PolicyRecord(1, 2), Session(1, ROBOT.time_base.frame_ns, 8, 4)
    assert list(status(record).evaluation_numbers) == []
    for count in (4, 8, 4, 5, 4):
        record.note(session, inference(evaluations=count), 0)
    said = status(record)
    assert said.evaluations == 4
    counted = zip(said.evaluation_numbers, said.evaluation_counts, strict=True)
    assert dict(counted) == {4: 3, 8: 1, 5: 1}


def test_the_newest_divergence_stays_until_the_next():
    record, session = PolicyRecord(1, 2), Session(1, ROBOT.time_base.frame_ns, 8, 4)
    assert math.isnan(status(record).divergence)
    record.note(session, inference(reset=ResetReason.FIRST_CALL), 0)
    assert math.isnan(status(record).divergence_still)
    record.note(session, inference(divergence=(0.25, 0.5)), 0)
    record.note(session, inference(), 0)
    said = status(record)
    assert (said.divergence, said.divergence_still) == pytest.approx((0.25, 0.5))


def test_what_waits_runs_and_was_left_out():
    empty = status(PolicyRecord(1, 2))
    assert not empty.observation_waiting
    assert not empty.call_running
    assert list(empty.timed_stages) == []
    work = WorkerStatistics(
        chunks=9,
        failures=0,
        superseded=7,
        dropped=2,
        not_due=30,
        cancelled=3,
        cancel_reason="prompt_changed",
        predictions=1,
        waiting_s=0.125,
        running_s=0.25,
        latency_s={},
        stages={"receive": Spread(0.1, 0.2, 0.3), "denoise 1": Spread(0.5, 1.0, 2.0)},
    )
    said = status(PolicyRecord(1, 2), work)
    assert (said.observations_skipped, said.observations_dropped) == (7, 2)
    assert (said.calls_cancelled, said.last_cancel_reason, said.ranks) == (3, "prompt_changed", 2)
    assert said.observation_waiting
    assert said.call_running
    assert nanoseconds(said.waiting_age) == 125_000_000
    assert nanoseconds(said.call_age) == 250_000_000
    assert list(said.timed_stages) == ["receive", "denoise 1"]
    spreads = zip(said.stage_p50, said.stage_p95, said.stage_p99, strict=True)
    np.testing.assert_allclose(list(spreads), [(0.1, 0.2, 0.3), (0.5, 1.0, 2.0)], rtol=1e-6)
