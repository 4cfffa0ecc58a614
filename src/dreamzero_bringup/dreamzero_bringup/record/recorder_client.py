"""What a crew asks of the recorder over ROS."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dreamzero_msgs.action import RecordEpisode
from dreamzero_msgs.msg import RecorderStatus
from dreamzero_msgs.srv import AnnotateEpisode, EndEpisode, MarkEpisode
from rclpy.action import ActionClient
from rclpy.node import Node

from dreamzero_bringup.operator_client import Answer, result_of
from dreamzero_policy.ros import qos

_PATIENCE_S = 20.0  # a busy machine's discovery
_STATUS_S = 2.0
_DISK_S = 120.0  # what is in the queue goes to the disk first


@dataclass(frozen=True)
class EpisodeRequest:
    """What is known of an episode before it begins."""

    prompt: str
    task: str = ""
    operator: str = ""
    place: str = ""


class RecorderClient:
    """Calls the recorder's action and services; the node must be spun elsewhere.

    Attributes:
        status: the newest one; None before the first.
        ended: result of the episode that ended last; None while one runs.
        started: whether an episode was begun here.
    """

    def __init__(self, node: Node) -> None:
        self.status: RecorderStatus | None = None
        self.ended: RecordEpisode.Result | None = None
        self.started = False
        self._record = ActionClient(node, RecordEpisode, "record_episode")
        self._end = node.create_client(EndEpisode, "recorder/end")
        self._mark = node.create_client(MarkEpisode, "recorder/mark")
        self._annotate = node.create_client(AnnotateEpisode, "recorder/annotate")
        node.create_subscription(RecorderStatus, "recorder_status", self._take, qos.STATUS)

    def start(self, request: EpisodeRequest) -> Answer:
        """Begins an episode.

        Raises:
            ValueError: no recorder answers.
        """
        if not self._record.wait_for_server(timeout_sec=_PATIENCE_S):
            raise ValueError("expected a recorder, none is there")
        goal = RecordEpisode.Goal(
            prompt=request.prompt,
            task=request.task,
            operator_name=request.operator,
            place=request.place,
        )
        self.ended = None
        handle = result_of(self._record.send_goal_async(goal), _PATIENCE_S, "recorder's answer")
        if not handle.accepted:
            return Answer(False, self._why())
        self.started = True
        handle.get_result_async().add_done_callback(self._over)
        return Answer(True, f"recording: {request.prompt or 'no instruction'}")

    def end(self, discard: bool, outcome: str = "unknown", notes: str = "") -> Answer:
        """Saves or discards the episode; returns once it is on the disk."""
        return self._call(
            self._end, EndEpisode.Request(discard=discard, outcome=outcome, notes=notes), _DISK_S
        )

    def mark(self, kind: str, text: str) -> Answer:
        """Notes an instruction or a note."""
        return self._call(self._mark, MarkEpisode.Request(kind=kind, text=text))

    def annotate(self, outcome: str, notes: str, episode: str = "") -> Answer:
        """Says how an episode went that has ended; the last one unless it is named."""
        request = AnnotateEpisode.Request(episode=episode, outcome=outcome, notes=notes)
        return self._call(self._annotate, request)

    def _why(self) -> str:
        """Why a goal was refused, as the status says it a moment later."""
        end = time.monotonic() + _STATUS_S
        while time.monotonic() < end:
            if self.status is not None and self.status.message.startswith("not "):
                return self.status.message
            time.sleep(0.02)
        return "the recorder's log says why"

    def _call(self, client: object, request: object, patience_s: float = _PATIENCE_S) -> Answer:
        if not client.wait_for_service(timeout_sec=_PATIENCE_S):
            raise ValueError("expected a recorder to answer, none is there")
        response = result_of(client.call_async(request), patience_s, "recorder's answer")
        return Answer(response.success, response.message)

    def _take(self, status: RecorderStatus) -> None:
        self.status = status

    def _over(self, future: object) -> None:
        self.ended = future.result().result
