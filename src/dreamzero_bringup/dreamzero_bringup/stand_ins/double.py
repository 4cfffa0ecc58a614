"""The base of the stand-ins: small nodes, processes of their own, that misbehave when told to.

Orders come as JSON on ``<node name>/order``. A stand-in needs no orderly stop: it may be killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

ORDERS = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
"""Orders to a stand-in: every one, in order."""


class Double(Node):
    """A node that takes orders."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.create_subscription(String, f"{name}/order", self._take_order, ORDERS)

    def _take_order(self, message: String) -> None:
        order = json.loads(message.data)
        self.get_logger().info(f"order: {order}")
        self.obey(order)

    def obey(self, order: dict[str, Any]) -> None:
        """Does what an order says."""
        raise NotImplementedError


def run(make: Callable[[], Double]) -> None:
    """Spins a stand-in until a signal ends it."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(make())
