"""The processes of a graph under test, each of which may be killed, paused and started again."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.graph.parameter_files import Value
from dreamzero_bringup.supervisor import NodeProcess, executable_path

_STOP_S = 5.0


def double(module: str, name: str, robot: str | None = None, **parameters: Value) -> NodeSpec:
    """A stand-in, started as ``python -m``.

    Args:
        module: of ``stand_ins``.
        name: the node's name.
        robot: for those that have that parameter.
        parameters: further ones.
    """
    known = {} if robot is None else {"robot": robot}
    executable = f"dreamzero_bringup.stand_ins.{module}"
    return NodeSpec("", executable, name, "robot", parameters={**known, **parameters})


def _command(spec: NodeSpec) -> list[str | Path]:
    """What to start for a node."""
    if spec.package:
        return [executable_path(spec)]
    if importlib.util.find_spec(spec.executable) is None:
        raise ValueError(f"node {spec.name!r}: expected a module, got {spec.executable!r}")
    return [sys.executable, "-m", spec.executable]


class Nodes:
    """Processes by node name. To be used from one thread, which must outlive them.

    Args:
        sink: takes a node's name and a line of its output, from several threads.
        env: what the nodes' environment has besides this process's.
        domain_id: None for the environment's, or a free one.
    """

    def __init__(
        self,
        sink: Callable[[str, str], None],
        env: Mapping[str, str] | None = None,
        domain_id: int | None = None,
    ) -> None:
        asked = os.environ.get("ROS_DOMAIN_ID")
        if domain_id is None and asked:
            domain_id = int(asked)
        self._claim = DomainClaim(domain_id)
        self.domain_id = self._claim.domain_id
        self._sink = sink
        self._running: dict[str, NodeProcess] = {}
        self._paused: set[str] = set()
        self._killed: set[str] = set()
        self.env = {
            **os.environ,
            "AMENT_PREFIX_PATH": os.environ.get("AMENT_PREFIX_PATH") or sys.prefix,
            "ROS_DOMAIN_ID": str(self.domain_id),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "PYTHONUNBUFFERED": "1",
            "RCUTILS_COLORIZED_OUTPUT": "0",
            **(env or {}),
        }

    def ensure(self, specs: Iterable[NodeSpec]) -> dict[str, int]:
        """Makes exactly these nodes run, drivers first; those that run as asked are left alone.

        Returns:
            Which were started, and when [ns, system clock].
        """
        wanted = {spec.name: spec for spec in specs}
        for name, process in list(self._running.items()):
            if wanted.get(name) != process.spec or process.exited():
                self.end(name)
        fresh = {name: time.time_ns() for name in wanted if name not in self._running}
        for name in fresh:
            self.start(wanted[name])
        for name in list(self._paused):
            self.resume(name)
        return fresh

    def start(self, spec: NodeSpec) -> None:
        """Starts a node; one of that name must not run."""
        if spec.name in self._running:
            raise ValueError(f"node {spec.name!r} runs already")
        process = NodeProcess(spec, _command(spec), self.env)
        self._running[spec.name] = process
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def again(self, name: str, **parameters: object) -> None:
        """Ends a node, if it runs, and starts it anew, with further parameters."""
        spec = self._running[name].spec
        self.end(name)
        self.start(replace(spec, parameters={**spec.parameters, **parameters}))

    def spec(self, name: str) -> NodeSpec:
        """The node as it was started."""
        return self._running[name].spec

    def kill(self, name: str) -> int:
        """``kill -9``; when that was [ns, system clock]. The name stays known to ``again``."""
        now = time.time_ns()
        self._running[name].signal(signal.SIGKILL)
        self._killed.add(name)
        self._paused.discard(name)
        return now

    def pause(self, name: str) -> int:
        """SIGSTOP; when that was [ns, system clock]."""
        now = time.time_ns()
        self._running[name].signal(signal.SIGSTOP)
        self._paused.add(name)
        return now

    def resume(self, name: str) -> int:
        """SIGCONT; when that was [ns, system clock]."""
        now = time.time_ns()
        self._running[name].signal(signal.SIGCONT)
        self._paused.discard(name)
        return now

    def end(self, name: str) -> None:
        """Ends a node for good: asks first, kills after a while."""
        process = self._running.pop(name)
        self._paused.discard(name)
        self._killed.discard(name)
        self._end([process])

    def close(self) -> None:
        """Ends every node and gives the domain back; a second call does nothing."""
        processes, self._running = list(self._running.values()), {}
        self._end(processes)
        self._claim.release()

    def pid(self, name: str) -> int:
        """Process id of a node."""
        return self._running[name].popen.pid

    def silent(self) -> set[str]:
        """Nodes that are killed or paused now."""
        return self._killed | self._paused

    def said(self, name: str) -> list[str]:
        """The end of a node's output."""
        return list(self._running[name].last_lines)

    def died(self) -> list[str]:
        """Nodes that run no more."""
        return [name for name, process in self._running.items() if process.exited()]

    def _end(self, processes: list[NodeProcess]) -> None:
        for process in processes:
            if not process.exited():
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGINT)
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline and not all(one.exited() for one in processes):
            time.sleep(0.01)
        for process in processes:
            if not process.exited():
                process.signal(signal.SIGKILL)
                process.popen.wait()

    def _read(self, process: NodeProcess) -> None:
        for raw in process.popen.stdout:
            line = raw.decode(errors="replace").rstrip()
            process.last_lines.append(line)
            self._sink(process.spec.name, line)
