"""Which nodes run for a fault: the robot's graph, with stand-ins between or for its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from dreamzero_bringup.faults.nodes import double
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.stand_ins import lossy_link, sensor_relay
from dreamzero_bringup.stand_ins.small_disk import SmallDisk

Layout = Literal["scripted", "relayed", "recorded", "clock", "far", "untrained", "ranks"]
"""Who plays the policy, and what lies between the nodes:

- scripted: the real robot-side nodes and the scripted policy.
- relayed: and the sensor relay between the driver and those who hear it.
- recorded: and a recorder, which writes to the small disk.
- clock: the robot side follows a clock that the test sets.
- far: the policy on the far side of a lossy link.
- untrained: the real policy, with random weights.
- ranks: the same, its model shared by two processes.
"""

REAL: tuple[Layout, ...] = ("untrained", "ranks")
"""Those with the real policy, which takes no orders."""


_STAND_INS = {"relayed": "sensor_relay", "clock": "shifted_clock", "far": "lossy_link"}


def orderly(name: Layout) -> list[str]:
    """The nodes of a layout that take orders."""
    return [
        *([] if name in REAL else ["policy"]),
        *([_STAND_INS[name]] if name in _STAND_INS else []),
    ]


def layout(
    name: Layout, graph: Mapping[str, NodeSpec], robot: str, disk: SmallDisk | None
) -> list[NodeSpec]:
    """The nodes of a layout, drivers first.

    Args:
        name: of the layout.
        graph: the robot's own nodes by name.
        robot: its name.
        disk: for ``recorded``.

    Raises:
        ValueError: ``recorded`` without a disk.
    """
    specs = dict(graph)
    if name not in REAL:
        specs["policy"] = double("scripted_policy", "policy", robot)
    if name == "ranks":
        policy = specs["policy"]
        specs["policy"] = replace(policy, parameters={**policy.parameters, "ranks": 2})
    if name in _STAND_INS:
        stand_in = _STAND_INS[name]
        specs[stand_in] = double(stand_in, stand_in, robot if name == "relayed" else None)
    if name == "relayed":
        topics = {"proprioception": ("joint_states",)}
        topics["camera_tiler"] = tuple(sensor_relay.image_topics(robot).values())
        for node, heard in topics.items():
            changed = tuple(map(sensor_relay.remapping, heard))
            specs[node] = replace(specs[node], remappings=changed + specs[node].remappings)
    if name == "recorded":
        if disk is None:
            raise ValueError("the recorder's layout needs the small disk, and so root")
        specs["recorder"] = double("recorder", "recorder", robot, folder=str(disk.folder))
    if name == "clock":
        for node in set(graph) - {"policy"}:
            changed = {**specs[node].parameters, "use_sim_time": True}
            specs[node] = replace(specs[node], parameters=changed)
    if name == "far":
        specs["policy"] = replace(specs["policy"], remappings=lossy_link.REMAPPINGS)
    return list(specs.values())
