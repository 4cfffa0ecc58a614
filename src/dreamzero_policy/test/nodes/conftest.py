"""A node as a process of its own, and a bench node that talks to it over DDS."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

if not find_spec("rclpy"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def domain():
    """A DDS domain on this host alone, in the environment of every process of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        if "ROS_DOMAIN_ID" not in os.environ:
            patch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 99))
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
