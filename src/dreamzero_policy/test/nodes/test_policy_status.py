"""What the status message says of calls."""

import math

import numpy as np
import pytest
from dreamzero_msgs import msg as dz

from dreamzero_policy import embodiments
from dreamzero_policy.inference.engine import Inference
from dreamzero_policy.inference.session import ResetReason, Session
from dreamzero_policy.nodes.policy_status import PolicyRecord
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


def status(record):
    return record.message(
        state=dz.PolicyStatus.RUNNING,
        text="",
        weights="",
        untrained=True,
        prompt="",
        skipped=0,
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
