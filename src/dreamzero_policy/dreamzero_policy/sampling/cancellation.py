"""A call that nobody wants the answer of any more ends before its next evaluation.

Between two evaluations of the network nothing is half done: samples are thrown away, and what the
call did to the context is undone (``Contexts.standing``), so the session is as if the call had
never been made. On a GPU work is queued ahead of the device; here at most one evaluation is, so
that a call ends soon after it was superseded and the device still never waits for the host.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from dreamzero_policy.sampling.sampler import Velocity
from dreamzero_policy.sampling.stages import Stages

Superseded = Callable[[], str]
"""Why the running call is not wanted any more; empty while it is."""


class CancelledError(Exception):
    """A call was given up; its session is as it was before.

    Args:
        reason: what superseded it, in one word.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the call was superseded: {reason}")
        self.reason = reason


def watched(velocity: Velocity, stages: Stages, superseded: Superseded | None) -> Velocity:
    """The network with every evaluation timed and, where anybody may supersede the call, asked for.

    Args:
        velocity: the network.
        stages: takes the time of the k-th evaluation as ``denoise k``.
        superseded: asked before every evaluation; None: the call is not to be given up.

    Returns:
        The same network; it raises ``CancelledError``.
    """
    count = 0

    def evaluate(
        x: Tensor, actions: Tensor, video_timestep: int, action_timestep: int, last: bool
    ) -> tuple[Tensor | None, Tensor]:
        nonlocal count
        if superseded is not None:
            if count:
                stages.catch_up(f"denoise {count - 1}")
            if reason := superseded():
                raise CancelledError(reason)
        count += 1
        with stages(f"denoise {count}"):
            return velocity(x, actions, video_timestep, action_timestep, last)

    return evaluate
