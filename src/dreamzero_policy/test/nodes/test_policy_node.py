"""The policy as a process over DDS, with the untrained tiny model."""

import os
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from dreamzero_msgs import msg as dz
from dreamzero_msgs.action import RunPolicy
from rclpy.action import ActionClient
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.inference.worker import Worker
from dreamzero_policy.messages.chunks import chunk_from_message
from dreamzero_policy.messages.images import Canvas, canvas_message, rgb_pixels
from dreamzero_policy.messages.joints import Proprioception, proprioception_message
from dreamzero_policy.messages.times import nanoseconds, time_message
from dreamzero_policy.nodes import policy_model, policy_node
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.parameters.policy_parameters import PolicyParameters
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S

pytestmark = [pytest.mark.ros, pytest.mark.slow]

ROBOT = embodiments.get("droid")
GRID = Grid.of_frames(ROBOT.time_base)
Status, Result = dz.PolicyStatus, RunPolicy.Result


class Robot:
    """Cameras and joints on the grid, and an operator."""

    def __init__(self, bench, canvas_size=ROBOT.canvas_size):
        self.bench, node = bench, bench.node
        self.statuses = bench.listen(Status, "policy_status", qos.STATUS)
        self.chunks = bench.listen(dz.ActionChunk, "action_chunk", QoSProfile(depth=100))
        self.canvases = node.create_publisher(dz.Canvas, "canvas", qos.CANVAS)
        self.states = node.create_publisher(dz.Proprioception, "proprioception", qos.STATE)
        self.operator = ActionClient(node, RunPolicy, "run_policy")
        self.image = np.random.default_rng(0).integers(0, 256, (*canvas_size, 3), dtype=np.uint8)
        self.pose = ROBOT.state_at_home()
        self.sees, self.encoding, self.cut = True, "raw", 0
        self._newest = 0
        node.create_timer(0.02, self.observe)

    def observe(self):
        index = GRID.index_at(self.bench.now_ns())
        if index == self._newest or not self.sees:
            return
        self._newest, stamp = index, GRID.instant(index)
        views = dict.fromkeys((view.name for view in ROBOT.views), stamp)
        canvas = Canvas(stamp, self.image, views)
        message = canvas_message(canvas, encoding=self.encoding)
        if self.cut:
            message.compressed.data = message.compressed.data[: -self.cut]
        self.canvases.publish(message)
        state = Proprioception(stamp, ROBOT.state_joints, self.pose, np.zeros(8), {})
        self.states.publish(proprioception_message(state))

    def instruct(self, prompt, time_limit=0.0):
        """The accepted goal, or None."""
        goal = RunPolicy.Goal(prompt=prompt, time_limit=time_limit)
        sent = self.operator.send_goal_async(goal)
        self.bench.spin_until(sent.done)
        return sent.result() if sent.result().accepted else None

    def result(self, goal):
        future = goal.get_result_async()
        self.bench.spin_until(future.done)
        return future.result().result

    def wait_for_state(self, state, seconds=20.0):
        self.bench.spin_until(lambda: self.statuses and self.statuses[-1].state == state, seconds)

    def wait_for_chunks(self, count):
        start = len(self.chunks)
        self.bench.spin_until(lambda: len(self.chunks) >= start + count, 60.0)


@pytest.fixture
def robot(start, bench):
    # Small calls, far apart: predictions are decoded only where they delay nothing.
    process = start(
        "policy_node", robot="droid", guidance_scale=1.0, evaluations=5, replan_frames=8
    )
    made = Robot(bench)
    made.process = process
    return made


