"""The base of every node as a process: how it ends, and in which order it stops."""

import os
import signal
import subprocess
import sys
import time

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

pytestmark = pytest.mark.ros

NODE = """
import gc, sys, time
from dataclasses import dataclass
from std_msgs.msg import String
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.ros.parameters import NodeParameters, parameter

def say(what):
    sys.stdout.write(what + chr(10)); sys.stdout.flush()

@dataclass(frozen=True, kw_only=True)
class Settings(NodeParameters):
    fault: str = parameter("", "Where to go wrong.")

class Probe(Node[Settings]):
    def __init__(self):
        super().__init__("probe", Settings)
    def _setup(self):
        say("setup")
        if self.settings.fault == "value": raise ValueError("expected a camera, got none")
        if self.settings.fault == "bug": raise KeyError("oops")
        self.words = self.create_publisher(String, "words", qos.STATUS)
        if self.settings.fault == "half": raise ValueError("half built")
        if self.settings.fault == "slow setup": time.sleep(3.0)
    def _start(self):
        say("start")
        self.create_timer(0.1, self.tick)
        self.counted = []
        if self.settings.fault == "busy": self.create_timer(0.001, self.count)
        if self.settings.fault == "start": raise ValueError("cannot start")
    def tick(self):
        if not hasattr(self, "ticked"): say(f"running {len(list(self.timers))} timers")
        self.ticked = True
        if self.settings.fault == "fail": self.fail("the hand fell off")
        if self.settings.fault == "callback": raise ValueError("in a callback")
    def count(self):
        self.counted.append(len(gc.get_objects()) if len(self.counted) in (100, 900) else 0)
        if len(self.counted) == 901: say(f"grown by {self.counted[900] - self.counted[100]}")
    def _stop(self):
        say(f"stop accepting={self.accepting}")
        if self.settings.fault == "stop": raise KeyError("in stop")
        if self.settings.fault == "hang": time.sleep(60)
    def _safe_command(self):
        say("safe command")
    def _teardown(self):
        say("teardown")

sys.exit(run(Probe))
"""


class Probe:
    def __init__(self, folder, parameters):
        self.log_file = folder / "probe.log"
        arguments = [text for n, v in parameters.items() for text in ("-p", f"{n}:={v}")]
        with self.log_file.open("w") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-c", NODE, "--ros-args", *arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, "RCUTILS_LOGGING_BUFFERED_STREAM": "0"},
            )

    @property
    def log(self):
        return self.log_file.read_text()

    @property
    def said(self):
        words = ("setup", "start", "running", "stop", "safe command", "teardown")
        return [line for line in self.log.splitlines() if line.startswith(words)]

    def wait_for(self, text):
        end = time.monotonic() + 20.0
        while text not in self.log:
            assert time.monotonic() < end, self.log
            assert self.child.poll() is None, self.log
            time.sleep(0.02)


@pytest.fixture
def probe(domain, tmp_path):
    made = []

    def begin(**parameters):
        made.append(Probe(tmp_path, {"robot": "droid", **parameters}))
        return made[-1]

    yield begin
    for one in made:
        if one.child.poll() is None:
            one.child.kill()
            one.child.wait()


