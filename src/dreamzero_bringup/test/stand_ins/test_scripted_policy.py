"""What the scripted policy sends is bad in the way that it was told to, and in no other."""

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from dreamzero_bringup.stand_ins.scripted_policy import MODES, ONCE, spoiled  # noqa: E402
from dreamzero_policy.chunks.screening import Refused  # noqa: E402
from dreamzero_policy.control.controller import Controller  # noqa: E402
from dreamzero_policy.embodiments.droid import DROID  # noqa: E402
from dreamzero_policy.messages.chunks import chunk_from_message  # noqa: E402
from dreamzero_policy.types import NS_PER_S, ActionChunk  # noqa: E402

NOW = 1_000 * NS_PER_S
HOME = np.array(DROID.home)


def chunk():
    rows = np.repeat(HOME[None], 24, axis=0)
    rows[:, 0] += 0.25 / 15 * np.arange(24)
    return ActionChunk(
        observation_ns=NOW - NS_PER_S // 3,
        start_ns=NOW - NS_PER_S // 3,
        step_ns=NS_PER_S // 15,
        rows=rows,
        names=DROID.action_joints,
        session=NOW,
        sequence=7,
        policy=3,
    )


def refusal(mode):
    """Why the controller refuses the chunk of a mode; None if it does not."""
    controller = Controller(DROID)
    controller.on_state(NOW, DROID.state_joints, HOME)
    try:
        outcome = controller.on_chunk(chunk_from_message(spoiled(chunk(), mode)), NOW)
    except ValueError:
        return "malformed"
    return outcome.reason if isinstance(outcome, Refused) else None


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("good", None),
        ("behind", None),
        ("nan", "non_finite"),
        ("infinite", "non_finite"),
        ("wrong_shape", "malformed"),
        ("reversed_time", "malformed"),
        ("wrong_names", "wrong_joints"),
        ("wrong_order", "wrong_joints"),
        ("early_start", "bad_timing"),
        ("reversed_rows", "first_row_too_far"),
        ("far", "first_row_too_far"),
        ("out_of_range", "out_of_range"),
        ("outlier", "outlier"),
        ("late", "stale_chunk"),
    ],
)
def test_every_bad_chunk_is_refused_for_its_own_reason(mode, reason):
    assert refusal(mode) == reason


def test_identity_is_what_the_mode_changes():
    good = spoiled(chunk(), "good")
    assert spoiled(chunk(), "old_session").session_id < good.session_id
    assert spoiled(chunk(), "old_sequence").sequence < good.sequence
    assert set(ONCE) < set(MODES)
