"""The ``run_policy`` action: one instruction at a time, and a new one takes the old one's place."""

from __future__ import annotations

from collections.abc import Callable

from dreamzero_msgs.action import RunPolicy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future

from dreamzero_policy.ros.lifecycle import Node
from dreamzero_policy.types import NS_PER_S

_FEEDBACK_NS = NS_PER_S


class Instruction:
    """An accepted goal that has not ended.

    Attributes:
        prompt: the instruction.
        chunks: published for it so far.
        started_ns: when it was accepted.
    """

    def __init__(self, handle: ServerGoalHandle, started_ns: int) -> None:
        self.prompt: str = handle.request.prompt
        self.chunks = 0
        self.started_ns = started_ns
        self._handle = handle
        self._ended: Future = Future()
        self._limit_ns = round(handle.request.time_limit * NS_PER_S)
        self._reported_ns = started_ns

    def is_of(self, handle: ServerGoalHandle) -> bool:
        """Whether it came with this goal."""
        return bytes(handle.goal_id.uuid) == bytes(self._handle.goal_id.uuid)

    def over(self, now_ns: int) -> bool:
        """Whether its time limit was reached."""
        return 0 < self._limit_ns <= now_ns - self.started_ns

    def end(self, outcome: int, message: str) -> None:
        """Ends it; the first end counts."""
        if not self._ended.done():
            self._ended.set_result((outcome, message))

    def report(self, now_ns: int, session_id: int) -> None:
        """Sends feedback, at most once a second."""
        if now_ns - self._reported_ns < _FEEDBACK_NS or self._ended.done():
            return
        self._reported_ns = now_ns
        self._handle.publish_feedback(
            RunPolicy.Feedback(
                elapsed=(now_ns - self.started_ns) / NS_PER_S,
                chunks=self.chunks,
                session_id=session_id,
            )
        )

    async def result(self) -> RunPolicy.Result:
        """Waits for the end without holding the executor."""
        outcome, message = await self._ended
        finish = {
            RunPolicy.Result.TIME_LIMIT: self._handle.succeed,
            RunPolicy.Result.CANCELLED: self._handle.canceled,
        }.get(outcome, self._handle.abort)
        finish()
        return RunPolicy.Result(outcome=outcome, message=message, chunks=self.chunks)


class RunPolicyServer:
    """Accepts instructions and keeps the one in force. Use from the executor's thread only.

    Args:
        node: the node that serves the action.
        refusal: why a prompt cannot be taken now; empty to take it.
        changed: called after ``current`` changed.

    Attributes:
        current: the instruction in force; None for none.
    """

    def __init__(
        self, node: Node, refusal: Callable[[str], str], changed: Callable[[], None]
    ) -> None:
        self.current: Instruction | None = None
        self._node, self._refusal, self._changed = node, refusal, changed
        self._server = ActionServer(
            node,
            RunPolicy,
            "run_policy",
            execute_callback=self._execute,
            goal_callback=self._consider,
            cancel_callback=self._cancel,
        )

    def end(self, outcome: int, message: str) -> None:
        """Ends the instruction in force, if there is one."""
        if self.current is None:
            return
        ended, self.current = self.current, None
        ended.end(outcome, message)
        self._node.get_logger().info(f"{ended.prompt!r} ended: {message}")
        self._changed()

    def check_time(self, now_ns: int, session_id: int) -> None:
        """Ends the instruction whose time is up; reports progress otherwise."""
        if self.current is not None and self.current.over(now_ns):
            self.end(RunPolicy.Result.TIME_LIMIT, "the time limit was reached")
        if self.current is not None:
            self.current.report(now_ns, session_id)

    def close(self) -> None:
        """Ends the instruction in force and serves no more."""
        self.end(RunPolicy.Result.FAILED, "the policy was stopped")
        self._server.destroy()

    def _consider(self, goal: RunPolicy.Goal) -> GoalResponse:
        why = self._refusal(goal.prompt)
        if not 0.0 <= goal.time_limit < 1e6:
            why = f"expected a time limit of 0 to 1e6 s, got {goal.time_limit}"
        if why:
            self._node.get_logger().warning(f"instruction {goal.prompt!r} refused: {why}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> RunPolicy.Result:
        """Puts an accepted goal in force and waits for its end."""
        instruction = Instruction(handle, self._node.now_ns())
        if self.current is not None:
            self.current.end(RunPolicy.Result.REPLACED, f"replaced by {instruction.prompt!r}")
        self.current = instruction
        self._node.get_logger().info(f"following {instruction.prompt!r}")
        self._changed()
        return await instruction.result()

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if self.current is not None and self.current.is_of(handle):
            self.end(RunPolicy.Result.CANCELLED, "cancelled")
        return CancelResponse.ACCEPT