STOPPED = ["stop accepting=False", "safe command", "teardown"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order_at_once(probe, number):
    one = probe()
    one.wait_for("running")
    began = time.monotonic()
    one.child.send_signal(number)
    assert one.child.wait(20) == 0, one.log
    assert one.said == ["setup", "start", "running 2 timers", *STOPPED]
    assert time.monotonic() - began < 5.0
    assert "Traceback" not in one.log


def test_more_signals_do_not_cut_a_stop_off(probe):
    one = probe()
    one.wait_for("running")
    while one.child.poll() is None:
        one.child.send_signal(signal.SIGINT)
        time.sleep(0.0005)
    assert one.child.returncode == 0, one.log
    assert one.said[-3:] == STOPPED
    assert "Traceback" not in one.log


@pytest.mark.parametrize(
    ("fault", "code", "said", "text"),
    [
        ("value", 2, ["setup", "teardown"], "Probe: expected a camera, got none"),
        ("half", 2, ["setup", "teardown"], "Probe: half built"),
        ("start", 2, ["setup", "start", *STOPPED], "Probe: cannot start"),
        ("bug", 1, ["setup", "teardown"], "KeyError: 'oops'"),
        ("fail", 3, ["setup", "start", "running 2 timers", *STOPPED], "the hand fell off"),
        ("callback", 1, ["setup", "start", "running 2 timers", *STOPPED], "in a callback"),
    ],
)
def test_every_way_to_fail_has_its_code_and_stops_in_order(probe, fault, code, said, text):
    one = probe(fault=fault)
    assert one.child.wait(20) == code, one.log
    assert one.said == said
    assert text in one.log
    assert ("Traceback" in one.log) == (code == 1)


def test_the_safe_command_comes_even_where_stopping_fails(probe):
    one = probe(fault="stop")
    one.wait_for("running")
    one.child.send_signal(signal.SIGTERM)
    assert one.child.wait(20) == 0, one.log
    assert one.said[-3:] == STOPPED
    assert "KeyError: 'in stop'" in one.log


def test_nothing_grows_with_every_callback(probe):
    """A function more per callback holds a node up ever longer: garbage is looked for in them."""
    one = probe(fault="busy")
    one.wait_for("grown by")
    (line,) = [line for line in one.log.splitlines() if line.startswith("grown by")]
    assert abs(int(line.split()[-1])) < 200, line  # of 800 callbacks
    one.child.send_signal(signal.SIGTERM)
    assert one.child.wait(20) == 0, one.log


def test_a_stop_that_hangs_is_cut_off(probe):
    one = probe(fault="hang")
    one.wait_for("running")
    one.child.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert one.child.wait(20) == 1, one.log
    assert time.monotonic() - began < 10.0
    assert "the stop did not end within" in one.log


def test_a_signal_during_setup_is_not_lost(probe):
    one = probe(fault="slow setup")
    one.wait_for("setup")
    one.child.send_signal(signal.SIGINT)
    assert one.child.wait(20) == 0, one.log
    assert one.said[-1] == "teardown"


def test_a_broken_parameter_file_is_one_line(domain, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [")
    done = subprocess.run(
        [sys.executable, "-c", NODE, "--ros-args", "--params-file", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "Probe: bad ROS arguments or parameter file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_keyed_by_any_namespace_reaches_the_node(probe, domain, tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(
        "/**/other:\n  ros__parameters: {nonsense: 1}\n"
        "/**/probe:\n  ros__parameters: {robot: droid, fault: value}\n"
    )
    for namespace in ((), ("-r", "__ns:=/left/arm")):
        done = subprocess.run(
            [sys.executable, "-c", NODE, "--ros-args", "--params-file", str(path), *namespace],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2
        assert "Probe: expected a camera, got none" in done.stderr


def test_transitions_from_outside_and_what_is_left_after_them(probe, bench):
    """Without autostart: configure, activate, deactivate, cleanup, again, shutdown."""
    one = probe(autostart=False)
    change = bench.node.create_client(ChangeState, "probe/change_state")
    get = bench.node.create_client(GetState, "probe/get_state")
    assert change.wait_for_service(20.0)
    assert get.wait_for_service(20.0)

    def call(client, **request):
        future = client.call_async(client.srv_type.Request(**request))
        bench.spin_until(future.done)
        return future.result()

    def transition(number):
        return call(change, transition=Transition(id=number)).success

    def publishers():
        return bench.node.count_publishers("words")

    assert call(get).current_state.id == State.PRIMARY_STATE_UNCONFIGURED
    assert not one.said
    for _ in range(2):
        assert transition(Transition.TRANSITION_CONFIGURE)
        bench.spin_until(lambda: publishers() == 1)
        assert transition(Transition.TRANSITION_ACTIVATE)
        assert call(get).current_state.id == State.PRIMARY_STATE_ACTIVE
        assert transition(Transition.TRANSITION_DEACTIVATE)
        assert one.said[-2:] == STOPPED[:2]
        assert transition(Transition.TRANSITION_CLEANUP)
        assert one.said[-1] == "teardown"
        bench.spin_until(lambda: publishers() == 0)
    assert transition(Transition.TRANSITION_CONFIGURE)
    assert transition(Transition.TRANSITION_INACTIVE_SHUTDOWN)
    assert one.child.wait(20) == 0, one.log


def test_a_failed_configuration_from_outside_leaves_nothing(probe, bench):
    one = probe(autostart=False, fault="half")
    change = bench.node.create_client(ChangeState, "probe/change_state")
    assert change.wait_for_service(20.0)
    future = change.call_async(ChangeState.Request(transition=Transition(id=1)))
    bench.spin_until(future.done)
    assert not future.result().success
    bench.spin_until(lambda: bench.node.count_publishers("words") == 0)
    assert "could not configure: half built" in one.log
    assert one.child.poll() is None
