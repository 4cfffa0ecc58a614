"""What should be heard of a robot: topics, rates, ages, as robot and configuration have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dreamzero_policy.embodiments.embodiment import Embodiment

if TYPE_CHECKING:
    from dreamzero_bringup.doctor.configuration import Configuration


@dataclass(frozen=True)
class Expected:
    """What the checks of a running robot compare with.

    Attributes:
        robot: its layout.
        simulated: whether the driver is the simulated robot, whose still scene gives equal images.
        topics: the installation's name by ours, where they differ.
        compressed: views that come compressed.
        sources: joint names by topic, ours.
        ignored_joints: that a topic may carry too.
        image_max_age_s, state_max_age_s: an older stamp is stale.
        clock_tolerance_s: how far in the future a stamp may lie.
        frame_hz: canvases per second.
        state_hz: states per second.
    """

    robot: Embodiment
    simulated: bool = False
    topics: Mapping[str, str] = field(default_factory=dict)
    compressed: frozenset[str] = frozenset()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignored_joints: frozenset[str] = frozenset()
    image_max_age_s: float = 0.2
    state_max_age_s: float = 0.2
    clock_tolerance_s: float = 0.1
    frame_hz: float = 5.0
    state_hz: float = 30.0

    @property
    def commands(self) -> tuple[str, ...]:
        """Topics of ours on which the robot is commanded."""
        has_base = any(joint.kind == "base" for joint in self.robot.joints)
        return ("joint_commands", "base_command") if has_base else ("joint_commands",)

    def topic(self, ours: str) -> str:
        """Absolute name of one of our topics in this installation."""
        return "/" + self.topics.get(ours, ours).lstrip("/")

    def camera(self, view: str) -> str:
        """Topic of a view's images, ours."""
        return f"{view}/image_raw/compressed" if view in self.compressed else f"{view}/image_raw"


def expected(robot: Embodiment, configuration: Configuration, simulated: bool) -> Expected:
    """What to expect; where the configuration is broken, what its defaults would be."""
    settings = configuration.settings
    tiler, state = settings.get("camera_tiler"), settings.get("proprioception")
    values: dict[str, object] = {}
    if configuration.nodes:
        pairs = configuration.nodes[-1].remappings
        values["topics"] = {ours.lstrip("/"): theirs for ours, theirs in pairs}
    if tiler is not None:
        values["compressed"] = frozenset(tiler.compressed_views)
        values["image_max_age_s"] = tiler.max_image_age_s
    if state is not None:
        values["ignored_joints"] = frozenset(state.ignored_joints)
        values["state_max_age_s"] = state.max_age_s
        values["state_hz"] = state.rate_hz
    if "controller" in settings:
        values["clock_tolerance_s"] = settings["controller"].clock_tolerance_s
    sources = {"joint_states": robot.state_joints}
    if state is not None and state.sources:
        # "topic=joint,joint" each, which the node's own check refuses where it is anything else.
        pairs = (text.partition("=") for text in state.sources)
        sources = {
            topic.strip(): tuple(name.strip() for name in names.split(","))
            for topic, _, names in pairs
        }
    frame_hz = tiler.frame_hz if tiler is not None else 0.0
    own = robot.time_base.control_hz / robot.time_base.frame_stride
    return Expected(robot, simulated=simulated, sources=sources, frame_hz=frame_hz or own, **values)
