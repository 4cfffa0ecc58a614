"""Whether the installation's files make a graph whose every node would take its parameters.

Each node's own parameter class judges, found where the node's executable is: so a driver that comes
with a robot is checked like the rest, and a node that cannot run on this host is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import yaml

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.graph import graph
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.graph.options import Options
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.ros.parameters import NodeParameters, resolve

_SETUP = "bash scripts/setup.sh"


@dataclass(frozen=True)
class Configuration:
    """What the files say, as far as it can be used.

    Attributes:
        nodes: the graph; empty where none can be built.
        settings: checked parameters by node; a node whose parameters are wrong is not there.
        findings: what was found on the way.
    """

    nodes: tuple[NodeSpec, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def read(options: Options) -> Configuration:
    """Builds the graph and checks every node's parameters; starts nothing."""
    try:
        nodes = graph.build(options)
    except ValueError as error:
        fix = "correct the file or the option that the message names"
        return Configuration(findings=(failed("node graph", str(error), fix=fix),))
    findings = [passed("node graph", ", ".join(node.name for node in nodes))]
    findings += [passed(node.name, node.remark) for node in nodes if node.remark]
    findings += _driver(nodes, options)
    settings: dict[str, Any] = {}
    for node in nodes:
        findings += _parameters(node, settings)
    if settings:
        findings.append(passed("parameters", f"as their nodes take them: {', '.join(settings)}"))
    findings += _consequences(settings, graph.embodiment(options))
    return Configuration(tuple(nodes), settings, tuple(findings))


def _driver(nodes: list[NodeSpec], options: Options) -> Iterator[Finding]:
    """Who moves the robot."""
    first = nodes[0]
    if options.sim:
        yield passed("driver", "the simulated robot")
    elif first.name == "driver":
        yield _installed(first)
    else:
        yield warned(
            "driver",
            "none is named: the robot's own launch must start one",
            fix=f"set driver: package/executable under /**/graph in robots/{options.robot}.yaml",
        )


def _installed(driver: NodeSpec) -> Finding:
    from dreamzero_bringup.supervisor import executable_path

    try:
        return passed("driver", str(executable_path(driver)))
    except ValueError as error:
        return failed("driver", str(error), fix=f"{_SETUP}, or correct graph.driver")


def _parameters(node: NodeSpec, settings: dict[str, Any]) -> Iterator[Finding]:
    """Checks one node's parameters and keeps them; a row only for what cannot be kept."""
    what = f"parameters: {node.name}"
    try:
        kind = parameter_class(node)
    except ImportError as error:
        if node.side == "policy" and isinstance(error, ModuleNotFoundError):
            yield skipped(what, f"the policy runs on another host: {error} on this one")
        else:
            yield failed(what, f"{node.executable} cannot be loaded: {error}", fix=_SETUP)
        return
    if kind is None:
        yield skipped(what, f"{node.package} is not a package of this stack")
        return
    try:
        settings[node.name] = resolve(kind, given_parameters(node))
    except ValueError as error:
        files = ", ".join(map(str, node.parameter_files))
        yield failed(what, str(error), fix=f"correct it in {files}, or the --set that says so")


def parameter_class(node: NodeSpec) -> type[NodeParameters] | None:
    """The class of a node's parameters; None for a node that is not made with this stack's base.

    Raises:
        ImportError: what the node needs is not installed here.
    """
    points = entry_points(group="console_scripts", name=node.executable)
    for point in points:
        if point.module.partition(".")[0] == node.package:
            for value in vars(import_module(point.module)).values():
                if (
                    isinstance(value, type)
                    and issubclass(value, NodeParameters)
                    and value is not NodeParameters
                ):
                    return value
    return None


def given_parameters(node: NodeSpec) -> dict[str, Any]:
    """What files and command line set for a node, the stronger over the weaker."""
    given: dict[str, Any] = {}
    for path in node.parameter_files:
        content = yaml.safe_load(path.read_text()) or {}
        for section in ("/**", node.name, f"/{node.name}", f"/**/{node.name}"):
            given |= content.get(section, {}).get("ros__parameters", {})
    return given | dict(node.parameters)


def _consequences(settings: Mapping[str, Any], robot: Embodiment) -> Iterator[Finding]:
    """What the values mean together with the robot."""
    checks: tuple[tuple[str, str, Callable[[Any, Embodiment], str]], ...] = (
        ("limits", "controller", _limits),
        ("views", "camera_tiler", _views),
        ("time base", "policy", _time_base),
    )
    for what, node, check in checks:
        if node in settings:
            try:
                yield passed(what, check(settings[node], robot))
            except ValueError as error:
                yield failed(what, str(error), fix=f"correct it in config/{node}.yaml")


def _limits(controller: Any, robot: Embodiment) -> str:
    """How the robot's limits are narrowed, as the controller will narrow them."""
    controller.control()
    tighter, scale, margin = (
        controller.joint_limits(),
        controller.limit_scale,
        controller.limit_margin,
    )
    Limits.of(robot).tighten(tighter, scale=scale, margin=margin)
    single = f"; tighter for {', '.join(tighter)}" if tighter else ""
    return f"{scale:.0%} of the robot's, {margin:g} rad or m from every end{single}"


def _views(tiler: Any, robot: Embodiment) -> str:
    """The canvas that the cameras are tiled to."""
    height, width = tiler.robot_layout().canvas_size
    names = ", ".join(view.name for view in robot.views)
    return f"{names} on a canvas of {width}x{height}"


def _time_base(policy: Any, robot: Embodiment) -> str:
    """Rows and rate of a chunk, where they are not the checkpoint's own."""
    base = policy.time_base(robot)
    if base is None:
        return "the checkpoint's own"
    return f"chunks of {base.rows_per_chunk} rows at {base.control_hz} Hz"
