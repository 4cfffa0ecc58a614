"""Action chunks as messages and back; one of the wrong shape is a ``ValueError`` that says how."""

from __future__ import annotations

from array import array

import numpy as np
from dreamzero_msgs import msg as dz

from dreamzero_policy.messages.times import duration_message, nanoseconds, time_message
from dreamzero_policy.types import ActionChunk


def chunk_message(chunk: ActionChunk) -> dz.ActionChunk:
    """The message of a chunk; rows become float32."""
    return dz.ActionChunk(
        observation_stamp=time_message(chunk.observation_ns),
        start_stamp=time_message(chunk.start_ns),
        step=duration_message(chunk.step_ns),
        horizon=chunk.horizon,
        joint_names=list(chunk.names),
        rows=array("f", chunk.rows.astype(np.float32).tobytes()),
        session_id=chunk.session,
        sequence=chunk.sequence,
        policy_id=chunk.policy,
        prefix_rows=chunk.prefix_rows,
    )


def chunk_from_message(message: dz.ActionChunk) -> ActionChunk:
    """The chunk of a message; whether its values make sense is for the controller to say.

    Raises:
        ValueError: the number of values is not horizon x joints, fewer than two rows, or no time
            step.
    """
    names, rows = tuple(message.joint_names), np.asarray(message.rows, dtype=np.float64)
    if not names or len(rows) != message.horizon * len(names):
        raise ValueError(
            f"action chunk: expected {message.horizon} rows x {len(names)} joints = "
            f"{message.horizon * len(names)} values, got {len(rows)}"
        )
    return ActionChunk(
        observation_ns=nanoseconds(message.observation_stamp),
        start_ns=nanoseconds(message.start_stamp),
        step_ns=nanoseconds(message.step),
        rows=rows.reshape(message.horizon, len(names)),
        names=names,
        session=message.session_id,
        sequence=message.sequence,
        policy=message.policy_id,
        prefix_rows=message.prefix_rows,
    )
