"""The other host of a run on two, and how the two sides of the graph find each other.

``policy_host`` is said on the robot's host and ``robot_host`` on the policy's, each naming the
other one. Nodes then look for each other on their own host and on that one, and nowhere else: the
network needs no multicast, and nobody else on it is met.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from dreamzero_bringup.graph.options import Options

RANGE, PEERS, SERVER = (
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
)
ROS_DOMAIN = 0
"""The domain of ROS 2 where nothing names one: what both hosts take without agreeing."""


def environment(
    env: Mapping[str, str], options: Options | None = None, discovery_range: str | None = None
) -> dict[str, str]:
    """How far nodes look for each other: what to set in their environment.

    Args:
        env: what is set already.
        options: of the run, whose other host becomes a peer; None for a run on one host.
        discovery_range: stronger than the environment's; LOCALHOST where neither says anything.

    Raises:
        ValueError: the other host's name is not known here, or this range ignores it.
    """
    found = {RANGE: discovery_range or env.get(RANGE) or "LOCALHOST"}
    host = options.other_host if options else None
    if not host or env.get(SERVER):  # the server says who is there
        return found
    if found[RANGE] not in ("LOCALHOST", "SUBNET"):
        raise ValueError(
            f"other host {host!r}: expected {RANGE} LOCALHOST or SUBNET, "
            f"got {found[RANGE]}, with which ROS 2 looks for no host by name"
        )
    try:
        socket.getaddrinfo(host, None, family=socket.AF_INET)
    except (OSError, UnicodeError) as error:
        raise ValueError(
            f"other host: expected a name that this machine knows, or an IPv4 address, "
            f"got {host!r}: {error}"
        ) from error
    known = [peer for peer in env.get(PEERS, "").split(";") if peer]
    return {**found, PEERS: ";".join(dict.fromkeys([*known, host]))}


def domain_id(env: Mapping[str, str], options: Options | None = None) -> int | None:
    """The domain that a run asks for; None for a free one.

    Raises:
        ValueError: ROS_DOMAIN_ID is not a number.
    """
    text = env.get("ROS_DOMAIN_ID", "").strip()
    if text and not text.isdigit():
        raise ValueError(f"ROS_DOMAIN_ID: expected a number, got {text!r}")
    if text:
        return int(text)
    return ROS_DOMAIN if options is not None and options.other_host else None


def to_look_in(env: Mapping[str, str]) -> str:
    """What to type in another shell to meet the nodes of a run."""
    names = ("ROS_DOMAIN_ID", RANGE, PEERS)
    words = [f"{name}='{env[name]}'" if ";" in env[name] else f"{name}={env[name]}"
             for name in names if env.get(name)]  # fmt: skip
    return f"export {' '.join(words)}"
