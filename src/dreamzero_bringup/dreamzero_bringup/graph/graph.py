"""The node graph of a robot, as plain data: the one place that says which nodes run and how.

``launch_ros_adapter.py`` turns the list into launch_ros actions and ``supervisor.py`` into
processes; neither adds a node, a parameter or a remapping of its own. Everything a user can get
wrong is refused here, before any process starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from dreamzero_bringup.graph.checkpoint_settings import follow
from dreamzero_bringup.graph.node_spec import SECTION, NodeSpec, setting
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.graph.parameter_files import overrides as parse_overrides
from dreamzero_bringup.graph.parameter_files import read
from dreamzero_bringup.installed import installed_config_dir
from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment

_OBEYED = ("joint_commands", "base_command", "driver/release")
"""Topics and services of the controller that a driver obeys."""

_APART = (*_OBEYED, "driver_status")
"""What a dry run keeps apart: a driver that gets no commands says that it holds."""

_AGREEING, _CHUNKING = ("controller", "policy"), "real_time_chunking"
"""Nodes whose parameters belong together, and the seam that is also the policy's parameter."""

_NODES = (  # drivers first: they start first and are stopped last
    NodeSpec("sim_driver", "driver_node", "sim_driver", "robot"),
    NodeSpec("dreamzero_policy", "camera_tiler_node", "camera_tiler", "robot"),
    NodeSpec("dreamzero_policy", "proprioception_node", "proprioception", "robot"),
    NodeSpec("dreamzero_policy", "controller_node", "controller", "robot"),
    NodeSpec("dreamzero_policy", "policy_node", "policy", "policy", nice=5, threads=0),
)

_RECORDER = NodeSpec("dreamzero_policy", "recorder_node", "recorder", "robot", nice=2)
"""Runs beside a graph, for as long as somebody records."""

_LIMITS = ("limit_scale", "limit_margin", "tighter_limits")
"""What of the controller's parameters an episode keeps."""


def robot_files(config_dir: Path | None) -> Path | None:
    """The folder of robots' files: settings, and layouts of an installation's own.

    Args:
        config_dir: as of ``Options``.

    Returns:
        The folder; None where nothing is installed.
    """
    try:
        return (config_dir or installed_config_dir()) / "robots"
    except ValueError:
        return None


def embodiment(options: Options) -> Embodiment:
    """The layout of the robot that was asked for.

    Raises:
        ValueError: there is none, or its file cannot be used.
    """
    return embodiments.get(robot_parameter(options))


def robot_parameter(options: Options) -> str:
    """What nodes get as ``robot``: its name, or the path of its own file.

    Raises:
        ValueError: there is no such robot.
    """
    return embodiments.locate(options.robot, robot_files(options.config_dir))


def build(options: Options) -> list[NodeSpec]:
    """The nodes of a run, in the order in which they start.

    Raises:
        ValueError: an unknown robot, side, node, parameter or simulated task, hosts that contradict
            the side, a file that is missing or is not a parameter file, a checkpoint that is not
            there, a policy that is told not to do what the controller's seam needs, a setting that
            contradicts the checkpoint; the message says what was expected and what came.
    """
    name = robot_parameter(options)
    layout = embodiments.get(name)
    here = options.here
    folder = _folder(options)
    robot_file = folder / "robots" / f"{options.robot}.yaml"
    robot = read(robot_file)
    site = robot.get(SECTION.format(node="graph"), {})
    nodes = list(_nodes(options.sim, str(site.get("driver", "")), robot_file))
    _refuse_unknown_sections(robot, robot_file)
    known = {node.name: _known_parameters(node, folder, robot) for node in nodes}
    overrides = parse_overrides(options.overrides, known)
    if options.checkpoint is not None:
        overrides.setdefault("policy", {})["checkpoint"] = _checkpoint(options.checkpoint)
    remappings = tuple(_remapping(text, robot_file) for text in site.get("topics", []))
    specs = [
        NodeSpec(
            node.package,
            node.executable,
            node.name,
            node.side,
            parameters={"robot": name, **overrides.get(node.name, {})},
            parameter_files=(*_node_file(folder, _file_of(node)), robot_file),
            remappings=(*_dry(node, options.dry_run, remappings), *remappings),
            nice=node.nice,
            threads=node.threads,
        )
        for node in nodes
    ]
    if options.sim and here != "policy":
        _refuse_unsimulated(name, specs[0])
    specs = _following(_agreed(specs, robot), layout, robot)
    return [node for node in specs if here in ("all", node.side)]


