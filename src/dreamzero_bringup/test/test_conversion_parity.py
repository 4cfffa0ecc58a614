"""What a recording becomes equals what the live policy node was fed: pixels, states, actions.

The graph runs in simulation while a small node here records what a recorder would, and keeps what
the policy node is fed. Then the bag is converted. On a busy machine a live node may have served an
instant before a message for it came; such instants, which the stamps that canvases and states carry
tell apart, are counted and may not be many.
"""

import logging
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from dreamzero_bringup import middleware
from dreamzero_bringup.graph import Options, build
from dreamzero_bringup.supervisor import Supervisor
from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.part_picture import canvas_at
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.conversion.synthetic import definition
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts
from dreamzero_policy.datasets.layout import ACTION, STAMP, STATE

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(400)]

LOG = logging.getLogger(__name__)
SECONDS = 8.0
PROMPT = "pick up the red block"
# Live nodes wait as long as they may, so that few instants are served too early.
PATIENT = ("camera_tiler.settle_s=0.1", "proprioception.settle_s=0.1")


class Witness:
    """Records a robot's topics into a bag, and keeps what the policy node is fed."""

    def __init__(self, node, folder, robot):
        from dreamzero_msgs.msg import Canvas, PolicyStatus, Proprioception
        from geometry_msgs.msg import Twist
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image, JointState

        from dreamzero_policy.ros import qos

        folder.mkdir(parents=True)
        facts = EpisodeFacts(folder.name, robot.name, time.time_ns(), prompt=PROMPT)
        self._writer, self._lock = BagWriter(folder, facts), threading.Lock()
        self._node, self._open = node, True
        self.canvases, self.states, self.statuses = [], [], []
        some = QoSProfile(depth=60, reliability=ReliabilityPolicy.BEST_EFFORT)
        every = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE)
        for view in robot.views:
            self._record(Image, "sensor_msgs/msg/Image", f"{view.name}/image_raw", some)
        for topic in ("joint_states", "joint_commands"):
            self._record(JointState, "sensor_msgs/msg/JointState", topic, every)
        if any(joint.kind == "base" for joint in robot.joints):
            self._record(Twist, "geometry_msgs/msg/Twist", "base_command", every)
        node.create_subscription(Canvas, "canvas", self.canvases.append, every)
        node.create_subscription(Proprioception, "proprioception", self.states.append, every)
        node.create_subscription(PolicyStatus, "policy_status", self.statuses.append, qos.STATUS)

    def _record(self, kind, msgtype, topic, profile):
        self._writer.add_topic(f"/{topic}", definition(msgtype))

        def keep(data):
            now_ns = self._node.get_clock().now().nanoseconds
            with self._lock:
                if self._open:
                    self._writer.write(f"/{topic}", data, now_ns, now_ns)

        self._node.create_subscription(kind, topic, keep, profile, raw=True)

    def finish(self):
        with self._lock:
            self._open = False
            self._writer.finish(Ending(time.time_ns(), "success"))


def until(done, patience_s, what):
    end = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < end, f"no {what} within {patience_s} s"
        time.sleep(0.05)


@pytest.fixture(scope="module", params=embodiments.names())
def run(request, tmp_path_factory):
    """A robot, the folder of its bag, and what the policy node was fed."""
    from dreamzero_msgs.msg import PolicyStatus

    from dreamzero_bringup.operator_client import OperatorClient, spinning

    robot = embodiments.get(request.param)
    folder = tmp_path_factory.mktemp("parity") / "bags" / robot.name
    with pytest.MonkeyPatch.context() as patch:
        for name, value in middleware.environment({}).items():
            patch.setenv(name, value)
        nodes = build(Options(robot.name, sim=True, overrides=PATIENT))
        with (
            Supervisor(nodes, sink=lambda name, line: None) as supervisor,
            spinning(f"witness_{robot.name}", supervisor.domain_id) as node,
        ):
            witness, operator = Witness(node, folder, robot), OperatorClient(node)
            idle = PolicyStatus.IDLE
            until(lambda: any(s.state == idle for s in witness.statuses), 180.0, "policy")
            operator.start(PROMPT)
            until(lambda: witness.statuses[-1].chunks >= 1, 60.0, "chunk")
            answer = operator.motion("enable")
            assert answer.success, answer.message
            time.sleep(SECONDS)
            witness.finish()
    return robot, folder, witness


