"""Joint topics in, one state vector on the control grid out.

Every source is brought to the instant by joint name and in model units; a missing or stale source
means no state, and the log says which source and why. The first message of every source must bring
exactly the joints that the robot's layout expects of it, or the process ends and shows the
difference.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from functools import partial

from dreamzero_msgs import msg as dz
from sensor_msgs.msg import JointState

from dreamzero_policy import embodiments
from dreamzero_policy.messages.joints import Proprioception, proprioception_message
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.observation.proprioception import (
    Measured,
    StateAssembler,
    parse_sources,
)
from dreamzero_policy.observation.sync import Grid, Instants
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.diagnostics import Diagnosis, Rates
from dreamzero_policy.ros.lifecycle import Node, run
from dreamzero_policy.ros.parameters import NodeParameters, parameter
from dreamzero_policy.statuses.observation_diagnostics import input_diagnosis, output_diagnosis
from dreamzero_policy.types import NS_PER_S

_REPORT_EVERY_S = 2.0
"""Least time between two reports of the same kind."""


@dataclass(frozen=True, kw_only=True)
class ProprioceptionParameters(NodeParameters):
    """What an installation may set."""

    rate_hz: int = parameter(
        30,
        "States per second; a multiple of the canvas rate, so that every canvas has its state.",
        at_least=1,
        at_most=200,
    )
    frame_hz: float = parameter(
        0.0,
        "Canvases per second, as of the camera tiler; 0 for the robot's own.",
        at_least=0.0,
        at_most=30.0,
    )
    settle_s: float = parameter(
        0.02,
        "How long after an instant a measurement for it is waited for [s].",
        at_least=0.0,
        at_most=0.1,
    )
    max_age_s: float = parameter(
        0.2,
        "A measurement older than that at the instant is stale [s].",
        at_least=0.12,
        at_most=2.0,
    )
    sources: tuple[str, ...] = parameter(
        (), "Joint topics as topic=joint,joint,...; without any, joint_states brings every joint."
    )
    ignored_joints: tuple[str, ...] = parameter(
        (), "Joints that the topics may carry and nobody wants, such as a second finger."
    )


class ProprioceptionNode(Node[ProprioceptionParameters]):
    """Assembles the measured joint vector."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("proprioception", ProprioceptionParameters)

    def _setup(self) -> None:
        """Subscribes to every source."""
        settings, robot = self.settings, embodiments.get(self.settings.robot)
        grid = Grid(settings.rate_hz)
        frames = Grid.of_frames(robot.time_base, settings.frame_hz)
        if not grid.contains(frames):
            raise ValueError(
                f"parameter rate_hz: expected a multiple of the {frames.hz} Hz of the canvases, "
                f"got {settings.rate_hz}"
            )
        max_age_ns = round(settings.max_age_s * NS_PER_S)
        self._instants = Instants(grid, round(settings.settle_s * NS_PER_S), max_age_ns)
        self._joints = robot.state_joints
        self._state = StateAssembler(
            robot, max_age_ns, parse_sources(settings.sources), settings.ignored_joints
        )
        self._topics = {
            source: self.create_subscription(
                JointState, source, partial(self._take, source), qos.MEASUREMENTS
            ).topic_name
            for source in self._state.sources
        }
        self._seen: set[str] = set()
        self._withheld, self._why = 0, ""
        self._counts = dict.fromkeys([*self._topics, "states"], 0)
        self._unfit: Counter[str] = Counter()  # messages that the robot's layout does not take
        self._misfits: dict[str, str] = {}  # by source, while its messages are such
        self._rates = Rates()
        self._states = self.create_publisher(dz.Proprioception, "proprioception", qos.STATE)

    def _start(self) -> None:
        """Begins with the next instant."""
        self._timer = self.create_timer(1.0, self._serve)
        self._serve()

    def _stop(self) -> None:
        """Serves no further instant."""
        self.destroy_timer(self._timer)

    def _take(self, source: str, message: JointState) -> None:
        """Takes a joint message; the first of a source must fit the robot."""
        if not self.accepting:
            return
        self._counts[source] += 1
        try:
            taken = self._state.update(
                source, nanoseconds(message.header.stamp), message.name, message.position
            )
        except ValueError as error:
            name = self.settings.robot_name
            text = f"topic {self._topics[source]} does not fit robot {name}: {error}"
            if source not in self._seen:
                self.fail(text)
                return
            self._unfit[source] += 1
            self._misfits[source] = str(error)
            self.get_logger().error(text, throttle_duration_sec=_REPORT_EVERY_S)
            return
        self._seen.add(source)
        self._misfits.pop(source, None)
        if not taken:
            self.get_logger().warning(
                f"{self._topics[source]}: a message whose stamp does not advance was refused",
                throttle_duration_sec=_REPORT_EVERY_S,
            )
        self._serve()

    def _serve(self) -> None:
        """Publishes the states that are due and wakes up for the next."""
        if not self.accepting:
            return
        for instant in self._instants.due(self.now_ns(), self._state.settled):
            state = self._state.at(instant)
            if isinstance(state, Measured):
                self._publish(state)
            else:
                self._withhold(str(state))
        self._timer.timer_period_ns = self._instants.wait_ns(self.now_ns())
        self._timer.reset()

    def _publish(self, state: Measured) -> None:
        ages = {self._topics[source]: age for source, age in state.ages_ns.items()}
        self._states.publish(
            proprioception_message(
                Proprioception(
                    state.stamp_ns, self._joints, state.positions, state.velocities, ages
                )
            )
        )
        self._counts["states"] += 1
        if self._withheld:
            self.get_logger().info(f"states again after {self._withheld} without")
            self._withheld = 0

    def _withhold(self, why: str) -> None:
        """Says why there is no state at an instant."""
        self._withheld, self._why = self._withheld + 1, why
        self.get_logger().warning(
            f"no state: {why} ({self._withheld} in a row)", throttle_duration_sec=_REPORT_EVERY_S
        )

    def _diagnose(self) -> list[Diagnosis]:
        """Every source, then the states."""
        rates = self._rates.per_second(self._counts, time.monotonic_ns())
        found = []
        for source, topic in self._topics.items():
            newest_ns = self._state.newest_ns(source)
            found.append(
                input_diagnosis(
                    f"source {source}",
                    age_s=newest_ns and (self.now_ns() - newest_ns) / NS_PER_S,
                    max_age_s=self.settings.max_age_s,
                    rate_hz=rates[source],
                    errors=[self._misfits[source]] if source in self._misfits else [],
                    warnings=[],
                    values={
                        "topic": topic,
                        "stamps_refused": self._state.stamps_refused(source),
                        "messages_refused": self._unfit[source],
                    },
                )
            )
        found.append(
            output_diagnosis(
                "states",
                rate_hz=rates["states"],
                nominal_hz=float(self.settings.rate_hz),
                withheld=self._withheld,
                why=self._why,
                values={"made": self._counts["states"], "skipped": self._instants.skipped},
            )
        )
        return found


def main() -> int:
    """Runs the node as this process."""
    return run(ProprioceptionNode)