def test_an_instruction_from_warm_up_to_its_end(robot):
    """Loaded, run, replaced, timed out, waiting, cancelled, and ended by Ctrl-C in a call."""
    bench = robot.bench
    robot.wait_for_state(Status.IDLE, 90.0)
    assert robot.operator.wait_for_server(20.0)
    status = robot.statuses[-1]
    assert status.untrained
    assert status.weights.startswith("untrained")
    assert "untrained" in robot.process.log
    assert robot.instruct("  ") is None
    bench.spin(0.5)
    assert not robot.chunks

    first = robot.instruct("pick up the red block")
    robot.wait_for_chunks(2)
    robot.wait_for_state(Status.RUNNING)
    chunk = chunk_from_message(robot.chunks[-1])
    assert chunk.rows.shape == (24, 8)
    assert chunk.names == ROBOT.action_joints
    assert chunk.step_ns == ROBOT.time_base.row_ns
    assert chunk.observation_ns == chunk.start_ns
    assert GRID.is_instant(chunk.observation_ns)
    # Untrained rows are relative to the state that went in, within the invented 0.12 rad.
    assert np.all(np.abs(chunk.rows[:, :7] - robot.pose[:7]) < 0.25)
    assert [message.sequence for message in robot.chunks[:2]] == [0, 1]
    status = robot.statuses[-1]
    assert status.session_id == chunk.session
    assert status.prompt == "pick up the red block"
    assert "first_call" in status.reset_reasons
    assert nanoseconds(status.latency) > 0
    assert 0 <= nanoseconds(status.canvas_age) < 10**9
    assert {"denoise", "total"} <= set(status.stages)

    second = robot.instruct("stack the blocks", time_limit=6.0)
    assert robot.result(first).outcome == Result.REPLACED
    ended = robot.result(second)
    assert ended.outcome == Result.TIME_LIMIT, ended.message
    assert ended.chunks >= 1
    assert "prompt_changed" in robot.statuses[-1].reset_reasons
    assert {message.session_id for message in robot.chunks} == {chunk.session}
    robot.wait_for_state(Status.IDLE)

    robot.sees = False
    third = robot.instruct("look away")
    robot.wait_for_state(Status.WAITING)
    assert "old, at most 0.6 s" in robot.statuses[-1].message
    predicted = bench.listen(Image, "predicted_canvas", qos.PREDICTION)
    robot.sees = True
    robot.wait_for_chunks(1)
    assert robot.chunks[-1].session_id > chunk.session
    bench.spin_until(lambda: len(predicted) >= 8, 60.0)
    stamps = [nanoseconds(image.header.stamp) for image in predicted[:8]]
    assert np.allclose(np.diff(stamps), ROBOT.time_base.frame_ns, atol=2)
    assert len(rgb_pixels(predicted[0])) > 0

    cancelled = third.cancel_goal_async()
    bench.spin_until(cancelled.done)
    assert robot.result(third).outcome == Result.CANCELLED
    robot.wait_for_state(Status.IDLE)
    count = len(robot.chunks)
    robot.sees = True
    bench.spin(1.0)
    assert len(robot.chunks) == count

    robot.instruct("be stopped in the middle")
    bench.spin(0.3)
    began = time.monotonic()
    assert robot.process.stop() == 0, robot.process.log
    assert time.monotonic() - began < 6.0
    assert "Traceback" not in robot.process.log


@pytest.mark.timeout(400)
def test_real_time_chunks_go_on_from_the_one_before(start, bench):
    """From the third chunk on; and not, with the reason, once the robot is somewhere else."""
    process = start(
        "policy_node",
        robot="droid",
        guidance_scale=1.0,
        evaluations=5,
        replan_frames=2,
        real_time_chunking=True,
    )
    robot = Robot(bench)
    robot.wait_for_state(Status.IDLE, 240.0)
    policy = robot.statuses[-1].policy_id
    assert 0 < bench.now_ns() - policy < 120 * 10**9
    robot.instruct("stack the blocks")
    bench.spin_until(lambda: sum(m.prefix_rows > 0 for m in robot.chunks) >= 3, 120.0)
    chunks = [chunk_from_message(message) for message in robot.chunks]
    assert {chunk.policy for chunk in chunks} == {policy}
    assert [chunk.prefix_rows for chunk in chunks[:2]] == [0, 0]
    held = [pair for pair in pairwise(chunks) if pair[1].prefix_rows]
    for old, new in held:
        skipped = round((new.start_ns - old.start_ns) / new.step_ns)
        count = new.prefix_rows
        assert 2 <= count <= 24 - skipped
        expected = old.rows[skipped : skipped + count]
        np.testing.assert_allclose(new.rows[:count], expected, atol=1e-4)
    bench.spin_until(lambda: robot.statuses[-1].prefix_rows > 0)
    status = robot.statuses[-1]
    assert status.policy_id == policy
    assert 0 < nanoseconds(status.delay) < ROBOT.time_base.chunk_ns

    robot.pose = robot.pose + np.array([0.5, *[0.0] * 7])
    said = "real-time chunking holds no row: panda_joint1 is at 0.500"
    bench.spin_until(
        lambda: any(
            status.message.startswith(said) and status.state == Status.RUNNING
            for status in robot.statuses
        ),
        60.0,
    )
    assert said in process.log
    assert process.stop() == 0, process.log


