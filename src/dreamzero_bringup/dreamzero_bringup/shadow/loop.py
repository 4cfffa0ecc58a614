"""A shadow run: the graph in a dry run, a human who moves the robot, and a log of both.

Nothing is sent: the controller is never enabled, and what it would publish goes beside the driver's
topics. The human moves the robot through whatever system does that here; in simulation a stand-in
does.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from dreamzero_bringup.console import log_files
from dreamzero_bringup.graph import graph
from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.shadow.log import FILE, ShadowLog
from dreamzero_bringup.supervisor import Interrupts, Supervisor, report_failure

Say = Callable[[str], None]

_READY_S = 180.0
_LOOK_S, _SAY_S = 0.1, 5.0


def run(
    options: Options,
    *,
    seconds: float,
    out: Path,
    instruction: str,
    say: Say,
    domain_id: int | None = None,
    discovery_range: str | None = None,
) -> int:
    """Watches a human and the policy, then writes the report.

    Args:
        options: of the graph; it is always a dry run.
        seconds: of motion, from the first chunk on; 0 until Ctrl-C.
        out: folder; a log that is there is moved aside, never overwritten.
        instruction: for the policy.
        say: takes lines for the user.
        domain_id: as for ``Supervisor``.
        discovery_range: as for ``Supervisor``.

    Returns:
        0 with a report, 1 where the graph failed or nothing could be compared.

    Raises:
        ValueError: as ``graph.build``, ``Supervisor`` and ``ShadowLog``; a length below 0.
    """
    from dreamzero_bringup.shadow.report import write_report

    if seconds < 0:
        raise ValueError(f"seconds: expected 0 or more, got {seconds:g}")
    if not options.dry_run:
        raise ValueError("shadow run: expected a dry run, got a graph that sends commands")
    embodiment = graph.embodiment(options)
    nodes = build(options)
    keep = log_files(out / "logs", [node.name for node in nodes])
    _move_aside(out / FILE, say)
    supervisor = Supervisor(nodes, sink=keep, domain_id=domain_id, discovery_range=discovery_range)
    log = ShadowLog(out / FILE)
    robot = graph.robot_parameter(options)
    log.write("start", robot=robot, instruction=instruction, simulated=options.sim)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = supervisor.env["ROS_AUTOMATIC_DISCOVERY_RANGE"]
    with Interrupts() as interrupts, supervisor:
        say(f"starting a dry run of {embodiment.name}; the nodes' logs go to {out / 'logs'}")
        try:
            trouble = _watch(supervisor, interrupts, log, options, seconds, instruction, say)
        finally:
            supervisor.stop(interrupts.second)
            log.close()
    if supervisor.failure is not None:
        report_failure(supervisor.failure, lambda name, line: say(f"{name}: {line}"))
        trouble = trouble or f"{supervisor.failure.name} {supervisor.failure.reason}"
    for problem in filter(None, (trouble, log.broken)):
        say(f"problem: {problem}")
    try:
        result = write_report(out)
    except ValueError as error:
        say(f"no report: {error}")
        return 1
    say(f"{result.chunks} chunks scored against the human's {result.reference}: {out}/index.html")
    return 1 if trouble or log.broken else 0


def _watch(
    supervisor: Supervisor,
    interrupts: Interrupts,
    log: ShadowLog,
    options: Options,
    seconds: float,
    instruction: str,
    say: Say,
) -> str:
    """From started processes to the end of the watched time; why it ended early, if it did."""
    from dreamzero_msgs.msg import PolicyStatus

    from dreamzero_bringup.operator_client import OperatorClient, spinning
    from dreamzero_bringup.shadow.listener import ShadowListener
    from dreamzero_bringup.shadow.stand_in import StandIn

    embodiment = graph.embodiment(options)

    def going() -> bool:
        return supervisor.poll() is None and not interrupts.first.is_set()

    with spinning("shadow", supervisor.domain_id) as node:
        listener = ShadowListener(node, embodiment, log)
        if options.sim:
            say("in simulation a stand-in moves the robot: slow sweeps around home")
            StandIn(node, embodiment)
        deadline = time.monotonic() + _READY_S
        busy = (PolicyStatus.WARMING_UP, PolicyStatus.FAILED)
        while listener.policy is None or listener.policy.state in busy:
            if not going():
                return "the run ended before the policy was ready"
            if time.monotonic() > deadline:
                return f"expected a policy to be ready within {_READY_S:g} s, none was"
            time.sleep(_LOOK_S)
        say(f"weights: {listener.policy.weights}")
        goal = OperatorClient(node).start(instruction)
        begun: float | None = None
        said = time.monotonic()
        while going() and not (seconds and begun and time.monotonic() - begun >= seconds):
            time.sleep(_LOOK_S)
            if listener.enabled:
                return "somebody enabled the controller: this is a shadow run"
            if begun is None and listener.counts["chunk"]:
                begun = time.monotonic()
            if time.monotonic() - said >= _SAY_S:
                said = time.monotonic()
                counts = ", ".join(f"{count} {kind}" for kind, count in listener.counts.items())
                say(f"logged {counts}{'; ' + log.broken if log.broken else ''}")
        goal.cancel_goal_async()
        return f"{listener.malformed} unreadable: {listener.complaint}" * bool(listener.malformed)


def _move_aside(path: Path, say: Say) -> None:
    """Gives the log of an earlier run another name."""
    if path.exists():
        kept = next(
            path.with_name(f"{path.stem}.{number}{path.suffix}")
            for number in range(1, 1_000_000)
            if not path.with_name(f"{path.stem}.{number}{path.suffix}").exists()
        )
        shutil.move(path, kept)
        say(f"kept the earlier log as {kept}")
