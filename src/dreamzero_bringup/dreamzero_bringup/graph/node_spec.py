"""One node of a graph, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dreamzero_bringup.graph.options import Side
from dreamzero_bringup.graph.parameter_files import Value, read

SECTION = "/**/{node}"
"""Of a robot's file: one section per node, whatever its namespace."""


@dataclass(frozen=True)
class NodeSpec:
    """One node, as both ways of starting it need it.

    Attributes:
        package, executable: where it is installed: ``<prefix>/lib/<package>/<executable>``.
        name: the node's name in the ROS graph.
        side: the host that it runs on.
        parameters: what this run sets; stronger than the files.
        parameter_files: what the installation sets, the later file stronger.
        remappings: (from, to) topic names.
        nice: scheduling niceness; above 0 for what may wait for the control loop.
        threads: OpenMP threads, 0 for the library's own choice.
        remark: why some of its parameters are as nobody set them; shown when it starts.
    """

    package: str
    executable: str
    name: str
    side: Side
    parameters: Mapping[str, Value] = field(default_factory=dict)
    parameter_files: tuple[Path, ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()
    nice: int = 0
    threads: int = 1
    remark: str = ""

    def __post_init__(self) -> None:
        """Freezes the parameters."""
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    @property
    def environment(self) -> dict[str, str]:
        """What OpenMP is told: a thread with nothing to do sleeps instead of holding a core."""
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        return {"OMP_WAIT_POLICY": "PASSIVE", **threads}

    def ros_arguments(self) -> list[str]:
        """The command line after the executable, as every ROS 2 node understands it."""
        arguments = ["--ros-args", "-r", f"__node:={self.name}"]
        for source, target in self.remappings:
            arguments += ["-r", f"{source}:={target}"]
        for path in self.parameter_files:
            arguments += ["--params-file", str(path)]
        for name, value in self.parameters.items():
            arguments += ["-p", f"{name}:={json.dumps(value)}"]
        return arguments


def setting(node: NodeSpec, parameter: str) -> Value | None:
    """What a node of a built graph will find for a parameter; None where nothing sets it."""
    if parameter in node.parameters:
        return node.parameters[parameter]
    for path in reversed(node.parameter_files):
        sections = read(path)
        for section in (SECTION.format(node=node.name), "/**"):
            if parameter in sections.get(section, {}):
                return sections[section][parameter]
    return None
