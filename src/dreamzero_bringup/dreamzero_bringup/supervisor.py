"""The node graph as processes, for machines without launch_ros.

What holds whatever happens: a node that ends, ends the run; one Ctrl-C ends everything within 5 s;
no process outlives this one, even when it is killed (the kernel kills each child with its parent).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dreamzero_bringup import middleware
from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.graph import other_host
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.installed import package_prefix

LAST_LINES = 20
"""Lines of a dead node's output that are shown again at the end."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

# Seconds after the stop began. Drivers, first in the graph, are asked later than the rest, so that
# what the controller sends last still reaches the robot.
_DRIVERS_S, _TERMINATE_S, _KILL_S = 1.5, 3.0, 4.2

Sink = Callable[[str, str], None]
"""Takes a node's name and one line of its output."""


@dataclass(frozen=True)
class NodeExit:
    """A node that ended before it was asked to.

    Attributes:
        name: of the node.
        code: 1 to 255: its exit code, 128 + the signal that killed it, or 1 where it claimed
            success.
        reason: the same in words.
        last_lines: the end of its output.
    """

    name: str
    code: int
    reason: str
    last_lines: tuple[str, ...]


class NodeProcess:
    """One node's process, its process group and the end of its output.

    Args:
        spec: the node.
        command: what to start, before the arguments that every ROS 2 node understands.
        env: the whole environment; the node's own settings are added where it has none.
    """

    def __init__(
        self, spec: NodeSpec, command: Sequence[str | Path], env: Mapping[str, str]
    ) -> None:
        self.spec = spec
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        parent = os.getpid()

        def tie_to_parent() -> None:
            """Runs in the child before the node does."""
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            if spec.nice:
                os.nice(spec.nice)

        self.popen = subprocess.Popen(
            [*map(str, command), *spec.ros_arguments()],
            env={**spec.environment, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=tie_to_parent,
        )

    def exited(self) -> bool:
        """Whether it has ended; what it started itself is killed while its id is still its own."""
        if self.popen.returncode is None:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            if os.waitid(os.P_PID, self.popen.pid, flags) is None:
                return False
            self.signal(signal.SIGKILL)
            self.popen.wait()
        return True

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the node and to whatever it started."""
        if self.popen.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, number)

    def failure(self) -> NodeExit:
        """How it ended, for a node that nobody asked to end."""
        code = self.popen.returncode
        if code < 0:
            reason = f"was killed by signal {-code} ({signal.Signals(-code).name})"
            code = 128 - code
        elif code == 0:
            reason, code = "ended although nobody asked it to (exit code 0)", 1
        else:
            reason = f"ended with exit code {code}"
        return NodeExit(self.spec.name, code, reason, tuple(self.last_lines))


class Supervisor:
    """Starts a list of nodes, watches them and stops them.

    Use as a context manager, from the main thread (a child is tied to the thread that started it)
    and before other threads run.

    Attributes:
        domain_id: the ROS domain of this run.
        failure: the first node that ended by itself, or None.
    """

    def __init__(
        self,
        nodes: Sequence[NodeSpec],
        *,
        sink: Sink,
        domain_id: int | None = None,
        discovery_range: str | None = None,
        env: Mapping[str, str] | None = None,
        options: Options | None = None,
        beside: bool = False,
    ) -> None:
        """Resolves every executable and claims the domain; starts nothing.

        Args:
            nodes: the graph, drivers first.
            sink: takes the output, line by line, from several threads.
            domain_id: None for the one of the environment, or a free one where it names none.
            discovery_range: LOCALHOST, SUBNET or OFF; None for the environment's, or LOCALHOST.
            env: the environment that the nodes start from; this process's by default.
            options: what the graph was built from, where its other side may run elsewhere; None
                claims the whole domain.
            beside: the domain is that of another run, which these nodes join.

        Raises:
            ValueError: an executable that is not there, a domain that another run holds, another
                host that is not known.
        """
        self._executables = [executable_path(node) for node in nodes]
        self._nodes = list(nodes)
        self._sink = sink
        base = dict(os.environ if env is None else env)
        found = other_host.environment(base, options, discovery_range)
        asked = other_host.domain_id(base, options) if domain_id is None else domain_id
        self._claim = None
        if not beside:
            side, robot = (options.here, options.robot) if options else ("all", "")
            self._claim = DomainClaim(asked, side=side, robot=robot)
        self.domain_id = self._claim.domain_id if self._claim else int(asked or 0)
        self.failure: NodeExit | None = None
        self._processes: list[NodeProcess] = []
        self._readers: list[threading.Thread] = []
        base.setdefault("AMENT_PREFIX_PATH", os.environ.get("AMENT_PREFIX_PATH", sys.prefix))
        self.env = {
            **base,
            **middleware.environment(base),
            **found,
            "ROS_DOMAIN_ID": str(self.domain_id),
            "PYTHONUNBUFFERED": "1",
            "RCUTILS_COLORIZED_OUTPUT": "0",
        }

    def __enter__(self) -> Supervisor:
        """Starts every node."""
        try:
            for node, executable in zip(self._nodes, self._executables, strict=True):
                self._processes.append(NodeProcess(node, [executable], self.env))
        except BaseException:
            self.stop()
            raise
        for process in self._processes:
            reader = threading.Thread(target=self._read, args=(process,), daemon=True)
            reader.start()
            self._readers.append(reader)
            if process.spec.remark:
                self._sink(process.spec.name, process.spec.remark)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops every node."""
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process id by node name."""
        return {process.spec.name: process.popen.pid for process in self._processes}

    def poll(self) -> NodeExit | None:
        """Looks once whether a node ended by itself; the first that did stays in ``failure``."""
        if self.failure is None:
            for process in self._processes:
                if process.exited():
                    self._drain(process)
                    self.failure = process.failure()
                    break
        return self.failure

    def wait(self, interrupted: threading.Event) -> NodeExit | None:
        """Waits until a node ends by itself or ``interrupted`` is set."""
        while self.poll() is None and not interrupted.wait(0.1):
            pass
        return self.failure

    def stop(self, hurry: threading.Event | None = None) -> None:
        """Ends every process, within 5 s: asks, terminates, kills. A second call does nothing.

        Args:
            hurry: when set, processes are killed at once.
        """
        began = time.monotonic()
        steps = [
            (0.0, signal.SIGINT, self._processes[1:]),
            (_DRIVERS_S, signal.SIGINT, self._processes[:1]),
            (_TERMINATE_S, signal.SIGTERM, self._processes),
            (_KILL_S, signal.SIGKILL, self._processes),
        ]
        for due, number, processes in steps:
            while time.monotonic() - began < due:
                if hurry is not None and hurry.is_set():
                    break
                others = self._processes[1:] if due <= _DRIVERS_S else self._processes
                if not [process for process in others if not process.exited()]:
                    break
                time.sleep(0.02)
            for process in processes:
                if not process.exited():
                    process.signal(number)
        for process in self._processes:
            process.popen.wait()
        for reader in self._readers:
            reader.join(timeout=0.5)
        if self._claim is not None:
            self._claim.release()

    def _read(self, process: NodeProcess) -> None:
        """Passes a node's output on, until it closes."""
        for raw in process.popen.stdout:
            line = raw.decode(errors="replace").rstrip()
            process.last_lines.append(line)
            self._sink(process.spec.name, line)

    def _drain(self, process: NodeProcess) -> None:
        """Waits briefly for the reader, so that a dead node's last words are in."""
        if self._readers:
            self._readers[self._processes.index(process)].join(timeout=1.0)


def executable_path(node: NodeSpec) -> Path:
    """The file to start for a node.

    Raises:
        ValueError: the package or its executable is not installed; the message names the path.
    """
    path = package_prefix(node.package) / "lib" / node.package / node.executable
    if not os.access(path, os.X_OK) or path.is_dir():
        raise ValueError(f"node {node.name!r}: expected an executable at {path}, there is none")
    return path


class Interrupts:
    """Turns SIGINT, SIGTERM and SIGHUP into two events for as long as it is entered.

    Attributes:
        first: set by the first signal: stop in order.
        second: set by the second: stop at once.
    """

    def __init__(self) -> None:
        self.first = threading.Event()
        self.second = threading.Event()
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        """Takes the signals over; only the main thread may."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        (self.second if self.first.is_set() else self.first).set()


def run(nodes: Sequence[NodeSpec], *, sink: Sink, **options: object) -> int:
    """Runs a graph until Ctrl-C or until a node ends; what ``dreamzero up`` does.

    Args:
        nodes: the graph.
        sink: takes the nodes' output and, under the name ``dreamzero``, this function's own.
        options: as for ``Supervisor``.

    Returns:
        The exit code for the shell: 0 after Ctrl-C, otherwise that of the node that ended.

    Raises:
        ValueError: as ``Supervisor``; nothing was started then.
    """

    def show(name: str, line: str) -> None:
        # What the others say while they are stopped for a dead node would bury its last lines.
        if supervisor.failure is None:
            sink(name, line)

    supervisor = Supervisor(nodes, sink=show, **options)

    def say(line: str) -> None:
        sink("dreamzero", line)

    with Interrupts() as interrupts, supervisor:
        say(
            f"started {', '.join(supervisor.pids)}; to look in from another shell: "
            f"{other_host.to_look_in(supervisor.env)}"
        )
        failure = supervisor.wait(interrupts.first)
        if failure is None:
            say("stopping (again Ctrl-C: at once)")
        supervisor.stop(interrupts.second)
    if failure is None:
        say("stopped")
        return 0
    report_failure(failure, sink)
    return failure.code


def report_failure(failure: NodeExit, sink: Sink) -> None:
    """Says which node ended the run, and its last lines."""
    sink("dreamzero", f"{failure.name} {failure.reason}; the run is over. Its last lines:")
    for line in failure.last_lines:
        sink("dreamzero", f"  {line}")
