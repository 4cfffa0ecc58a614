"""Every topic of the robot in, episodes as bags out; ``recording/recorder.py`` does the work.

Messages are taken serialised and never decoded on their way to the file. ``record_episode`` begins
an episode, ``recorder/end`` saves or discards it, ``recorder/mark`` notes a sub-task, and
``recorder_status`` says what is recorded and what is wrong with it.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from dreamzero_msgs import msg as dz
from dreamzero_msgs.action import RecordEpisode
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile

from dreamzero_policy import embodiments
from dreamzero_policy.data.definitions import define
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.data.rosbag2_layout import Qos
from dreamzero_policy.nodes.record_episode import EpisodeServer
from dreamzero_policy.parameters.recorder_parameters import RecorderParameters
from dreamzero_policy.recording.jpeg import COMPRESSED
from dreamzero_policy.recording.recorded_streams import RecordedStream, streams_of
from dreamzero_policy.recording.recorder import Look, Recorder, Source
from dreamzero_policy.ros import qos, realtime
from dreamzero_policy.ros.definitions import message_class, message_text
from dreamzero_policy.ros.diagnostics import Diagnosis
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.statuses.recorder_status import diagnoses, status_message

_LOOK_S = 0.5
_STATUS = "recorder_status"
_PICTURES, _ROOM = 100, 1000
"""Messages that may wait to be taken: of a topic of pictures, of any other."""


class RecorderNode(Node[RecorderParameters]):
    """Records episodes of one robot."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("recorder", RecorderParameters)
        self._store: EpisodeStore | None = None
        self._served: EpisodeServer | None = None

    def _setup(self) -> None:
        """Takes the folder, finds the definition of every type and listens to every topic."""
        settings, robot = self.settings, embodiments.get(self.settings.robot)
        self._streams = streams_of(
            robot,
            joint_topics=settings.joint_topics,
            compressed_views=settings.compressed_views,
            without=settings.without,
            also=settings.also,
        )
        types = {COMPRESSED, *(stream.msgtype for stream in self._streams)}
        definitions = {msgtype: define(msgtype, message_text) for msgtype in types}
        recorder_settings = settings.recorder_settings()
        self._robot_file = _text(settings.robot_file)
        self._store = EpisodeStore(Path(settings.folder))
        self._store.acquire()
        self._recorder = Recorder(robot, self._streams, definitions, self._store, recorder_settings)
        self._look: Look | None = None
        self._statuses = self.create_publisher(dz.RecorderStatus, _STATUS, qos.STATUS)
        self._topics = {
            stream.name: self.create_subscription(
                message_class(stream.msgtype),
                stream.name,
                partial(self._take, stream.name),
                _profile(stream),
                raw=True,
            ).topic_name
            for stream in self._streams
        }
        self._served = EpisodeServer(
            self, self._recorder, self._begin, self._refusal, self._publish
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_LOOK_S, self._check, clock=steady)

    def _start(self) -> None:
        """Takes messages from now on; says which episodes were cut off.

        This thread takes them before ordinary ones run, as the middleware's do: where it waits for
        a core with messages in its hands, they pile up, and at last whoever sends them waits, too.
        What encodes and writes them is ordinary.
        """
        realtime.prioritise([threading.get_native_id()], realtime.LISTENING)
        interrupted = [one.name for one in self._store.entries() if one.state == "interrupted"]
        if interrupted:
            self.get_logger().warning(
                f"{len(interrupted)} episodes were cut off, dreamzero recover mends them: "
                f"{', '.join(interrupted[:5])}"
            )

    def _stop(self) -> None:
        """Completes the episode that runs."""
        self._served.stop()

    def _teardown(self) -> None:
        """Lets another recorder have the folder."""
        if self._served is not None:
            self._served.close()
            self._served = None
        if self._store is not None:
            self._store.release()
            self._store = None

    def _take(self, name: str, data: bytes, info: dict) -> None:
        if not self.accepting:
            return
        received = info["received_timestamp"] or time.time_ns()
        published = info["source_timestamp"] or received
        sequence = info["publication_sequence_number"]
        self._recorder.take(name, data, received, published, sequence)

    def _refusal(self) -> str:
        """Why no episode may begin now; empty if one may."""
        if not self.accepting:
            return "the recorder is not active"
        others = self.count_publishers(self.resolve_topic_name(_STATUS)) - 1
        if others > 0:
            return f"expected one recorder on this graph, got {others + 1}"
        return self._recorder.refusal(self.now_ns())

    def _begin(self, goal: RecordEpisode.Goal) -> EpisodeFacts:
        """Begins the episode of a goal."""
        settings = self.settings
        limits = (text.partition("=") for text in settings.limits)
        facts = EpisodeFacts(
            name="",
            robot=settings.robot,
            started_ns=0,
            prompt=goal.prompt,
            task=goal.task,
            operator=goal.operator_name or settings.operator_name,
            place=goal.place or settings.place,
            checkpoint=settings.checkpoint,
            software=settings.software,
            robot_file=self._robot_file,
            limits={name.strip(): value.strip() for name, _, value in limits},
        )
        sources = {
            name: Source(topic, self._offered(topic)) for name, topic in self._topics.items()
        }
        return self._recorder.begin(facts, sources, self.now_ns())

    def _offered(self, topic: str) -> tuple[Qos, ...]:
        """What the publishers of a topic offer."""
        return tuple(
            Qos(
                reliability=info.qos_profile.reliability.name.lower(),
                durability=info.qos_profile.durability.name.lower(),
            )
            for info in self.get_publishers_info_by_topic(topic)
        )

    def _check(self) -> None:
        """Looks at everything and says what it found."""
        if not self.accepting:
            return
        self._look = self._recorder.look(self.now_ns())
        progress = self._look.progress
        count = progress.written.messages if progress else 0
        self._served.check(self.now_ns(), count, self._look.must_end)
        self._publish()

    def _publish(self) -> None:
        """Publishes the status."""
        if self._look is None or self._served is None:
            self._look = self._recorder.look(self.now_ns())
        self._statuses.publish(
            status_message(self._recorder, self._served, self._look, self.now_ns(), self._refusal)
        )

    def _diagnose(self) -> list[Diagnosis]:
        """The episode, and every stream that is needed."""
        if self._look is None or self._served is None:
            return []
        return diagnoses(self._recorder, self._served, self._look)


def _profile(stream: RecordedStream) -> QoSProfile:
    """How to listen: with room for what comes while this process does not get on.

    Messages are taken one of each topic in turn, so where pictures have piled up small ones that
    come more often need the most room.

    Cameras and joints are taken as they come, whatever their publishers offer; what this stack
    itself publishes is reliable.
    """
    depth = _PICTURES if stream.view or stream.name == "canvas" else _ROOM
    if stream.view or stream.required:
        return QoSProfile(depth=depth, reliability=qos.CAMERA.reliability)
    wanted = qos.STATUS if stream.latched else qos.STATE
    if stream.name.startswith("teleop/") or stream.msgtype.startswith("tf2_msgs"):
        wanted = qos.TARGETS
    return QoSProfile(depth=depth, reliability=wanted.reliability, durability=wanted.durability)


def _text(path: str) -> str:
    """The text of the robot's file; empty without one."""
    try:
        return Path(path).read_text() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"parameter robot_file: expected a text file, got: {error}") from error


def main() -> int:
    """Runs the node as this process."""
    return run(RecorderNode)
