"""The bridge as a process with the fake SDK in it, under Python 3.10 where there is one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAKE_SDK = HERE / "fake_sdk"

collect_ignore = (
    []
    if find_spec("rclpy")
    else [
        "test_driver_node.py",
        "test_hardware.py",
        "test_parameters.py",
    ]
)


def python310():
    """The interpreter that the SDK has; this one where it is not installed."""
    named = shutil.which("python3.10")
    for one in (named, *map(str, Path.home().glob(".pyenv/versions/3.10.*/bin/python3.10"))):
        if one and subprocess.run([one, "-c", ""], capture_output=True).returncode == 0:
            return one
    return sys.executable


PYTHON = python310()


class Bridge:
    """The bridge's process and what its fake robot was told."""

    def __init__(self, folder, *arguments, sdk=True, port=0):
        self.folder = folder
        (folder / "do").mkdir(exist_ok=True)
        (folder / "calls.jsonl").write_text("")
        path = [str(HERE.parent), *([str(FAKE_SDK)] if sdk else [])]
        self.log_file = folder / "bridge.log"
        with self.log_file.open("w") as log:
            self.child = subprocess.Popen(
                [PYTHON, "-m", "agibot_bridge", "--port", str(port), *arguments],
                cwd=folder,
                stderr=log,
                stdout=log,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path)},
            )
        self.port = None

    @property
    def log(self):
        return self.log_file.read_text()

    def serving(self):
        """Waits until it serves."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if found := re.search(r"serving on 127\.0\.0\.1:(\d+)", self.log):
                self.port = int(found[1])
                return self
            assert self.child.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(self.log)

    def do(self, verb):
        """Brings a fault about, and waits until it is there."""
        path = self.folder / "do" / verb
        path.touch()
        end = time.monotonic() + 5
        while path.exists() and time.monotonic() < end:
            time.sleep(0.005)

    def calls(self, *names):
        """[time, name, arguments] of the calls, all or those named."""
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        calls = [json.loads(line) for line in lines if line.endswith("]")]
        return [call for call in calls if not names or call[1] in names]

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        return self.child.wait(10)

    def kill(self):
        self.child.kill()
        self.child.wait(10)


@pytest.fixture
def make_bridge(tmp_path):
    """Starts a bridge; ends those that still run when the test ends."""
    started = []

    def make(*arguments, **options):
        words = arguments or ("--head-reads", "degrees")
        started.append(Bridge(tmp_path, *words, **options))
        return started[-1]

    yield make
    for bridge in started:
        if bridge.child.poll() is None:
            bridge.kill()


@pytest.fixture
def bridge(make_bridge):
    return make_bridge().serving()
