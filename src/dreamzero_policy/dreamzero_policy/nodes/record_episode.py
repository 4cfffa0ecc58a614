"""The ``record_episode`` action and the recorder's services: what a crew asks of the recorder.

An episode is completed in a thread, since that waits for the disk; everything else, and every
answer, belongs to the executor's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from dreamzero_msgs.action import RecordEpisode
from dreamzero_msgs.srv import AnnotateEpisode, EndEpisode, MarkEpisode
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future

from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.recording.recorder import OUTCOMES, Ended, Recorder
from dreamzero_policy.ros.lifecycle import Node
from dreamzero_policy.types import NS_PER_S

_LOOK_S = 0.02
_FEEDBACK_NS = NS_PER_S


@dataclass
class _Running:
    """An accepted goal whose episode has not ended."""

    handle: ServerGoalHandle
    over: Future
    limit_ns: int
    began_ns: int
    reported_ns: int = 0


class EpisodeServer:
    """Begins and ends episodes. Use from the executor's thread only.

    Args:
        node: that serves.
        recorder: that records.
        begin: begins an episode; raises ``ValueError`` where it may not.
        refusal: why none may begin now; empty if one may.
        changed: called after whatever shows in the status.

    Attributes:
        finishing: whether an episode is being completed.
        failure: why the last one could not be written to its end; empty if it could.
        last: one line of how the last episode ended.
    """

    def __init__(
        self,
        node: Node,
        recorder: Recorder,
        begin: Callable[[RecordEpisode.Goal], EpisodeFacts],
        refusal: Callable[[], str],
        changed: Callable[[], None],
    ) -> None:
        self.finishing, self.failure, self.last = False, "", ""
        self._node, self._recorder = node, recorder
        self._begin, self._refusal, self._changed = begin, refusal, changed
        self._running: _Running | None = None
        self._thread: threading.Thread | None = None
        self._group = ReentrantCallbackGroup()
        self._server = ActionServer(
            node,
            RecordEpisode,
            "record_episode",
            execute_callback=self._execute,
            goal_callback=self._consider,
            cancel_callback=self._cancel,
            callback_group=self._group,
        )
        for kind, name, serve in (
            (EndEpisode, "end", self._end_asked),
            (MarkEpisode, "mark", self._mark),
            (AnnotateEpisode, "annotate", self._annotate),
        ):
            node.create_service(kind, f"recorder/{name}", serve, callback_group=self._group)

    def check(self, now_ns: int, messages: int, must_end: str) -> None:
        """Ends an episode whose time is up or that cannot go on; reports progress otherwise.

        Args:
            now_ns: ROS time.
            messages: recorded so far.
            must_end: why it cannot go on; empty if it can.
        """
        running = self._running
        if running is None or self.finishing:
            return
        if 0 < running.limit_ns <= now_ns - running.began_ns:
            must_end = must_end or "the time limit was reached"
        if must_end:
            self._node.get_logger().warning(f"the episode ends: {must_end}")
            self._spawn(RecordEpisode.Result.STOPPED, reason=must_end)
        elif now_ns - running.reported_ns >= _FEEDBACK_NS:
            running.reported_ns = now_ns
            self._report(running, now_ns, messages)

    def stop(self) -> None:
        """Completes the episode that runs, waiting for the disk."""
        if self._thread is not None:
            self._thread.join()
        if self._recorder.recording:
            recording = self._recorder.detach()
            ended = self._recorder.complete(
                recording, self._node.now_ns(), reason="the recorder was stopped"
            )
            self._settle(ended, RecordEpisode.Result.STOPPED)

    def close(self) -> None:
        """Serves no more."""
        self._server.destroy()

    def _consider(self, goal: RecordEpisode.Goal) -> GoalResponse:
        """Accepts a goal whose episode has begun: what is refused never has a bag."""
        why = "the last episode is being written" if self.finishing else self._refusal()
        if not 0.0 <= goal.time_limit < 1e6:
            why = f"expected a time limit of 0 to 1e6 s, got {goal.time_limit}"
        if not why:
            try:
                facts = self._begin(goal)
            except ValueError as error:
                why = str(error)
        if why:
            self.last = f"not started: {why}"
            self._node.get_logger().warning(self.last)
            self._changed()
            return GoalResponse.REJECT
        self.failure, self.last = "", ""
        self._node.get_logger().info(f"recording {facts.name}: {facts.prompt!r}")
        return GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> RecordEpisode.Result:
        """Waits for the end of an episode that has begun."""
        now_ns, over = self._node.now_ns(), Future()
        limit_ns = round(handle.request.time_limit * NS_PER_S)
        self._running = _Running(handle, over, limit_ns, now_ns)
        self._changed()
        ended, outcome = await over
        facts = self._recorder.facts
        (handle.canceled if handle.is_cancel_requested else handle.succeed)()
        return RecordEpisode.Result(
            outcome=outcome,
            message=ended.message,
            episode=facts.name,
            folder=str(ended.folder),
            messages=ended.messages,
            dropped=ended.dropped,
            marks=[mark.since(facts.started_ns) for mark in self._recorder.marks],
        )

    def _cancel(self, _: ServerGoalHandle) -> CancelResponse:
        if not self.finishing and self._recorder.recording:
            self._spawn(RecordEpisode.Result.STOPPED, reason="cancelled")
        return CancelResponse.ACCEPT

    async def _end_asked(
        self, request: EndEpisode.Request, response: EndEpisode.Response
    ) -> EndEpisode.Response:
        """Saves or discards."""
        outcome = request.outcome or "unknown"
        if outcome not in OUTCOMES:
            response.message = f"outcome: expected one of {', '.join(OUTCOMES)}, got {outcome!r}"
            return response
        if self.finishing or not self._recorder.recording:
            response.message = "expected an episode that is being recorded, there is none"
            return response
        result = RecordEpisode.Result
        ended = await self._spawn(
            result.DISCARDED if request.discard else result.SAVED,
            outcome=outcome,
            notes=request.notes,
            discard=request.discard,
            reason="ended by the operator",
        )
        response.success, response.message = ended.written_whole, ended.message
        response.folder = str(ended.folder)
        return response

    def _mark(
        self, request: MarkEpisode.Request, response: MarkEpisode.Response
    ) -> MarkEpisode.Response:
        """Notes an instruction or a note."""
        try:
            if request.kind not in ("instruction", "note"):
                raise ValueError(f"kind: expected instruction or note, got {request.kind!r}")
            self._recorder.mark(request.kind, request.text, self._node.now_ns())
        except ValueError as error:
            response.message = str(error)
            return response
        response.success, response.message = True, f"{request.kind} noted: {request.text}"
        self._changed()
        return response

    def _annotate(
        self, request: AnnotateEpisode.Request, response: AnnotateEpisode.Response
    ) -> AnnotateEpisode.Response:
        """Says how an episode went."""
        try:
            name = self._recorder.annotate(
                request.episode, request.outcome or "unknown", request.notes
            )
        except (ValueError, OSError) as error:
            response.message = str(error)
            return response
        response.success, response.message = True, f"{name}: {request.outcome}"
        return response

    def _spawn(self, result: int, **how: object) -> Future:
        """Completes the episode in a thread; the future is of what came of it."""
        recording, now_ns = self._recorder.detach(), self._node.now_ns()
        self.finishing = True
        self._changed()
        done: list[Ended] = []

        def complete() -> None:
            done.append(self._recorder.complete(recording, now_ns, **how))

        thread = self._thread = threading.Thread(target=complete, name="complete", daemon=True)
        over = Future()

        def look() -> None:
            if thread.is_alive() or over.done():
                return
            self._node.destroy_timer(timer)
            ended = (
                done[0]
                if done
                else Ended(
                    recording.path.parent, True, False, "completing it failed: see the log", 0, 0
                )
            )
            self._settle(ended, result)
            over.set_result(ended)

        thread.start()
        timer = self._node.create_timer(_LOOK_S, look, callback_group=self._group)
        return over

    def _settle(self, ended: Ended, result: int) -> None:
        """Says how an episode ended, everywhere."""
        self.finishing, self.last = False, ended.message
        self.failure = "" if ended.written_whole else ended.message
        log = self._node.get_logger()
        if ended.written_whole:
            log.info(ended.message)
        else:
            log.error(ended.message)
        if self._running is not None and not self._running.over.done():
            outcome = result if ended.written_whole else RecordEpisode.Result.FAILED
            self._running.over.set_result((ended, outcome))
        self._running = None
        self._changed()

    def _report(self, running: _Running, now_ns: int, messages: int) -> None:
        facts = self._recorder.facts
        running.handle.publish_feedback(
            RecordEpisode.Feedback(
                elapsed=(now_ns - running.began_ns) / NS_PER_S,
                messages=messages,
                episode=facts.name if facts else "",
            )
        )
