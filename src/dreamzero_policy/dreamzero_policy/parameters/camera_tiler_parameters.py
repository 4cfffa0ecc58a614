"""What an installation may set of the camera tiler."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.ros.parameters import NodeParameters, parameter

_LEAST_SIDE = 16
"""Smallest view [pixels]."""


@dataclass(frozen=True, kw_only=True)
class CameraTilerParameters(NodeParameters):
    """What an installation may set."""

    compressed_views: tuple[str, ...] = parameter(
        (), "Views that come as CompressedImage on <view>/image_raw/compressed."
    )
    canvas_encoding: str = parameter(
        "raw",
        "How canvases are sent: raw, png (smaller, the same pixels) or jpeg (smallest, not quite).",
        choices=("raw", "png", "jpeg"),
    )
    jpeg_quality: int = parameter(
        95, "Quality of canvases that are sent as jpeg.", at_least=50, at_most=100
    )
    settle_s: float = parameter(
        0.04,
        "How long after an instant an image for it is waited for [s].",
        at_least=0.0,
        at_most=0.1,
    )
    max_image_age_s: float = parameter(
        0.2, "An image older than that at the instant is stale [s].", at_least=0.12, at_most=2.0
    )
    frame_hz: float = parameter(
        0.0,
        "Canvases per second; 0 for the checkpoint's where the graph's host has it, else the "
        "robot's.",
        at_least=0.0,
        at_most=30.0,
    )
    view_size: tuple[int, ...] = parameter(
        (0, 0),
        "Height and width of a view in the canvas [pixels]; 0, 0 for the checkpoint's where the "
        "graph's host has it, else the robot's.",
        at_least=0,
        at_most=1024,
    )

    frozen_after_s: float = parameter(
        1.0,
        "A view whose pixels have been the same for so long, while the robot moved, is frozen [s].",
        at_least=0.4,
        at_most=10.0,
    )
    frozen_motion: float = parameter(
        0.1,
        "How far the robot must have moved meanwhile: the joints' ranges added up [rad or m].",
        at_least=0.01,
        at_most=3.0,
    )
    still_views: tuple[str, ...] = parameter(
        (), "Views that may stand still or be black, such as one that sees no part of the robot."
    )
    frame_ids: tuple[str, ...] = parameter(
        (),
        "The header.frame_id of views as view=frame_id; of the others that of their first image.",
    )

    def robot_layout(self) -> Embodiment:
        """The robot with views of the size that is set.

        Raises:
            ValueError: an unknown robot, or a size that is not two sides.
        """
        robot, size = embodiments.get(self.robot), self.view_size
        if size == (0, 0):
            return robot
        if len(size) != 2 or min(size) < _LEAST_SIDE:
            raise ValueError(
                f"parameter view_size: expected height and width of at least {_LEAST_SIDE} pixels, "
                f"or 0 and 0 for the robot's own, got {list(size)}"
            )
        return replace(robot, view_size=size)
