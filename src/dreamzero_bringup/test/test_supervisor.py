"""Processes under the supervisor: output, ends, stops and orphans, with small fake nodes."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from dreamzero_bringup import domain
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.supervisor import Interrupts, Supervisor, run

LIVES = "import time\nprint('alive', flush=True)\ntime.sleep(60)\n"
DEAF = (
    "import signal, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('alive', flush=True)\n"
    "time.sleep(60)\n"
)
POLITE = (
    "import signal, sys, time\n"
    "def bye(*_):\n"
    "    print('bye at', time.monotonic_ns(), flush=True)\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGINT, bye)\n"
    "print('alive', flush=True)\n"
    "time.sleep(60)\n"
)
DIES = "import sys, time\nprint('first word')\nprint('last word', file=sys.stderr)\nsys.exit(7)\n"


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch) -> Path:
    """A ROS prefix with one package, and a place of its own for domain locks."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "fake").touch()
    (tmp_path / "lib" / "fake").mkdir(parents=True)
    (tmp_path / "locks").mkdir()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(domain, "lock_folder", lambda: tmp_path / "locks")
    return tmp_path


def node(prefix: Path, name: str, body: str, **fields) -> NodeSpec:
    path = prefix / "lib" / "fake" / name
    path.write_text(f"#!{sys.executable} -S\n{body}")
    path.chmod(0o755)
    return NodeSpec("fake", name, name, "robot", **fields)


class Lines:
    """A sink that remembers, and can be waited on."""

    def __init__(self):
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name, line):
        self.lines.append((name, line))

    def wait_for(self, text: str, count: int = 1):
        until = time.monotonic() + 20
        while sum(text in line for _, line in self.lines) < count:
            assert time.monotonic() < until, self.lines
            time.sleep(0.01)

    def of(self, name: str) -> list[str]:
        return [line for who, line in self.lines if who == name]


def alive(pids) -> list[int]:
    return [
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def test_nodes_get_their_arguments_and_environment(prefix):
    shows = (
        "import os, sys\nprint(sys.argv[1:])\nprint({k: os.environ.get(k) for k in"
        " ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'OMP_NUM_THREADS',"
        " 'OMP_WAIT_POLICY')})\n"
        "print(os.nice(0), os.getpgid(0) == os.getpid(), flush=True)\n" + LIVES
    )
    lines = Lines()
    spec = node(prefix, "shows", shows, parameters={"robot": "droid"}, nice=3, threads=2)
    with Supervisor([spec], sink=lines) as supervisor:
        lines.wait_for("alive")
        arguments, environment, standing, _ = lines.of("shows")
        assert arguments == "['--ros-args', '-r', '__node:=shows', '-p', 'robot:=\"droid\"']"
        assert f"'ROS_DOMAIN_ID': '{supervisor.domain_id}'" in environment
        assert "'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'" in environment
        assert "'OMP_NUM_THREADS': '2', 'OMP_WAIT_POLICY': 'PASSIVE'" in environment
        assert standing == f"{os.nice(0) + 3} True"
        assert supervisor.poll() is None


def test_a_node_that_dies_ends_the_run_with_its_code_and_last_lines(prefix):
    lines = Lines()
    specs = [
        node(prefix, "lives", LIVES),
        node(prefix, "dies", "import time\ntime.sleep(.3)\n" + DIES),
    ]
    began = time.monotonic()
    code = run(specs, sink=lines)
    assert code == 7
    assert time.monotonic() - began < 10
    said = lines.of("dreamzero")
    assert any("dies ended with exit code 7; the run is over" in line for line in said)
    assert {"  first word", "  last word"} <= set(said)


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ("import os\nos.kill(os.getpid(), 9)\n", 137, "killed by signal 9 (SIGKILL)"),
        ("pass\n", 1, "although nobody asked it to"),
    ],
)
def test_other_ends_have_a_code_too(prefix, body, code, reason):
    lines = Lines()
    assert run([node(prefix, "ends", body)], sink=lines) == code
    assert any(reason in line for line in lines.of("dreamzero"))


