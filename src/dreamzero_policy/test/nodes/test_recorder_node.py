"""The recorder as a process: real DDS in, real bags out."""

import signal
import time
from array import array
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip("rclpy")

from dreamzero_msgs import msg as dz  # noqa: E402
from dreamzero_msgs.action import RecordEpisode  # noqa: E402
from dreamzero_msgs.srv import AnnotateEpisode, EndEpisode, MarkEpisode  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402

from dreamzero_policy import embodiments  # noqa: E402
from dreamzero_policy.data.bag_reader import Episode  # noqa: E402
from dreamzero_policy.data.recovery import recover  # noqa: E402
from dreamzero_policy.messages.images import image_message  # noqa: E402
from dreamzero_policy.messages.times import time_message  # noqa: E402
from dreamzero_policy.ros import qos  # noqa: E402

DROID = embodiments.get("droid")
HZ = 20


class Crew:
    """Publishes what a station publishes, and asks what a crew asks."""

    def __init__(self, bench, process, folder):
        self.bench, self.process, self.folder = bench, process, folder
        node = bench.node
        self.cameras = {
            view.name: node.create_publisher(Image, f"{view.name}/image_raw", qos.CAMERA)
            for view in DROID.views
        }
        self.joints = node.create_publisher(JointState, "joint_states", qos.STATE)
        self.sent = []
        self.silent = set()
        self.statuses = bench.listen(dz.RecorderStatus, "recorder_status", qos.STATUS)
        self.record = ActionClient(node, RecordEpisode, "record_episode")
        self.clients = {
            "end": node.create_client(EndEpisode, "recorder/end"),
            "mark": node.create_client(MarkEpisode, "recorder/mark"),
            "annotate": node.create_client(AnnotateEpisode, "recorder/annotate"),
        }
        self.rng = np.random.default_rng(0)
        node.create_timer(1 / HZ, self.publish)

    def publish(self):
        now = self.bench.now_ns()
        for name, publisher in self.cameras.items():
            if name not in self.silent:
                pixels = self.rng.integers(30, 255, (18, 32, 3), dtype=np.uint8)
                publisher.publish(image_message(now, name, pixels))
        positions = array("d", [float(len(self.sent))] * 8)
        joints = JointState(name=list(DROID.state_joints), position=positions)
        joints.header.stamp = time_message(now)
        self.joints.publish(joints)
        self.sent.append(now)

    @property
    def status(self):
        return self.statuses[-1]

    def wait(self, done, seconds=60.0):
        self.bench.spin_until(lambda: self.statuses and done(self.status), seconds)

    def ready(self):
        self.wait(lambda status: status.state == 0 and not status.message.startswith("not ready"))

    def start(self, prompt="wipe the table", **goal):
        assert self.record.wait_for_server(60.0)
        sent = self.record.send_goal_async(RecordEpisode.Goal(prompt=prompt, **goal))
        self.bench.spin_until(sent.done, 60.0)
        self.handle = sent.result()
        self.result = self.handle.get_result_async() if self.handle.accepted else None
        return self.handle.accepted

    def call(self, name, **request):
        client = self.clients[name]
        assert client.wait_for_service(60.0)
        future = client.call_async(client.srv_type.Request(**request))
        self.bench.spin_until(future.done, 60.0)
        return future.result()

    def ended(self):
        self.bench.spin_until(self.result.done, 60.0)
        return self.result.result().result


@pytest.fixture
def make_crew(start, bench, tmp_path):
    def make(**parameters):
        folder = tmp_path / "episodes"
        given = {
            "robot": "droid",
            "folder": str(folder),
            "disk_start_gib": 0.2,
            "disk_stop_gib": 0.1,
            "max_gap_s": 2.0,  # the machine may be busy
            **parameters,
        }
        return Crew(bench, start("recorder_node", **given), folder)

    return make


def test_a_crew_records_marks_and_saves(make_crew):
    crew = make_crew(place="lab 3", software="1.2.3")
    crew.ready()
    assert crew.start(task="wiping", operator_name="ada")
    crew.wait(lambda status: status.state == status.RECORDING and status.messages > 100)
    assert crew.status.instruction == "wipe the table"
    assert crew.call("mark", kind="instruction", text="rinse the cloth").success
    assert not crew.call("mark", kind="whim", text="x").success
    crew.wait(lambda status: status.instruction == "rinse the cloth")
    before = crew.status.messages
    crew.wait(lambda status: status.messages > before + 50)
    assert not crew.call("end", outcome="great").success
    answer = crew.call("end", outcome="success", notes="well done")
    assert answer.success, answer.message
    result = crew.ended()
    assert (result.outcome, result.dropped) == (RecordEpisode.Result.SAVED, 0)
    assert crew.call("annotate", outcome="partial", notes="left corner").success
    with Episode(result.folder) as episode:
        assert episode.facts.task == "wiping"
        assert (episode.facts.operator, episode.facts.place) == ("ada", "lab 3")
        assert episode.facts.software == "1.2.3"
        assert episode.outcome == "partial"
        assert [e.text for e in episode.events if e.kind == "instruction"] == ["rinse the cloth"]
        series = episode.stream("joint_states").joints()
        counted = series.positions[:, 0].astype(int)
        assert (np.diff(counted) == 1).all()  # none is missing
        sent = np.array(crew.sent)[counted]
        np.testing.assert_array_equal(series.stamps_ns, sent)
        assert "recorder_status" in episode
        wrist = episode.stream("wrist/image_raw")
        assert wrist.topic == "/wrist/image_raw/compressed"
        assert wrist.picture(0).shape == (18, 32, 3)
    with AnyReader([Path(result.folder)]) as reader:
        assert reader.message_count == result.messages
        for connection, _, data in reader.messages():
            reader.deserialize(data, connection.msgtype)
        digests = {c.msgtype: c.digest for c in reader.connections}
    for info in crew.bench.node.get_publishers_info_by_topic("/joint_states"):
        assert digests["sensor_msgs/msg/JointState"] == str(info.topic_type_hash)


