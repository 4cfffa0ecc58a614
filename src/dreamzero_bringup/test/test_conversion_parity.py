"""What a recording becomes equals what the live policy node was fed: pixels, states, actions.

The graph runs in simulation with the recorder beside it, which records the topics of the robot and
those that the policy node is fed. Then the bag is converted from the robot's topics alone, and
compared with the others. On a busy machine a live node may have served an instant before a message
for it came; such instants, which the stamps that canvases and states carry tell apart, are counted
and may not be many.
"""

import logging
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from dreamzero_bringup import middleware
from dreamzero_bringup.graph.graph import build, build_recorder
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.supervisor import Supervisor
from dreamzero_policy import embodiments
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.part_picture import canvas_at
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.datasets.layout import ACTION, STAMP, STATE

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(400)]

LOG = logging.getLogger(__name__)
SECONDS = 8.0
PROMPT = "pick up the red block"
# Live nodes wait as long as they may, so that few instants are served too early.
PATIENT = ("camera_tiler.settle_s=0.1", "proprioception.settle_s=0.1")


def until(done, patience_s, what):
    end = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < end, f"no {what} within {patience_s} s"
        time.sleep(0.05)


def begun(recorder, request):
    """Begins the episode; cameras may still be on their way up."""
    end = time.monotonic() + 60.0
    while True:
        answer = recorder.start(request)
        if answer.success:
            return
        assert time.monotonic() < end, answer.message
        time.sleep(1.0)


# One arm, and two arms with wheels: what is between them takes its time in `make test-long`.
ROBOTS = [
    pytest.param(name, marks=pytest.mark.long) if name == "yam" else name
    for name in embodiments.names()
]


@pytest.fixture(scope="module", params=ROBOTS)
def run(request, tmp_path_factory):
    """A robot, and the folder of its bag."""
    from dreamzero_msgs.msg import PolicyStatus

    from dreamzero_bringup.operator_client import OperatorClient, spinning
    from dreamzero_bringup.record.recorder_client import EpisodeRequest, RecorderClient
    from dreamzero_policy.ros import qos

    robot = embodiments.get(request.param)
    folder, statuses, log = tmp_path_factory.mktemp("parity"), [], []
    beside = (f"recorder.folder={folder}", "recorder.pictures=as_received",
              "recorder.disk_start_gib=3.0")  # fmt: skip
    nodes = [
        *build(Options(robot.name, sim=True, overrides=PATIENT)),
        build_recorder(Options(robot.name, overrides=beside), ""),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in middleware.environment({}).items():
            patch.setenv(name, value)
        with (
            Supervisor(nodes, sink=lambda name, line: log.append(f"{name}: {line}")) as supervisor,
            spinning(f"parity_{robot.name}", supervisor.domain_id) as node,
        ):
            node.create_subscription(PolicyStatus, "policy_status", statuses.append, qos.STATUS)
            operator, recorder = OperatorClient(node), RecorderClient(node)
            idle = PolicyStatus.IDLE
            until(lambda: any(s.state == idle for s in statuses), 180.0, "policy")
            operator.start(PROMPT)
            until(lambda: statuses[-1].chunks >= 1, 60.0, "chunk")
            begun(recorder, EpisodeRequest(PROMPT))
            answer = operator.motion("enable")
            assert answer.success, answer.message
            time.sleep(SECONDS)
            answer = recorder.end(False, "success")
            assert answer.success, (answer.message, log[-20:])
            bag = next(path for path in folder.iterdir() if path.is_dir())
    return robot, bag


@pytest.fixture(scope="module")
def converted(run):
    """The rows of the bag, which must reach over most of the time in which commands were sent."""
    robot, folder = run
    # Patient, since cameras in software rendering pause on a busy machine; no value depends on it.
    settings = ConversionSettings(robot.name, keep_idle=True, least_chunks=1.0, max_age_s=0.5)
    with Episode(folder) as episode:
        rows = resample(episode, settings)
    assert len(rows) > 0.6 * SECONDS * robot.time_base.control_hz
    return robot, folder, settings, rows


def stamp_ns(message):
    return message.sec * 1_000_000_000 + message.nanosec


def test_canvases_are_equal_to_the_pixel(converted):
    robot, folder, _, rows = converted
    at = {int(instant): row for row, instant in enumerate(rows.instants_ns)}
    equal, early = 0, 0
    with Episode(folder) as episode:
        for message in episode.stream("canvas"):
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
            np.testing.assert_array_equal(canvas_at(episode, robot, rows, row), pixels)
            equal += 1
    LOG.info(f"{robot.name}: {equal} canvases equal, {early} served before a picture came")
    assert equal >= 10
    assert early <= equal / 2


def test_states_are_equal_to_a_millionth(converted):
    robot, folder, _, rows = converted
    at = {int(instant): row for row, instant in enumerate(rows.instants_ns)}
    errors, early = [], 0
    with Episode(folder) as episode:
        fed = list(episode.stream("proprioception"))
    for message in fed:
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
    assert max(errors) <= 1e-6


def test_actions_are_the_commands_in_force(converted):
    robot, folder, _, rows = converted
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
    robot, folder, settings, rows = converted
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