def build_recorder(options: Options, software: str = "") -> NodeSpec:
    """The recorder of a robot, which runs beside its graph.

    Args:
        options: as for ``build``; overrides are the recorder's.
        software: version of this software, for the episodes.

    Raises:
        ValueError: as ``build``.
    """
    embodiments.get(options.robot)
    folder = _folder(options)
    robot_file = folder / "robots" / f"{options.robot}.yaml"
    robot = read(robot_file)
    _refuse_unknown_sections(robot, robot_file)
    known = {_RECORDER.name: _known_parameters(_RECORDER, folder, robot)}
    overrides = parse_overrides(options.overrides, known).get(_RECORDER.name, {})
    site = robot.get(SECTION.format(node="graph"), {})
    files = (*_node_file(folder, "controller"), robot_file)
    controller = NodeSpec("", "", "controller", "robot", parameter_files=files)
    limits = list(_limits(controller))
    return replace(
        _RECORDER,
        parameters={
            "robot": options.robot,
            "robot_file": str(robot_file),
            "software": software,
            **({"limits": limits} if limits else {}),
            **overrides,
        },
        parameter_files=(*_node_file(folder, _RECORDER.name), robot_file),
        remappings=tuple(_remapping(text, robot_file) for text in site.get("topics", [])),
    )


def _limits(controller: NodeSpec) -> Iterable[str]:
    """What the controller was given, as name=value."""
    for name in _LIMITS:
        value = setting(controller, name)
        if isinstance(value, list):
            yield from map(str, value)
        elif value is not None:
            yield f"{name}={value}"


def _nodes(sim: bool, driver: str, robot_file: Path) -> Iterable[NodeSpec]:
    """The table's nodes; without simulation the driver is the one that the robot's file names."""
    yield from _NODES[:1] if sim else ()
    if not sim and driver:
        package, slash, executable = driver.partition("/")
        if not (package and slash and executable):
            raise ValueError(
                f"{robot_file}: graph driver must be 'package/executable', got {driver!r}"
            )
        yield NodeSpec(package, executable, "driver", "robot")
    yield from _NODES[1:]


def _refuse_unsimulated(robot: str, driver: NodeSpec) -> None:
    """Refuses a scene or a task that cannot be used, where the simulation is installed."""
    try:
        from sim_driver import tasks  # only where the simulated robot is wanted
        from sim_driver.models import robots
    except ImportError:
        return  # whoever starts the nodes says what is not installed

    simulated = robots.get(robot)
    if task := setting(driver, "task"):
        tasks.get(str(task), simulated)


def _refuse_unknown_sections(robot: Mapping[str, Mapping], path: Path) -> None:
    """A section that no node reads is a misspelt one: rcl would ignore it in silence."""
    names = ("graph", "driver", *(node.name for node in _NODES), _RECORDER.name)
    expected = [SECTION.format(node=name) for name in names]
    for section in robot:
        if section not in expected:
            raise ValueError(f"{path}: expected sections {', '.join(expected)}, got {section!r}")


def _agreed(nodes: list[NodeSpec], robot: Mapping[str, Mapping]) -> list[NodeSpec]:
    """Has the policy make the chunks that the controller's seam expects, whichever side is built.

    What ``policy.yaml`` says of it is no more than a default.

    Raises:
        ValueError: an override or the robot's file says the opposite.
    """
    controller, policy = (next(n for n in nodes if n.name == name) for name in _AGREEING)
    if setting(controller, "seam") != _CHUNKING:
        return nodes
    site = robot.get(SECTION.format(node=policy.name), {})
    said = policy.parameters.get(_CHUNKING, site.get(_CHUNKING, True))
    if said is not True:
        raise ValueError(
            f"controller.seam is {_CHUNKING}, so policy.{_CHUNKING} is expected to be true, "
            f"got {said}: leave it out, or choose another seam"
        )
    told = replace(policy, parameters={**policy.parameters, _CHUNKING: True})
    return [told if node is policy else node for node in nodes]


