"""Something that records while the robot moves, with the code of the shadow run, into one file.

Parameters: ``robot``, ``folder``. It says when the disk ends its recording; the process goes on.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dreamzero_bringup.shadow.listener import ShadowListener
from dreamzero_bringup.shadow.log import ShadowLog
from dreamzero_bringup.stand_ins.double import Double, run
from dreamzero_policy import embodiments

BROKEN = "recording ended"


class Recorder(Double):
    """Writes what comes."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.declare_parameter("robot", "droid")
        self.declare_parameter("folder", "")
        robot = embodiments.get(self.get_parameter("robot").value)
        self._log = ShadowLog(
            Path(self.get_parameter("folder").value) / f"recording-{time.time_ns()}.jsonl"
        )
        self._listener = ShadowListener(self, robot, self._log)
        self._said = False
        self.create_timer(0.1, self._look)

    def obey(self, order: dict[str, Any]) -> None:
        """Takes no orders."""

    def _look(self) -> None:
        if self._log.broken and not self._said:
            self._said = True
            self.get_logger().error(f"{BROKEN}: {self._log.broken}")


if __name__ == "__main__":
    run(Recorder)
