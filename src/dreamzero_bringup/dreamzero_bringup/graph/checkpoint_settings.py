"""What a checkpoint fixes of the nodes beside the robot: when canvases are made, and how large.

It says so in its settings, which are read where the graph is built; a host that has no checkpoint
(the robot's, of two) is told by its user. What is not set here is the checkpoint's; what is set and
contradicts it is refused, both values named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamzero_policy.embodiments.embodiment import Embodiment

Setting = Callable[[str, str], Any]
"""The value that (node, parameter) has in a graph; None where nothing sets it."""

_CLOSE = 1e-3
"""Rates that differ by less, relatively, are one: 6.667 is 20 / 3."""


@dataclass(frozen=True)
class Followed:
    """What nodes are given so that they follow a checkpoint.

    Attributes:
        parameters: by node and name; empty where the robot's own are the checkpoint's.
        remark: the same in one line; empty where there is nothing to say.
    """

    parameters: Mapping[str, Mapping[str, Any]]
    remark: str = ""


def follow(source: str, robot: Embodiment, setting: Setting, said_rate: bool) -> Followed:
    """What follows from a checkpoint for the nodes of a graph.

    A checkpoint that cannot be read or is another robot's gives nothing: the policy, which loads
    it, says everything that is wrong.

    Args:
        source: folder or ``random:PRESET``.
        robot: the robot.
        setting: finds what is set already.
        said_rate: whether ``proprioception.rate_hz`` is this installation's own wish.

    Raises:
        ValueError: a setting contradicts the checkpoint.
    """
    from dreamzero_policy.checkpoint.fit import said
    from dreamzero_policy.checkpoint.seen_robot import seen

    rows = int(_number(setting("policy", "chunk_rows")))
    try:
        sees = seen(source, robot, rows)
    except ValueError:
        return Followed({})
    name = source if source.startswith("random:") else Path(source).expanduser().resolve().name
    base, size = sees.time_base, list(sees.view_size)
    per_frame = max(int(_number(setting("policy", "canvases_per_frame"))), 1)
    exact = Fraction(base.control_hz * per_frame, base.frame_stride)
    hz, whose = float(exact), f"{name} has {said(base)}"
    if per_frame != 1:
        whose += f" and policy.canvases_per_frame is {per_frame}"
    if rows not in (0, base.rows_per_chunk):
        raise _contradiction("policy.chunk_rows", rows, base.rows_per_chunk, whose)
    for node in ("camera_tiler", "proprioception"):
        asked = _number(setting(node, "frame_hz")) or hz
        if not _close(asked, hz):
            raise _contradiction(f"{node}.frame_hz", f"{asked:g}", f"{hz:.4g}", whose)
    asked = setting("camera_tiler", "view_size")
    if isinstance(asked, list) and asked not in (size, [0, 0]):
        raise _contradiction(
            "camera_tiler.view_size", asked, size, f"{name} was trained on views of {size}"
        )
    parameters: dict[str, dict[str, Any]] = {"camera_tiler": {}, "proprioception": {}}
    words = []
    if base != robot.time_base or per_frame != 1:
        times = f" ({per_frame} a frame)" if per_frame != 1 else ""
        words.append(f"{said(base)}, so canvases come at {hz:.4g} Hz{times}")
    if not _close(hz, robot.time_base.frame_hz):
        for given in parameters.values():
            given["frame_hz"] = hz
    if sees.view_size != robot.view_size:
        parameters["camera_tiler"]["view_size"] = size
        words.append(f"views of {size[0]}x{size[1]} (height x width)")
    rate = _number(setting("proprioception", "rate_hz"))
    if rate and not _close(rate / hz, round(rate / hz)):
        if said_rate:
            whole = f"a multiple of the {hz:.4g} Hz of its canvases"
            raise _contradiction("proprioception.rate_hz", rate, whole, whose)
        rate = exact.numerator * math.ceil(rate / exact.numerator)  # the least whole one
        parameters["proprioception"]["rate_hz"] = rate
        words.append(f"states at {rate} Hz")
    remark = f"as the checkpoint {name} asks: {'; '.join(words)}" if words else ""
    return Followed(parameters, remark)


def _number(value: Any) -> float:
    """A number that is set; 0 for anything else, which its node refuses."""
    usable = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return value if usable else 0


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_CLOSE)


def _contradiction(what: str, got: object, expected: object, whose: str) -> ValueError:
    return ValueError(
        f"{what}: expected {expected}, since the checkpoint {whose}; got {got}: leave it out, "
        "or take another checkpoint"
    )
