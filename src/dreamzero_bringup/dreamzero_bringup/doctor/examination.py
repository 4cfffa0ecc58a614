"""The doctor's round: gather facts, check them, section by section.

A section is a function of what was gathered to findings; another one, such as a robot's own
questions before its first power-on, is one more line in ``SECTIONS``. Nothing here moves a robot or
publishes a command.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dreamzero_bringup import domain
from dreamzero_bringup.doctor import (
    camera_checks,
    checkpoint,
    configuration,
    connection_checks,
    dds_checks,
    joint_checks,
    machine_checks,
    node_checks,
    stream_checks,
)
from dreamzero_bringup.doctor.configuration import Configuration
from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped
from dreamzero_bringup.doctor.report import Report
from dreamzero_bringup.facts import dds_facts, machine_facts
from dreamzero_bringup.facts.dds_facts import DdsFacts
from dreamzero_bringup.facts.expected import Expected, expected
from dreamzero_bringup.facts.live_facts import Live
from dreamzero_bringup.facts.machine_facts import MachineFacts
from dreamzero_bringup.graph import graph
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.supervisor import Supervisor
from dreamzero_policy.embodiments.embodiment import Embodiment

_SIM_PATIENCE_S = 30.0  # until the simulated robot shows its first picture
_LONGEST_S = 600.0
_LAST_LINES = 6  # of a driver that ended


@dataclass(frozen=True)
class Request:
    """What a user asks to have looked at.

    Attributes:
        robot: name of an embodiment.
        sim: start the simulated robot's driver, and nothing else, for as long as it takes.
        seconds: how long to listen.
        domain_id: where; None for the environment's, or that of the only run on this machine.
        discovery_range: how far to look for nodes; None for the environment's, or LOCALHOST.
        config_dir, checkpoint, overrides: as for ``Options``.
    """

    robot: str
    sim: bool = False
    seconds: float = 3.0
    domain_id: int | None = None
    discovery_range: str | None = None
    config_dir: Path | None = None
    checkpoint: str | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gathered:
    """Everything that a section may look at.

    Attributes:
        request: what was asked for.
        robot: its layout.
        machine, dds, configuration: of this host.
        expected: what a running robot is compared with.
        live: what was heard; None where that was not possible, and ``silence`` says why.
        silence: why nothing was heard, or how the simulated driver ended.
    """

    request: Request
    robot: Embodiment
    machine: MachineFacts
    dds: DdsFacts
    configuration: Configuration
    expected: Expected
    live: Live | None
    silence: Finding | None


def examine(request: Request) -> Report:
    """Looks at everything and says what was found; raises as ``gather``."""
    return judge(gather(request))


def judge(gathered: Gathered) -> Report:
    """What was found, section by section."""
    sections = {name: tuple(section(gathered)) for name, section in SECTIONS.items()}
    shown = {name: findings for name, findings in sections.items() if findings}
    live = gathered.live
    return Report(gathered.robot.name, live.domain_id if live else None, shown)


def gather(request: Request) -> Gathered:
    """Looks at everything.

    Raises:
        ValueError: an unknown robot, a time that is none, a domain that does not exist or that is
            not clear.
    """
    robot = graph.embodiment(Options(request.robot, config_dir=request.config_dir))
    if not 0.0 < request.seconds <= _LONGEST_S:
        raise ValueError(
            f"seconds: expected above 0, at most {_LONGEST_S:g}, got {request.seconds}"
        )
    if request.discovery_range:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = request.discovery_range
    dds = dds_facts.look()
    machine = machine_facts.look(sim=request.sim)
    found = _configuration(request, sim=request.sim)
    wanted = expected(robot, found, request.sim)
    live, silence = _hear(request, found, wanted, dds)
    if live is not None and not request.sim and _is_simulated(live):
        found = _configuration(request, sim=True)
        wanted = expected(robot, found, simulated=True)
    return Gathered(request, robot, machine, dds, found, wanted, live, silence)


def _configuration(request: Request, sim: bool) -> Configuration:
    return configuration.read(
        Options(
            request.robot,
            sim=sim,
            checkpoint=request.checkpoint,
            config_dir=request.config_dir,
            overrides=request.overrides,
        )
    )


def _is_simulated(live: Live) -> bool:
    return any(name.rpartition("/")[2] == "sim_driver" for name in live.nodes)


def _hear(
    request: Request, found: Configuration, wanted: Expected, dds: DdsFacts
) -> tuple[Live | None, Finding | None]:
    """Listens, with the simulated driver running if it was asked for."""
    if not dds.rmw:
        return None, skipped("running robot", "ROS 2 does not start: see DDS above")
    if request.domain_id is None and not dds_checks.is_domain(os.environ.get("ROS_DOMAIN_ID")):
        return None, skipped("running robot", "ROS_DOMAIN_ID is none: see DDS above")
    try:
        return _listen(request, found, wanted)
    except RuntimeError as error:  # rclpy's, for whatever DDS does not take
        words = " ".join(str(error).split())
        fix = "unset CYCLONEDDS_URI FASTDDS_DEFAULT_PROFILES_FILE FASTRTPS_DEFAULT_PROFILES_FILE"
        return None, failed("running robot", f"ROS 2 does not start: {words}", fix=fix)


def _listen(
    request: Request, found: Configuration, wanted: Expected
) -> tuple[Live | None, Finding | None]:
    from dreamzero_bringup.facts.listen import listen

    if not request.sim:
        return listen(_domain(request), wanted, request.seconds), None
    if not found.nodes:
        return None, skipped("running robot", "the simulated driver needs a node graph: see above")
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with Supervisor(
        found.nodes[:1],
        sink=lambda name, line: last.append(line),
        domain_id=request.domain_id,
        discovery_range=request.discovery_range,
    ) as driver:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = driver.env["ROS_AUTOMATIC_DISCOVERY_RANGE"]
        live = listen(
            driver.domain_id,
            wanted,
            request.seconds,
            _SIM_PATIENCE_S,
            ended=lambda: driver.poll() is not None,
        )
        ended = driver.poll()
    if ended is None:
        return live, None
    words = "\n".join([f"the simulated driver {ended.reason}; its last lines:", *last])
    return live, failed(
        "simulated driver", words, fix="dreamzero up droid --sim shows the whole log"
    )


def _domain(request: Request) -> int:
    """The domain to listen on: what was asked for, that of the only run here, or ROS's own."""
    from dreamzero_bringup.operator_client import domain_of_run

    if request.domain_id is None and not os.environ.get("ROS_DOMAIN_ID") and not domain.running():
        return 0
    found = domain_of_run(request.domain_id)
    if not 0 <= found <= domain.LARGEST:
        raise ValueError(f"domain id: expected 0 to {domain.LARGEST}, got {found}")
    return found