@pytest.fixture(scope="module")
def converted(run):
    """The rows of the bag, which must reach over most of the time in which commands were sent."""
    robot, folder, witness = run
    settings = ConversionSettings(robot.name, keep_idle=True, least_chunks=1.0)
    with Episode(folder) as episode:
        rows = resample(episode, settings)
    assert len(rows) > 0.6 * SECONDS * robot.time_base.control_hz
    return robot, folder, witness, settings, rows


def stamp_ns(message):
    return message.sec * 1_000_000_000 + message.nanosec


def test_canvases_are_equal_to_the_pixel(converted):
    robot, folder, witness, _, rows = converted
    at = {int(instant): row for row, instant in enumerate(rows.instants_ns)}
    equal, early = 0, 0
    with Episode(folder) as episode:
        for message in witness.canvases:
            row = at.get(stamp_ns(message.header.stamp))
            if row is None or (rows.pictures[row] < 0).any():
                continue
            live = np.array([stamp_ns(stamp) for stamp in message.view_stamps])
            ours = rows.instants_ns[row] - rows.view_ages_ns[row]
            if not np.array_equal(live, ours):
                early += 1
                continue
            height, width = robot.canvas_size
            pixels = np.frombuffer(message.image.data, np.uint8).reshape(height, width, 3)
            np.testing.assert_array_equal(canvas_at(episode, rows, row), pixels)
            equal += 1
    LOG.info(f"{robot.name}: {equal} canvases equal, {early} served before a picture came")
    assert equal >= 10
    assert early <= equal / 2


def test_states_are_equal_to_a_millionth(converted):
    robot, _, witness, _, rows = converted
    at = {int(instant): row for row, instant in enumerate(rows.instants_ns)}
    errors, early = [], 0
    for message in witness.states:
        row = at.get(stamp_ns(message.header.stamp))
        if row is None or not np.isfinite(rows.states[row]).all():
            continue
        if any(stamp_ns(age) > 0 for age in message.source_ages):
            early += 1  # served without a measurement after it to interpolate with
            continue
        assert tuple(message.names) == robot.state_joints
        errors.append(np.abs(rows.states[row] - np.array(message.positions)).max())
    LOG.info(f"{robot.name}: {len(errors)} states, largest error {max(errors):.1e}, {early} early")
    assert len(errors) >= 20
    assert early <= len(errors) / 2
    # A measurement that never reached the live node, which listens with best effort, is no error
    # of the conversion; it must stay the exception.
    assert np.quantile(errors, 0.95) <= 1e-6


def test_actions_are_the_commands_in_force(converted):
    robot, folder, _, _, rows = converted
    with Episode(folder) as episode:
        sent = list(episode.stream("joint_commands"))
        stamps = np.array([stamp_ns(message.header.stamp) for message in sent])
        base = list(episode.stream("base_command")) if "base_command" in episode else []
        base_ns = episode.stream("base_command").log_ns if base else np.zeros(0)
    checked = 0
    for row, instant in enumerate(rows.instants_ns):
        if not np.isfinite(rows.actions[row]).all():
            continue
        newest = sent[np.flatnonzero(stamps <= instant)[-1]]
        said = dict(zip(newest.name, newest.position, strict=True))
        expected = []
        for joint in robot.joints:
            if joint.kind == "base":
                twist = base[np.flatnonzero(base_ns <= instant)[-1]]
                forward = joint.name == "base_forward"
                expected.append(twist.linear.x if forward else twist.angular.z)
            else:
                expected.append(joint.command_wire.to_model(said[joint.name]))
        np.testing.assert_allclose(rows.actions[row], expected, atol=1e-6)
        checked += 1
    assert checked > 0.6 * SECONDS * robot.time_base.control_hz
    assert np.ptp(rows.actions[np.isfinite(rows.actions).all(axis=1)], axis=0).max() > 1e-3


def test_the_dataset_holds_the_same(converted, tmp_path):
    robot, folder, _, settings, rows = converted
    outcome = convert([folder], tmp_path / "data", settings)
    assert outcome.dataset is not None, [part.rejected for part in outcome.parts]
    at = {int(instant): row for row, instant in enumerate(rows.instants_ns)}
    count = 0
    for path in sorted((tmp_path / "data" / "data").rglob("*.parquet")):
        table = pq.read_table(path).to_pydict()
        for stamp, state, action in zip(table[STAMP], table[STATE], table[ACTION], strict=True):
            np.testing.assert_allclose(state, rows.states[at[stamp]], atol=1e-6)
            np.testing.assert_allclose(action, rows.actions[at[stamp]], atol=1e-6)
            count += 1
    assert count >= robot.time_base.rows_per_chunk
