"""How ROS 2 is set up to talk here: environment, middleware, network."""

from __future__ import annotations

import os
import socket
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dreamzero_bringup import domain
from dreamzero_bringup.installed import package_prefix

_NAMES = (
    "ROS_DOMAIN_ID",
    "RMW_IMPLEMENTATION",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_LOCALHOST_ONLY",
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
    "ROS_SUPER_CLIENT",
    "AMENT_PREFIX_PATH",
)
PROFILES = (
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "CYCLONEDDS_URI",
)
"""Variables that name a file with settings of a DDS."""

_GROUP = "239.255.0.1"  # where DDS participants look for each other
_PORT = 47_239  # outside of every domain's ports


@dataclass(frozen=True)
class DdsFacts:
    """Settings of ROS 2 and DDS.

    Attributes:
        environment: variables that matter, without those that are not set.
        rmw: the middleware in use; empty where none loads.
        rmw_error: why none loads.
        profile_errors: by variable, what is wrong with the file that it names; empty where nothing.
        multicast_error: why this machine's multicast does not come back to it; empty where it does.
        runs: domains that runs on this machine hold.
        prefix_error: why this package is not found where ROS looks; empty where it is.
    """

    environment: Mapping[str, str]
    rmw: str
    rmw_error: str
    profile_errors: Mapping[str, str]
    multicast_error: str
    runs: tuple[int, ...]
    prefix_error: str


def look() -> DdsFacts:
    """Looks at the environment and the network of this process."""
    environment = {n: os.environ[n] for n in (*_NAMES, *PROFILES) if os.environ.get(n)}
    rmw, rmw_error = _middleware()
    return DdsFacts(
        environment=environment,
        rmw=rmw,
        rmw_error=rmw_error,
        profile_errors={n: profile_error(environment[n]) for n in PROFILES if n in environment},
        multicast_error=_multicast_error(),
        runs=tuple(domain.running()),
        prefix_error=_prefix_error(),
    )


def _middleware() -> tuple[str, str]:
    try:
        from rclpy.utilities import get_rmw_implementation_identifier

        return get_rmw_implementation_identifier(), ""
    except Exception as error:  # noqa: BLE001  # rclpy raises another class for each thing missing
        return "", " ".join(str(error).split()) or repr(error)


def profile_error(text: str) -> str:
    """What is wrong with a file of DDS settings; empty where nothing is."""
    if text.lstrip().startswith("<"):
        return _xml_error(text)
    path = Path(text.removeprefix("file://"))
    try:
        return _xml_error(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        return f"{path}: {error}"


def _xml_error(text: str) -> str:
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return f"not XML: {error}"
    return ""


def _multicast_error() -> str:
    """Sends a datagram to the group that DDS uses and waits for it."""
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            receiver.bind(("", _PORT))
            member = struct.pack("4sl", socket.inet_aton(_GROUP), socket.INADDR_ANY)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            receiver.settimeout(0.5)
            sender.sendto(b"dreamzero doctor", (_GROUP, _PORT))
            receiver.recv(64)
    except OSError as error:
        return str(error)
    return ""


def _prefix_error() -> str:
    try:
        package_prefix("dreamzero_bringup")
    except ValueError as error:
        return str(error)
    return ""