def _following(
    nodes: list[NodeSpec], layout: Embodiment, robot: Mapping[str, Mapping]
) -> list[NodeSpec]:
    """Has the nodes beside the robot make what the checkpoint was trained on.

    Raises:
        ValueError: a setting contradicts the checkpoint.
    """
    by_name = {node.name: node for node in nodes}
    policy = by_name["policy"]
    source = str(setting(policy, "checkpoint") or "")
    if not source:
        return nodes
    state, rate = by_name["proprioception"], "rate_hz"
    site = robot.get(SECTION.format(node=state.name), {})
    try:
        followed = follow(
            source,
            layout,
            lambda node, parameter: setting(by_name[node], parameter),
            said_rate=rate in state.parameters or rate in site,
        )
    except ValueError:
        # Random weights that only a file names are a default: the policy's host may have others.
        if source.startswith("random:") and "checkpoint" not in policy.parameters:
            return nodes
        raise
    return [
        replace(
            node,
            parameters={**node.parameters, **followed.parameters[node.name]},
            remark=followed.remark if node.name == "camera_tiler" else "",
        )
        if node.name in followed.parameters
        else node
        for node in nodes
    ]


def _dry(node: NodeSpec, dry_run: bool, remappings: Iterable[tuple[str, str]]) -> Iterable:
    """In a dry run controller and driver do not hear each other; the first rule that fits wins."""
    if dry_run and node.name == "controller":
        for name in _APART:
            yield name, f"{dict(remappings).get(name, name)}/dry_run"


def _folder(options: Options) -> Path:
    folder = Path(options.config_dir) if options.config_dir else installed_config_dir()
    if not folder.is_dir():
        raise ValueError(f"config_dir: expected a folder with robots/*.yaml, got {folder}")
    expected = folder / "robots" / f"{options.robot}.yaml"
    if not expected.is_file():
        raise ValueError(f"no settings for robot {options.robot!r}: expected the file {expected}")
    return folder.resolve()


def _file_of(node: NodeSpec) -> str:
    """What a node's own file is called: every hardware driver is ``driver``, its package is not."""
    return node.package if node.name == "driver" else node.name


def _node_file(folder: Path, name: str) -> list[Path]:
    """A node's own file where the installation has one."""
    path = folder / f"{name}.yaml"
    return [path] if path.is_file() else []


def _installed_file(name: str) -> list[Path]:
    """The file of a node that came with this package, where that is installed."""
    try:
        return _node_file(installed_config_dir(), name)
    except ValueError:
        return []


def _known_parameters(node: NodeSpec, folder: Path, robot: Mapping[str, Mapping]) -> set[str]:
    """Every parameter that the files name for a node, and those that every node has."""
    name = node.name
    known = {"autostart"} | set(robot.get(SECTION.format(node=name), {}))
    if name == "policy":
        known.add("checkpoint")
    # A node whose file is not in this folder has its defaults; what it has is in the installed one.
    for path in _node_file(folder, _file_of(node)) or _installed_file(_file_of(node)):
        for section, parameters in read(path).items():
            if section not in ("/**", name, f"/{name}", SECTION.format(node=name)):
                raise ValueError(f"{path}: expected the section '/**', got {section!r}")
            known |= set(parameters)
    return known


def _checkpoint(text: str) -> str:
    """A named random checkpoint as it is, a folder as an absolute path."""
    if text.startswith("random:"):
        return text
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(f"checkpoint: expected a folder or random:PRESET, got {text!r}")
    return str(path.resolve())


def _remapping(text: str, path: Path) -> tuple[str, str]:
    source, colon, target = str(text).partition(":=")
    if not (source and colon and target):
        raise ValueError(f"{path}: graph topics: expected 'ours:=theirs', got {text!r}")
    return source, target
