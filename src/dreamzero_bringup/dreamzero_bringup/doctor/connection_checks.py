"""Whether the driver is sound, one node alone commands it, and all hear each other."""

from __future__ import annotations

from collections.abc import Iterator

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.facts.live_facts import OURS, Driver, Live, Mismatch, Stream

_STATUS_HZ = 5.0  # half of what drivers report at


def driver(said: Driver) -> Iterator[Finding]:
    """What the driver says of itself."""
    stream = said.stream
    if not stream.publishers:
        yield warned(
            "driver_status",
            "the driver publishes none, so that its restarts and faults are not noticed",
            fix=f"use a driver of this stack, or publish dreamzero_msgs/DriverStatus on "
            f"{stream.topic}",
        )
        return
    name = stream.publishers[0]
    if not said.sessions:
        yield failed("driver_status", f"{name} is there, but not one came", fix=f"restart {name}")
        return
    if len(said.sessions) > 1:
        yield failed(
            "driver session",
            f"{len(said.sessions)} sessions while listening: {', '.join(map(str, said.sessions))}",
            expected="one: it restarted, or two drivers run",
            fix=f"ros2 topic info -v {stream.topic}; read the driver's log",
        )
    if said.mode == "FAULT":
        yield failed(
            "driver",
            f"FAULT: {said.message}",
            fix=f"clear its cause at the robot, then restart {name} and dreamzero enable",
        )
    elif said.mode == "RELEASED":
        yield warned(
            "driver",
            f"RELEASED: {said.message or 'the robot may be moved by hand'}",
            fix="ros2 service call /controller/release std_srvs/srv/SetBool '{data: false}'",
        )
    else:
        refused = f"; refused {said.refused}: {said.last_refusal}" if said.refused else ""
        message = f" ({said.message})" if said.message else ""
        found = f"{said.mode}{message}, session {said.sessions[-1]}{refused}"
        yield passed("driver", found)
    if stream.rate_hz < _STATUS_HZ:
        yield warned(
            "driver_status",
            f"{stream.rate_hz:.1f} Hz",
            expected="10 Hz",
            fix="`top` on its host: the driver does not get its time",
        )


def commands(live: Live) -> Iterator[Finding]:
    """One node alone commands, and somebody obeys."""
    for ours, stream in live.commands.items():
        yield _command(ours, stream)


def _command(what: str, stream: Stream) -> Finding:
    others = stream.publishers
    if len(others) > 1:
        return failed(
            what,
            f"{len(others)} publishers on {stream.topic}: {', '.join(others)}",
            expected="one",
            fix=f"stop all but one of {', '.join(others)}; ros2 topic info -v {stream.topic}",
        )
    if not stream.subscribers:
        return warned(
            what,
            f"nobody takes {stream.topic}",
            expected="a driver",
            fix="start or activate the driver, or map its topic in graph topics",
        )
    who = f"{others[0]} commands" if others else "nobody commands yet"
    return passed(what, f"{who}; {', '.join(stream.subscribers)} listens")


def quality(mismatches: tuple[Mismatch, ...]) -> Iterator[Finding]:
    """Publishers and subscribers whose quality of service keeps them apart."""
    for found in mismatches:
        yield failed(
            f"QoS: {found.topic}",
            f"{found.publisher} offers {found.offered}; {found.subscriber} asks for "
            f"{found.requested}: {found.reason}",
            expected=f"an offer of {found.requested}, or a request for {found.offered}",
            fix=_fix(found),
        )
    if not mismatches:
        yield passed("QoS", "every publisher and subscriber of ours can hear each other")


def _fix(found: Mismatch) -> str:
    """What to change on the side that is not ours; ours are as they must be."""
    if found.publisher.removesuffix(" (ours)").rpartition("/")[2] in OURS:
        return f"let {found.subscriber} subscribe to {found.topic} as {found.offered}"
    return f"let {found.publisher} publish {found.topic} as {found.requested}"


def absent(domain_id: int, runs: tuple[int, ...]) -> Finding:
    """What a section says where nothing runs on the domain that was listened on.

    Args:
        domain_id: that domain.
        runs: domains of the runs on this machine.
    """
    others = ", ".join(str(run) for run in runs if run != domain_id)
    hint = f"; there are runs on domain {others}: --domain-id" if others else ""
    return skipped(
        "running robot",
        f"nothing is running on domain {domain_id}; start `dreamzero up ...`, or use --sim{hint}",
    )
