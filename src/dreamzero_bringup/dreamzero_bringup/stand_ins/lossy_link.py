"""A network between two hosts: what one sends reaches the other late, or never.

The policy side speaks on topics under ``far/``; this node passes canvases and states there and
chunks and statuses back. Parameters: ``loss`` share, ``delay_s``. Nothing is sent again: to the
receiver a message is lost as it is with a transport that has given up.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from functools import partial
from typing import Any

from dreamzero_msgs import msg as dz

from dreamzero_bringup.stand_ins.double import Double, run
from dreamzero_policy.ros import qos

ROUTES = (
    (dz.Canvas, "canvas", "far/canvas", qos.CANVAS),
    (dz.Proprioception, "proprioception", "far/proprioception", qos.STATE),
    (dz.ActionChunk, "far/action_chunk", "action_chunk", qos.CHUNK),
    (dz.PolicyStatus, "far/policy_status", "policy_status", qos.STATUS),
)
"""Type, from, to, quality of service."""

REMAPPINGS = (
    ("canvas", "far/canvas"),
    ("proprioception", "far/proprioception"),
    ("action_chunk", "far/action_chunk"),
    ("policy_status", "far/policy_status"),
)
"""What puts a policy on the far side."""


class LossyLink(Double):
    """Forwards serialised messages."""

    def __init__(self) -> None:
        super().__init__("lossy_link")
        self.declare_parameter("loss", 0.3)
        self.declare_parameter("delay_s", 0.2)
        self._loss = self.get_parameter("loss").value
        self._delay_s = self.get_parameter("delay_s").value
        self._random = random.Random(0)
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._under_way: list[tuple[float, int, Any, bytes]] = []
        for kind, source, target, profile in ROUTES:
            publisher = self.create_publisher(kind, target, profile)
            self.create_subscription(
                kind, source, partial(self._take, publisher), profile, raw=True
            )
        threading.Thread(target=self._deliver, daemon=True).start()

    def obey(self, order: dict[str, Any]) -> None:
        """Changes loss or delay."""
        self._loss = order.get("loss", self._loss)
        self._delay_s = order.get("delay_s", self._delay_s)

    def _take(self, publisher: Any, message: bytes) -> None:  # rclpy's
        if self._random.random() < self._loss:
            return
        with self._changed:
            due = time.monotonic() + self._delay_s
            heapq.heappush(self._under_way, (due, next(self._count), publisher, message))
            self._changed.notify_all()

    def _deliver(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._under_way)
                left = self._under_way[0][0] - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                _, _, publisher, message = heapq.heappop(self._under_way)
            publisher.publish(message)


if __name__ == "__main__":
    run(LossyLink)
