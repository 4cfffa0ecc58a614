"""The clock of a host, for nodes with ``use_sim_time``: the system clock plus what an order says.

Orders: ``{"offset_s": SECONDS}``.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from dreamzero_bringup.stand_ins.double import Double, run
from dreamzero_policy.messages.times import time_message
from dreamzero_policy.types import NS_PER_S

_PERIOD_S = 0.004


class ShiftedClock(Double):
    """Publishes ``/clock``."""

    def __init__(self) -> None:
        super().__init__("shifted_clock")
        self._offset_ns = 0
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._publisher = self.create_publisher(Clock, "/clock", newest)
        threading.Thread(target=self._tick, daemon=True).start()

    def obey(self, order: dict[str, Any]) -> None:
        """Sets the clock."""
        self._offset_ns = round(order["offset_s"] * NS_PER_S)

    def _tick(self) -> None:
        while True:
            self._publisher.publish(Clock(clock=time_message(time.time_ns() + self._offset_ns)))
            time.sleep(_PERIOD_S)


if __name__ == "__main__":
    run(ShiftedClock)
