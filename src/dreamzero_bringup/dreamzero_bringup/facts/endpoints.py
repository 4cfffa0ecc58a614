"""Who publishes and takes a topic, on which machine, and whose settings keep them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rclpy.duration import Infinite
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier

from dreamzero_bringup.facts.live_facts import Mismatch

_FAST_DDS = "rmw_fastrtps"
_HOST = slice(2, 4)  # of a Fast DDS GUID: its vendor, then the host, then process and participant


class Endpoints:
    """Looks at the graph through a node, which itself is left out."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._readable = get_rmw_implementation_identifier().startswith(_FAST_DDS)

    def publishers(self, topic: str) -> tuple[str, ...]:
        """Names of the nodes that publish a topic, sorted; one that does so twice stands twice."""
        return tuple(sorted(_name(info) for info in self._publishers(topic)))

    def subscribers(self, topic: str) -> tuple[str, ...]:
        """Names of the nodes that take a topic, sorted."""
        return tuple(sorted(_name(info) for info in self._subscribers(topic)))

    def types(self, topic: str) -> tuple[str, ...]:
        """Message types under which a topic is published."""
        return tuple(sorted({info.topic_type for info in self._publishers(topic)}))

    def hosts(self, topic: str) -> dict[str, str]:
        """Machine by publisher: ``this host``, or another one's id; nothing where DDS says none."""
        own = self._node.get_publishers_info_by_topic("/rosout") if self._readable else []
        here = {_host(info) for info in own if self._is_own(info)}
        if not here:
            return {}
        return {
            _name(info): "this host" if _host(info) in here else f"host {_host(info)}"
            for info in self._publishers(topic)
        }

    def mismatches(
        self,
        topic: str,
        readers: Mapping[str, QoSProfile],
        writers: Mapping[str, QoSProfile],
    ) -> Iterator[Mismatch]:
        """Every publisher and subscriber of a topic that do not hear each other.

        Args:
            topic: absolute name.
            readers: by node of ours, how it subscribes; counted where the node is not there yet.
            writers: the same for publishing.
        """
        offered = [(_name(info), info.qos_profile) for info in self._publishers(topic)]
        asked = [(_name(info), info.qos_profile) for info in self._subscribers(topic)]
        offered += _absent(writers, offered)
        asked += _absent(readers, asked)
        for publisher, offer in offered:
            for subscriber, request in asked:
                verdict, reason = qos_check_compatible(offer, request)
                if verdict == QoSCompatibility.ERROR:
                    why = reason.replace("ERROR: ", "").strip("; ").replace(";", "; ")
                    yield Mismatch(
                        topic, publisher, subscriber, _words(offer), _words(request), why
                    )

    def _publishers(self, topic: str) -> list[TopicEndpointInfo]:
        found = self._node.get_publishers_info_by_topic(topic)
        return [info for info in found if not self._is_own(info)]

    def _subscribers(self, topic: str) -> list[TopicEndpointInfo]:
        found = self._node.get_subscriptions_info_by_topic(topic)
        return [info for info in found if not self._is_own(info)]

    def _is_own(self, info: TopicEndpointInfo) -> bool:
        return info.node_name == self._node.get_name()


def _absent(
    profiles: Mapping[str, QoSProfile], present: list[tuple[str, QoSProfile]]
) -> list[tuple[str, QoSProfile]]:
    """What nodes of ours will do that are not running.

    A profile leaves open what a running endpoint reports as unlimited; the check compares numbers.
    """
    names = {name.rpartition("/")[2] for name, _ in present}
    return [
        (
            f"{name} (ours)",
            QoSProfile(
                depth=profile.depth,
                reliability=profile.reliability,
                durability=profile.durability,
                deadline=Infinite,
                liveliness=LivelinessPolicy.AUTOMATIC,
                liveliness_lease_duration=Infinite,
            ),
        )
        for name, profile in profiles.items()
        if name not in names
    ]


def _name(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _host(info: TopicEndpointInfo) -> str:
    return "".join(f"{byte:02x}" for byte in info.endpoint_gid[_HOST])


def _words(profile: QoSProfile) -> str:
    return f"{profile.reliability.name}, {profile.durability.name}"