def test_discard_is_for_the_trash_and_the_next_begins_at_once(make_crew):
    crew = make_crew(pictures="as_received")
    crew.ready()
    assert crew.start()
    crew.wait(lambda status: status.messages > 20)
    answer = crew.call("end", discard=True)
    assert answer.success
    assert crew.ended().outcome == RecordEpisode.Result.DISCARDED
    assert crew.start()
    crew.wait(lambda status: status.state == status.RECORDING and status.messages > 20)
    assert not crew.start()  # one at a time
    assert len(list((crew.folder / "trash").iterdir())) == 1


def test_a_missing_camera_refuses_the_start_and_is_named(make_crew):
    crew = make_crew()
    crew.silent = {"wrist"}
    crew.wait(lambda status: status.message == "not ready: wrist/image_raw: no message yet")
    assert not crew.start()
    assert not list(crew.folder.glob("droid_*"))
    crew.silent = set()
    crew.ready()
    assert crew.start()


def test_cancel_time_limit_and_stop_keep_what_was_recorded(make_crew):
    crew = make_crew()
    crew.ready()
    assert crew.start()
    crew.wait(lambda status: status.messages > 20)
    crew.handle.cancel_goal_async()
    result = crew.ended()
    assert result.outcome == RecordEpisode.Result.STOPPED
    crew.ready()
    assert crew.start(time_limit=1.0)
    assert crew.ended().outcome == RecordEpisode.Result.STOPPED
    crew.ready()
    assert crew.start()
    crew.wait(lambda status: status.state == status.RECORDING and status.messages > 20)
    assert crew.process.stop() == 0
    reasons = []
    for folder in sorted(crew.folder.glob("droid_*")):
        with Episode(folder) as episode:
            reasons.append(episode.ending.reason)
    assert reasons == ["cancelled", "the time limit was reached", "the recorder was stopped"]


def test_a_killed_recorder_loses_at_most_the_last_second(make_crew):
    crew = make_crew()
    crew.ready()
    assert crew.start()
    crew.wait(lambda status: status.state == status.RECORDING and status.elapsed > 2.0)
    crew.process.child.kill()
    killed_ns = time.time_ns()
    crew.process.wait()
    (folder,) = crew.folder.glob("droid_*")
    recover(folder)
    with Episode(folder) as episode:
        assert episode.recovered
        assert killed_ns - episode.span_ns[1] < 1.5e9  # a busy machine delivers late, too


def test_what_comes_while_the_recorder_stands_still_is_recorded_afterwards(make_crew):
    """Three seconds of joints at 100 Hz, as on a machine that has no time for it."""
    crew = make_crew()
    crew.ready()
    assert crew.start()
    crew.wait(lambda status: status.state == status.RECORDING and status.messages > 20)
    crew.silent = set(crew.cameras)
    crew.process.child.send_signal(signal.SIGSTOP)
    first = len(crew.sent)
    for _ in range(300):
        crew.publish()
        time.sleep(0.002)
    crew.process.child.send_signal(signal.SIGCONT)
    before = crew.status.messages
    crew.wait(lambda status: status.messages > before + 300)
    assert crew.call("end").success
    assert crew.ended().dropped == 0
    with Episode(crew.status.folder) as episode:
        counted = episode.stream("joint_states").joints().positions[:, 0].astype(int)
    assert (np.diff(counted) == 1).all()
    assert counted[-1] >= first + 300


def test_two_recorders_on_one_folder_are_refused(make_crew, start, tmp_path):
    crew = make_crew()
    crew.ready()
    second = start("recorder_node", robot="droid", folder=str(crew.folder))
    assert second.wait() == 2
    assert "expected no other recorder on this folder" in second.log


def test_two_recorders_on_one_graph_are_refused(make_crew, start, tmp_path):
    crew = make_crew()
    crew.ready()
    start("recorder_node", robot="droid", folder=str(tmp_path / "other"))
    crew.wait(lambda status: "expected one recorder on this graph, got 2" in status.message)
    assert not crew.start()
