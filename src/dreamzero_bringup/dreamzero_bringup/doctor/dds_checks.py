"""Whether nodes will find each other, and nobody else's."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.domain import DOMAINS, LARGEST
from dreamzero_bringup.facts.dds_facts import DdsFacts

_TESTED = ("rmw_fastrtps_cpp", "rmw_cyclonedds_cpp")
_RANGES = ("LOCALHOST", "SUBNET", "SYSTEM_DEFAULT", "OFF")
_FAR = ("SUBNET", "SYSTEM_DEFAULT")
_UNREAD, _READ = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"


def check(facts: DdsFacts) -> Iterator[Finding]:
    """Middleware, domain, discovery, profile files, multicast, prefix."""
    yield _middleware(facts)
    yield _domain(facts)
    yield _runs(facts)
    yield from _discovery(facts)
    yield from _profiles(facts)
    yield _multicast(facts)
    yield _prefix(facts)


def _middleware(facts: DdsFacts) -> Finding:
    if not facts.rmw:
        return failed(
            "middleware",
            facts.rmw_error,
            expected=f"one of {', '.join(_TESTED)}",
            fix="unset RMW_IMPLEMENTATION",
        )
    if facts.rmw not in _TESTED:
        return warned(
            "middleware",
            facts.rmw,
            expected=f"one of {', '.join(_TESTED)}, on every host the same",
            fix=f"export RMW_IMPLEMENTATION={_TESTED[0]}",
        )
    return passed("middleware", f"{facts.rmw} (every host needs the same)")


def is_domain(text: str | None) -> bool:
    """Whether ROS_DOMAIN_ID may be that; not set is fine."""
    return not text or (text.isdecimal() and int(text) <= LARGEST)


def _domain(facts: DdsFacts) -> Finding:
    text = facts.environment.get("ROS_DOMAIN_ID")
    if text is None:
        return passed("ROS_DOMAIN_ID", "not set: a run here takes a free one")
    expected = f"0 to {DOMAINS.stop - 1}"
    if not is_domain(text):
        return failed("ROS_DOMAIN_ID", repr(text), expected=expected, fix="unset ROS_DOMAIN_ID")
    if int(text) >= DOMAINS.stop:
        return warned(
            "ROS_DOMAIN_ID",
            text,
            expected=f"{expected}: ports above may belong to other programs",
            fix=f"export ROS_DOMAIN_ID={int(text) % DOMAINS.stop}",
        )
    return passed("ROS_DOMAIN_ID", text)


def _runs(facts: DdsFacts) -> Finding:
    if not facts.runs:
        return passed("runs on this machine", "none")
    return passed("runs on this machine", "on domain " + ", ".join(map(str, facts.runs)))


def _discovery(facts: DdsFacts) -> Iterator[Finding]:
    said = facts.environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    local = facts.environment.get("ROS_LOCALHOST_ONLY")
    if said is not None and said not in _RANGES:
        yield failed(
            "discovery range",
            repr(said),
            expected=f"one of {', '.join(_RANGES)}",
            fix="export ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET (LOCALHOST for one machine)",
        )
    elif local == "1" and said in _FAR:
        yield failed(
            "discovery range",
            f"{said}, but ROS_LOCALHOST_ONLY=1 is stronger: other hosts are not seen",
            fix="unset ROS_LOCALHOST_ONLY",
        )
    elif local is not None:
        yield warned(
            "discovery range",
            f"ROS_LOCALHOST_ONLY={local} is set, which ROS 2 has given up",
            expected="ROS_AUTOMATIC_DISCOVERY_RANGE in its place",
            fix="unset ROS_LOCALHOST_ONLY; export ROS_AUTOMATIC_DISCOVERY_RANGE="
            + ("LOCALHOST" if local == "1" else "SUBNET"),
        )
    else:
        yield passed("discovery range", said or "not set: LOCALHOST, this machine only")
    if "ROS_STATIC_PEERS" in facts.environment:
        yield passed("ROS_STATIC_PEERS", facts.environment["ROS_STATIC_PEERS"])
    if "ROS_DISCOVERY_SERVER" in facts.environment:
        yield _discovery_server(facts)


def _discovery_server(facts: DdsFacts) -> Finding:
    """A plain client of a discovery server does not learn of other publishers of its topics."""
    server = facts.environment["ROS_DISCOVERY_SERVER"]
    if facts.environment.get("ROS_SUPER_CLIENT", "").lower() in ("1", "true"):
        return passed("ROS_DISCOVERY_SERVER", f"{server}, as a super client")
    return failed(
        "ROS_DISCOVERY_SERVER",
        f"{server}, as a plain client: the controller would not see a second publisher of commands",
        expected="ROS_SUPER_CLIENT=TRUE",
        fix="export ROS_SUPER_CLIENT=TRUE",
    )


def _profiles(facts: DdsFacts) -> Iterator[Finding]:
    for name, error in facts.profile_errors.items():
        if error:
            yield failed(name, error, expected="a well-formed XML file", fix=f"unset {name}")
        elif name == _UNREAD:
            yield warned(
                name,
                "not read by the Fast DDS of ROS 2 Jazzy, which says nothing of it",
                expected=_READ,
                fix=f"export {_READ}={shlex.quote(facts.environment[name].strip())}",
            )
        else:
            yield passed(name, facts.environment[name].strip()[:200])


def _multicast(facts: DdsFacts) -> Finding:
    if not facts.multicast_error:
        return passed("multicast", "comes back to this machine")
    if facts.environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") not in _FAR:
        return skipped("multicast", f"{facts.multicast_error}; one machine needs none")
    return warned(
        "multicast",
        facts.multicast_error,
        expected="multicast, by which hosts find each other",
        fix="export ROS_STATIC_PEERS='<address of the other host>' on both, or "
        "sudo ip link set <interface> multicast on",
    )


def _prefix(facts: DdsFacts) -> Finding:
    if facts.prefix_error:
        return failed("package prefix", facts.prefix_error, fix=". install/setup.bash")
    said = facts.environment.get("AMENT_PREFIX_PATH")
    return passed("package prefix", said or "AMENT_PREFIX_PATH not set: this interpreter's own")
