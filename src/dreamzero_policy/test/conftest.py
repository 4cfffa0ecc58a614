"""What tests of several folders share: golden numbers, robots and chunks, nodes as processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments import get
from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key, TimeBase, View
from dreamzero_policy.types import NS_PER_S, ActionChunk

START_NS = 1_700_000_000 * NS_PER_S


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The folder of golden numbers beside the project; where it is absent the test skips."""
    folder = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
    if not (folder / "README.md").is_file():
        pytest.skip(f"no golden numbers at {folder}")
    return folder


@pytest.fixture(scope="session")
def droid() -> Embodiment:
    return get("droid")


@pytest.fixture(scope="session")
def wheeled() -> Embodiment:
    """A robot with one joint of every kind, whose jerk limits bind at 30 Hz."""
    joints = (
        Joint("arm", "revolute", -1.0, 2.0, 1.5, 4.0, 40.0),
        Joint("lift", "prismatic", 0.0, 0.6, 0.1, 0.4, 2.0),
        Joint("hand", "gripper", 0.0, 1.0, 2.0, 20.0, 300.0),
        Joint("drive", "base", -0.5, 0.5, 0.6, 3.0, 60.0),
    )
    measured = ("lift", "arm", "hand")  # another order than the actions'
    return Embodiment(
        name="wheeled",
        tag="test",
        joints=joints,
        state_joints=measured,
        state_keys=(Key("all", 3),),
        action_keys=(Key("all", 4),),
        views=(View("front", "front", 0, 0),),
        native_size=(180, 320),
        view_size=(176, 320),
        time_base=TimeBase(control_hz=30, frame_stride=6, rows_per_chunk=48),
        prompt="{}",
        home=(0.0, 0.3, 0.0, 0.0),
    )


@pytest.fixture(scope="session")
def stiff(droid: Embodiment) -> Limits:
    """DROID's limits with jerk limits that bind."""
    limits = Limits.of(droid)
    return limits.tighten(
        {name: {"jerk": limits.jerk[i] / 100} for i, name in enumerate(limits.names)}
    )


@pytest.fixture(scope="session")
def chunk_of() -> Callable[..., ActionChunk]:
    """Makes a chunk from rows, observed at ``at_ns`` unless told otherwise."""

    def make(robot: Embodiment, rows: np.ndarray, at_ns: int = START_NS, **changes) -> ActionChunk:
        fields = {
            "observation_ns": at_ns,
            "start_ns": at_ns,
            "step_ns": robot.time_base.row_ns,
            "rows": np.asarray(rows, dtype=np.float64),
            "names": robot.action_joints,
            "session": START_NS,
            "sequence": 0,
        }
        return ActionChunk(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def still() -> Callable[..., np.ndarray]:
    """Rows that all ask for one pose."""

    def make(robot: Embodiment, pose: np.ndarray | None = None) -> np.ndarray:
        pose = np.array(robot.home) if pose is None else pose
        return np.tile(pose, (robot.time_base.rows_per_chunk, 1))

    return make


@pytest.fixture(scope="session")
def require_within() -> Callable[..., None]:
    """Fails unless commands, one per period from rest at the first, keep every limit."""

    def check(commands: np.ndarray, limits: Limits, period_s: float) -> None:
        commands = np.asarray(commands)
        assert np.isfinite(commands).all()
        start = commands[0]
        # A joint that starts outside its range may only move inwards.
        low, high = np.minimum(limits.lower, start), np.maximum(limits.upper, start)
        assert (commands >= low).all(), f"below the range by {(low - commands).max(axis=0)}"
        assert (commands <= high).all(), f"above the range by {(commands - high).max(axis=0)}"
        ran = np.maximum.accumulate(np.maximum(limits.lower - commands, 0.0)[::-1], axis=0)[::-1]
        assert (np.diff(ran, axis=0) <= 1e-12).all(), "moved outwards below the range"
        ran = np.maximum.accumulate(np.maximum(commands - limits.upper, 0.0)[::-1], axis=0)[::-1]
        assert (np.diff(ran, axis=0) <= 1e-12).all(), "moved outwards above the range"
        path = np.vstack((start, start, start, commands))  # at rest before the first
        for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
            worst = np.abs(np.diff(path, n=order, axis=0)).max(axis=0) / period_s**order
            assert (worst <= limit * (1.0 + 1e-9)).all(), (
                f"difference {order} is {worst / limit} of its limit"
            )
        for column, slow in enumerate(limits.slowdowns):
            if slow is None:
                continue
            at, rate = commands[1:, column], np.diff(commands[:, column]) / period_s
            steep, room = 2.0 * slow.acceleration, (at - slow.lower_end, slow.upper_end - at)
            down, up = (np.sqrt(np.maximum(steep * left, 0.0)) - slow.offset for left in room)
            name = limits.names[column]
            assert (rate <= np.maximum(up, 0.0) + 1e-9).all(), f"{name}: too fast near its end"
            assert (-rate <= np.maximum(down, 0.0) + 1e-9).all(), f"{name}: too fast near its end"

    return check


@pytest.fixture(scope="session")
def domain():
    """A DDS domain on this host alone, in the environment of every process of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        if "ROS_DOMAIN_ID" not in os.environ:
            # Far from the first free ones, which tests of whole graphs claim beside these.
            patch.setenv("ROS_DOMAIN_ID", str(51 + os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


class Process:
    """A node's process; what it logs goes to a file."""

    def __init__(self, folder, module, parameters):
        self.log_file = folder / f"{module}.log"
        arguments = [
            text for name, value in parameters.items() for text in ("-p", f"{name}:={value}")
        ]
        code = f"import sys; from dreamzero_policy.nodes.{module} import main; sys.exit(main())"
        with self.log_file.open("w") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-c", code, "--ros-args", *arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1", "RCUTILS_LOGGING_BUFFERED_STREAM": "0"},
            )

    @property
    def log(self):
        return self.log_file.read_text()

    def wait(self):
        """The exit code of a process that ends by itself."""
        return self.child.wait(60)

    def stop(self):
        """The exit code after a Ctrl-C."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        return self.wait()


@pytest.fixture
def start(domain, tmp_path):
    """Starts ``nodes/<module>.py`` with parameters; ends what still runs when the test ends."""
    started = []

    def begin(module, **parameters):
        started.append(Process(tmp_path, module, parameters))
        return started[-1]

    yield begin
    for process in started:
        if process.child.poll() is None:
            process.child.kill()
            process.child.wait()


class Bench:
    """A node in a context of its own."""

    def __init__(self):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def listen(self, kind, topic, profile):
        """Every message that comes from now on, in a list."""
        messages = []
        self.node.create_subscription(kind, topic, messages.append, profile)
        return messages

    def now_ns(self):
        return self.node.get_clock().now().nanoseconds

    def spin_until(self, done, seconds=20.0):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "waited too long"
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(domain):
    made = Bench()
    yield made
    made.close()