def test_a_checkpoint_with_other_views_says_what_to_set_and_runs_once_it_is(start, bench, tmp_path):
    sizes = ("dim=48", "ffn_dim=64", "num_heads=4", "num_layers=1", "hidden_size=16")
    sizes += ("text_dim=32", "text.dim=32", "text.num_layers=1", "text.vocab_size=259")
    sizes += ("clip_dim=32", "image.dim=32", "image.num_layers=2", "image.num_heads=2")
    sizes += ("vae.base_dim=4", "vae.decoder_base_dim=4", "vae.num_res_blocks=1")
    make_random("wan22_5b", tmp_path / "small", ROBOT, changes=sizes, dtype="float32")
    process = start("policy_node", robot="droid", checkpoint=tmp_path / "small")
    robot = Robot(bench)
    robot.wait_for_state(Status.IDLE, 90.0)
    assert "chunks of 24 rows at 15 Hz (1.6 s, a frame every 3 rows)" in process.log
    robot.instruct("look closely")
    said = (
        "canvas: expected 320 x 640 (height x width) as the checkpoint was trained with, "
        "got 352 x 640: set camera_tiler.view_size to [160, 320]"
    )
    bench.spin_until(lambda: robot.statuses[-1].message == said)
    assert robot.statuses[-1].state == Status.WAITING
    assert said in process.log
    assert not robot.chunks
    robot.image = robot.image[:320]
    robot.wait_for_chunks(2)
    assert chunk_from_message(robot.chunks[-1]).rows.shape == (24, 8)
    assert process.stop() == 0, process.log


def test_it_is_ready_only_when_everything_has_been_warmed_up(monkeypatch):
    """The order in the loader's thread; what failed on the way is logged and is in the status."""
    done, said = [], []

    class Quiet:
        def __getattr__(self, level):
            return lambda text, **_: said.append((level, text))

    class Started(Worker):
        def start(self):
            done.append("start")

    def note(owner, name):
        real = getattr(owner, name)

        def called(*arguments, **named):
            assert node._loaded is None
            done.append(name)
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, called)

    node = SimpleNamespace(
        settings=PolicyParameters(robot="droid", guidance_scale=1.0, evaluations=1),
        _robot=ROBOT,
        _device="cpu",
        _loaded=None,
        _loader=threading.current_thread(),
        get_logger=Quiet,
        fail=lambda *what: pytest.fail(str(what)),
        accepting=True,
        _actions=SimpleNamespace(current=None),
        _noticed=0,
        _broken="",
    )
    callbacks = ("_publish", "_note_failure", "_publish_prediction", "_predictions_wanted")
    for name in (*callbacks, "_offer", "_rewound", "_complain"):
        setattr(node, name, None)
    note(policy_model.prepare, "load")
    note(policy_node.Engine, "warm_up")
    monkeypatch.setattr(policy_node, "Worker", Started)
    monkeypatch.setattr(policy_node.Engine, "notices", ("the network runs uncompiled: why",))
    assert policy_node.PolicyNode._state(node)[0] == Status.WARMING_UP
    policy_node.PolicyNode._load(node)
    assert done == ["load", "warm_up", "start"]
    assert node._loaded is not None
    state, text = policy_node.PolicyNode._state(node)
    assert state == Status.IDLE
    assert text == "ready, but the network runs uncompiled: why"
    for _ in range(2):
        policy_node.PolicyNode._warn(node)
    assert said.count(("warning", "the network runs uncompiled: why")) == 1


@pytest.mark.parametrize("rows", [24, 48])
def test_a_chunk_length_is_the_checkpoint_s(rows):
    robot = embodiments.get("agibot_g1")
    set_to = PolicyParameters(robot="agibot_g1", chunk_rows=rows).time_base(robot)
    assert set_to == TimeBase(control_hz=30, frame_stride=rows // 8, rows_per_chunk=rows)
    assert PolicyParameters(robot="agibot_g1").time_base(robot) is None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"checkpoint": "/no/such/folder"}, "/no/such/folder"),
        ({"device": "cpu", "precision": "fp8"}, "precision: fp8 needs a GPU of compute capability"),
        ({"chunk_rows": 20}, "chunk_rows: expected a multiple of 8, got 20"),
        *(
            pytest.param(*each, marks=pytest.mark.long)
            for each in (
                ({"checkpoint": "random:huge"}, "huge"),
                ({"device": "cuda:77"}, "device: expected one of"),
                ({"device": "cpu", "attention": "cudnn"}, "attention: cudnn does not run on cpu"),
                (
                    {"evaluations": 9},
                    "evaluations: expected one of 0, 1, 2, 4, 5, 6, 7, 8, 16, got 9",
                ),
            )
        ),
    ],
)
def test_a_wrong_configuration_is_one_line_and_code_2(start, parameters, expected):
    process = start("policy_node", robot="droid", **parameters)
    assert process.wait() == 2, process.log
    assert expected in process.log
    assert "Traceback" not in process.log