def _machine(gathered: Gathered) -> Iterator[Finding]:
    yield from machine_checks.check(gathered.machine, gathered.robot, gathered.request.sim)


def _dds(gathered: Gathered) -> Iterator[Finding]:
    yield from dds_checks.check(gathered.dds)


def _files(gathered: Gathered) -> Iterator[Finding]:
    yield from gathered.configuration.findings


def _checkpoint(gathered: Gathered) -> Iterator[Finding]:
    policy = gathered.configuration.settings.get("policy")
    if policy is None:
        yield skipped(
            "checkpoint",
            "needs the policy's parameters, see configuration; without torch: run the doctor on "
            "the policy's host",
        )
        return
    try:
        base, options = policy.time_base(gathered.robot), policy.engine()
    except ValueError as error:
        yield skipped("checkpoint", f"needs the policy's parameters: {error}")
        return
    facts = checkpoint.look(policy.checkpoint, gathered.robot, base, options)
    yield from checkpoint.check(facts, gathered.robot)
    if gathered.live is not None and gathered.live.policy is not None:
        yield skipped("GPU", "a policy is running and has its memory: what is free says nothing")
    else:
        yield from checkpoint.check_memory(facts, gathered.machine)


def _cameras(gathered: Gathered) -> Iterator[Finding]:
    for view, camera in gathered.live.cameras.items():
        yield from camera_checks.check(view, camera, gathered.expected)


def _joints(gathered: Gathered) -> Iterator[Finding]:
    for source, joints in gathered.live.joints.items():
        yield from joint_checks.check(source, joints, gathered.expected)


def _driver(gathered: Gathered) -> Iterator[Finding]:
    yield from connection_checks.driver(gathered.live.driver)
    yield from connection_checks.commands(gathered.live)
    yield from connection_checks.quality(gathered.live.mismatches)
    yield from stream_checks.clocks(gathered.live.streams)


def _nodes(gathered: Gathered) -> Iterator[Finding]:
    yield from node_checks.check(gathered.live, gathered.expected)


def _listening(gathered: Gathered) -> Iterator[Finding]:
    if gathered.silence is not None:
        yield gathered.silence
    elif not gathered.live.anything:
        yield connection_checks.absent(gathered.live.domain_id, gathered.dds.runs)
    else:
        yield passed("heard", f"{gathered.request.seconds:g} s on domain {gathered.live.domain_id}")


def _live(section: Callable[[Gathered], Iterable[Finding]]) -> Callable[[Gathered], Iterable]:
    """A section that has nothing to say where nothing is running."""

    def checked(gathered: Gathered) -> Iterable[Finding]:
        if gathered.live is not None and gathered.live.anything:
            yield from section(gathered)

    return checked


SECTIONS: dict[str, Callable[[Gathered], Iterable[Finding]]] = {
    "machine": _machine,
    "DDS": _dds,
    "configuration": _files,
    "checkpoint": _checkpoint,
    "robot": _listening,
    "cameras": _live(_cameras),
    "joints": _live(_joints),
    "driver": _live(_driver),
    "nodes": _live(_nodes),
}
"""What is looked at, in the order in which it is shown."""