def test_the_driver_is_asked_to_stop_after_the_others(prefix):
    lines = Lines()
    specs = [node(prefix, name, POLITE) for name in ("driver", "controller")]
    with Supervisor(specs, sink=lines):
        lines.wait_for("alive", 2)
    ends = {name: int(line.split()[-1]) for name, line in lines.lines if "bye" in line}
    assert ends["controller"] < ends["driver"]


@pytest.mark.parametrize("body", [LIVES, DEAF])
def test_stop_takes_less_than_five_seconds_and_leaves_nothing(prefix, body):
    with_child = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "print('child', p.pid, flush=True)\n"
    )
    lines = Lines()
    specs = [node(prefix, f"node{i}", with_child + body) for i in range(3)]
    with Supervisor(specs, sink=lines) as supervisor:
        lines.wait_for("alive", 3)
        pids = list(supervisor.pids.values())
        pids += [int(line.split()[1]) for _, line in lines.lines if line.startswith("child")]
        assert len(alive(pids)) == 6
        began = time.monotonic()
    assert time.monotonic() - began < 5
    while alive(pids) and time.monotonic() - began < 6:  # whoever was killed ends when it is run
        time.sleep(0.02)
    assert alive(pids) == []
    assert domain.running() == []


def test_hurry_kills_at_once(prefix):
    lines, hurry = Lines(), threading.Event()
    hurry.set()
    with Supervisor([node(prefix, "deaf", DEAF)], sink=lines) as supervisor:
        lines.wait_for("alive")
        began = time.monotonic()
        supervisor.stop(hurry)
        assert time.monotonic() - began < 1


def test_signals_become_events_and_are_given_back():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.first.wait(1)
        assert not interrupts.second.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.second.wait(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_starts_when_one_executable_is_missing(prefix):
    there = node(prefix, "there", LIVES)
    with pytest.raises(ValueError, match=r"'absent': expected an executable at .*lib/fake/absent"):
        Supervisor([there, NodeSpec("fake", "absent", "absent", "robot")], sink=Lines())
    with pytest.raises(ValueError, match="'nowhere' is not installed"):
        Supervisor([NodeSpec("nowhere", "x", "x", "robot")], sink=Lines())
    assert domain.running() == []


def test_a_domain_that_another_run_holds_is_refused(prefix, monkeypatch):
    with Supervisor([node(prefix, "a", LIVES)], sink=Lines(), domain_id=40):
        with pytest.raises(ValueError, match="domain id 40 belongs to another dreamzero run"):
            Supervisor([node(prefix, "b", LIVES)], sink=Lines(), domain_id=40)
        monkeypatch.setenv("ROS_DOMAIN_ID", "forty")
        with pytest.raises(ValueError, match="ROS_DOMAIN_ID: expected a number, got 'forty'"):
            Supervisor([node(prefix, "b", LIVES)], sink=Lines())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_orphan_when_the_supervisor_is_stopped_from_outside(prefix, number):
    specs = [node(prefix, f"node{i}", DEAF) for i in range(2)]
    program = textwrap.dedent(
        f"""
        import sys
        from dreamzero_bringup.graph.node_spec import NodeSpec
        from dreamzero_bringup.supervisor import run
        names = {[spec.name for spec in specs]}
        specs = [NodeSpec("fake", name, name, "robot") for name in names]
        sys.exit(run(specs, sink=lambda name, line: print(name, line, flush=True)))
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=prefix
    )
    try:
        seen = 0
        for line in parent.stdout:
            seen += "alive" in line
            if seen == 2:
                break
        pids = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        assert len(alive(pids)) == 2
        began = time.monotonic()
        parent.send_signal(number)
        parent.stdout.read()
        code = parent.wait(timeout=10)
        assert time.monotonic() - began < 5.5
        assert code == (0 if number == signal.SIGINT else -number)
        until = time.monotonic() + 2
        while alive(pids) and time.monotonic() < until:
            time.sleep(0.02)
        assert alive(pids) == []
    finally:
        parent.kill()