def test_compressed_canvases_are_followed_and_cut_ones_are_waited_out(robot):
    """The same loop through PNG, then JPEG whose ends are lost: no chunk of garbage."""
    robot.encoding = "png"
    robot.wait_for_state(Status.IDLE, 90.0)
    assert robot.operator.wait_for_server(20.0)
    assert robot.instruct("pick up the red block")
    robot.wait_for_chunks(2)
    assert not robot.statuses[-1].controller_heard
    said = dz.ControllerStatus()  # of a host whose clock is 5 s behind
    said.header.stamp = time_message(robot.bench.now_ns() - 5 * NS_PER_S)
    publisher = robot.bench.node.create_publisher(
        dz.ControllerStatus, "controller_status", qos.STATUS
    )
    publisher.publish(said)
    robot.bench.spin_until(lambda: robot.statuses[-1].controller_heard)
    assert 5 <= robot.statuses[-1].controller_transit.sec < 30  # and the way
    robot.encoding, robot.cut = "jpeg", 20
    robot.wait_for_state(Status.WAITING)
    assert "cut short or damaged" in robot.process.log
    before = len(robot.chunks)
    robot.bench.spin(1.0)
    assert len(robot.chunks) == before
    robot.cut = 0
    robot.wait_for_chunks(2)
    assert robot.process.stop() == 0


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_policy_over_two_processes_and_the_end_of_one(start, bench):
    """Chunks, a changed instruction in a call, a killed rank: said everywhere, and no way on."""
    process = start("policy_node", robot="droid", evaluations=16, ranks=2, replan_frames=1)
    robot = Robot(bench)
    robot.wait_for_state(Status.IDLE, 240.0)
    assert robot.statuses[-1].ranks == 2
    health = bench.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    assert robot.operator.wait_for_server(20.0)
    robot.instruct("pick up the red block")
    robot.wait_for_chunks(2)
    for index in range(20):  # one of them comes while a call runs
        if robot.statuses[-1].calls_cancelled:
            break
        robot.instruct(f"stack {index} blocks")
        robot.wait_for_chunks(1)
        bench.spin(0.13)
    assert robot.statuses[-1].calls_cancelled
    assert robot.statuses[-1].last_cancel_reason == "prompt_changed"
    bench.spin_until(lambda: "publish" in robot.statuses[-1].timed_stages)
    said = robot.statuses[-1]
    stages = dict(zip(said.timed_stages, said.stage_p50, strict=True))
    assert {"receive", "denoise", "denoise 1", "denoise 16", "total", "publish"} <= set(stages)
    assert stages["denoise 2"] < stages["denoise"] < stages["total"] <= 60.0

    (rank,) = children(process.child.pid)
    goal = robot.instruct("go on")
    robot.wait_for_chunks(1)
    os.kill(rank, signal.SIGKILL)
    ended = robot.result(goal)
    assert ended.outcome == Result.FAILED
    assert f"rank 1 (process {rank}) was killed by SIGKILL" in ended.message
    robot.wait_for_state(Status.FAILED)
    assert "rank 1" in robot.statuses[-1].message
    assert robot.instruct("once more") is None
    bench.spin_until(
        lambda: any(
            "ranks" in each.name and each.level == each.ERROR and "rank 1" in each.message
            for array in health
            for each in array.status
        )
    )
    count = len(robot.chunks)
    bench.spin(1.0)
    assert len(robot.chunks) == count
    assert process.stop() == 0, process.log


def test_ranks_that_cannot_be_are_refused_in_one_line(start, bench):
    process = start("policy_node", robot="droid", ranks=64, guidance_scale=1.0)
    assert process.wait() == 2
    assert "ranks: expected at most 60" in process.log


def children(pid):
    """Ranks that a process has started."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
        if "rank_process" in Path(f"/proc/{child}/cmdline").read_text()
    ]
