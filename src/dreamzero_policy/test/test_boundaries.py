"""Who may import whom: the architecture as a test over every package of the workspace."""

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2]  # src/

# Folder or module of dreamzero_policy -> what of dreamzero_policy it may import besides itself.
_NUMPY = {"types", "normalize", "embodiments"}
_MODEL = _NUMPY | {"weights", "model", "checkpoint"}
ALLOWED = {
    "types": set(),
    "delay": set(),
    "clock_offset": {"types"},
    "named_values": set(),
    "embodiments": {"types"},
    "normalize": {"types", "embodiments"},
    "observation": _NUMPY,
    "chunks": _NUMPY | {"delay", "control"},  # its limits and settings, as values
    "profiles": {"types", "embodiments"},
    "control": _NUMPY | {"delay", "chunks", "profiles"},
    "weights": _NUMPY,
    "model": _NUMPY | {"weights"},
    "checkpoint": _MODEL,
    "roofline": {"model"},  # its sizes
    "sampling": {"types", "model"},
    "acceleration": _MODEL | {"sampling"},
    "ranks": _MODEL | {"sampling", "acceleration"},
    "inference": _MODEL | {"observation", "delay", "sampling", "acceleration", "ranks"},
    "data": _NUMPY | {"observation"},
    "recording": _NUMPY | {"observation", "data"},
    "datasets": _NUMPY | {"observation"},
    "conversion": _NUMPY | {"observation", "data", "datasets"},
    "runs": _MODEL,
    "mixture": _NUMPY | {"model", "observation", "datasets", "runs"},
    "training": _MODEL | {"sampling", "datasets", "mixture", "runs", "named_values"},
    "miniature": _MODEL | {"mixture", "runs", "training"},
    "evaluation": _MODEL | {"observation", "datasets", "acceleration", "inference"},
    "tasks": set(),
    "episodes": _NUMPY | {"observation", "data", "recording", "conversion", "tasks"},
    "messages": _NUMPY | {"observation"},
    "ros": _NUMPY | {"messages"},
    "parameters": _NUMPY | {"ros", "control", "recording", "acceleration", "sampling"},
    "statuses": _NUMPY | {"messages", "ros", "clock_offset", "control", "recording", "inference"},
    "nodes": _NUMPY
    | {"parameters", "statuses"}
    | {"messages", "ros", "observation", "chunks", "control", "delay", "clock_offset", "tasks"}
    | {"model", "checkpoint", "sampling", "acceleration", "ranks", "inference"}
    | {"data", "recording", "datasets"},
    "golden": _MODEL | {"observation", "sampling", "inference", "training"},
    "cli": _MODEL
    | {"observation", "control", "acceleration", "data", "golden", "tasks"}
    | {"datasets", "conversion", "episodes", "mixture", "training", "miniature", "named_values"},
}

ROS = {"rclpy", "std_msgs", "std_srvs", "sensor_msgs", "geometry_msgs", "diagnostic_msgs",
       "builtin_interfaces", "dreamzero_msgs", "cv_bridge", "ament_index_python"}  # fmt: skip
TORCH = {"torch", "torchao", "torchvision", "transformers", "diffusers", "accelerate"}
_SERVING = {"sampling", "acceleration", "ranks", "inference"}
_LEARNING = {"runs", "mixture", "training", "miniature"}
TORCH_FOLDERS = {"weights", "model", "checkpoint", "golden", "evaluation"} | _SERVING | _LEARNING
_SPEAK_ROS = {"messages", "ros", "statuses", "nodes"}
# Besides those folders these speak ROS, through messages/ and ros/; a node nobody imports.
ROS_PACKAGES = {"dreamzero_bringup"}  # and every driver's package
NOT_FOR_DRIVERS = (
    {"weights", "model", "checkpoint", "chunks", "profiles", "control"} | _SERVING | _LEARNING
)


def imports(tree):
    """Every absolute module name that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
            else:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaches(path, source):
    """What the file at ``path`` (relative to src/) may not do but does, one line each."""
    parts = Path(path).parts
    driver = parts[0] == "robot_drivers"
    package = parts[1] if driver else parts[0]
    inside = package == "dreamzero_policy"
    area = parts[2].removesuffix(".py") if inside else package
    found = []
    for name in set(imports(ast.parse(source))):
        top, *rest = name.split(".")
        if not top:
            found.append(f"{path}: relative import {name}")
        speaks_ros = driver or package in ROS_PACKAGES or area in _SPEAK_ROS
        if top in ROS and not speaks_ros:
            found.append(f"{path}: {area} imports {top}")
        if top in TORCH and area not in TORCH_FOLDERS:
            found.append(f"{path}: {area} imports {top}")
        if top != "dreamzero_policy" or not rest:
            continue
        if not inside and rest[0] in ("cli", "nodes", "parameters", "statuses"):
            found.append(f"{path}: {package} imports {name}")
        if inside and rest[0] == "nodes" and rest[-1].endswith("_node"):
            found.append(f"{path}: {area} imports the node {rest[-1]}")
        if inside and rest[0] != area and rest[0] in ALLOWED and rest[0] not in ALLOWED[area]:
            found.append(f"{path}: {area} imports {rest[0]}")
        if driver and rest[0] in NOT_FOR_DRIVERS:
            found.append(f"{path}: a driver imports {rest[0]}")
    return sorted(set(found))


def modules():
    """Every module that ships, relative to src/."""
    for package in (*SOURCES.glob("*/*/"), *SOURCES.glob("robot_drivers/*/*/")):
        if (package / "__init__.py").is_file():
            yield from (path.relative_to(SOURCES) for path in package.rglob("*.py"))


@pytest.mark.skipif(not (SOURCES / "dreamzero_msgs").is_dir(), reason="not in the source tree")
def test_no_module_imports_what_it_must_not():
    found = [line for path in modules() for line in breaches(path, (SOURCES / path).read_text())]
    assert not found, "\n".join(found)


def test_every_folder_has_its_rule():
    package = SOURCES / "dreamzero_policy" / "dreamzero_policy"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert folders | files <= set(ALLOWED)
    assert len(list(modules())) > 20


@pytest.mark.parametrize(
    ("path", "source", "breach"),
    [
        ("control/limits.py", "import rclpy.node", "control imports rclpy"),
        ("control/limits.py", "def f():\n    from rclpy import node", "control imports rclpy"),
        (
            "control/limits.py",
            "from dreamzero_policy.inference import x",
            "control imports inference",
        ),
        ("control/limits.py", "import dreamzero_policy.inference.x", "control imports inference"),
        ("inference/a.py", "from dreamzero_policy import control", "inference imports control"),
        ("observation/views.py", "import torch.nn as nn", "observation imports torch"),
        ("nodes/policy_node.py", "import torch", "nodes imports torch"),
        ("model/dit.py", "from dreamzero_policy.inference.x import y", "model imports inference"),
        ("roofline/counts.py", "import torch", "roofline imports torch"),
        ("sampling/a.py", "import dreamzero_policy.inference.x", "sampling imports inference"),
        ("sampling/a.py", "import dreamzero_policy.ranks.x", "sampling imports ranks"),
        ("acceleration/a.py", "import dreamzero_policy.ranks.x", "acceleration imports ranks"),
        ("ranks/a.py", "import dreamzero_policy.inference.x", "ranks imports inference"),
        ("ranks/a.py", "import dreamzero_policy.control.x", "ranks imports control"),
        ("runs/a.py", "import dreamzero_policy.mixture.x", "runs imports mixture"),
        ("mixture/a.py", "import dreamzero_policy.training.x", "mixture imports training"),
        ("training/a.py", "import dreamzero_policy.inference.x", "training imports inference"),
        ("data/a.py", "import dreamzero_policy.recording.x", "data imports recording"),
        ("types.py", "import dreamzero_policy.control.x", "types imports control"),
        ("inference/a.py", "from dreamzero_policy.ros.qos import x", "inference imports ros"),
        ("embodiments/droid.py", "from .embodiment import x", "relative import .embodiment"),
        ("data/convert.py", "import torch", "data imports torch"),
    ],
)
def test_the_checker_finds_a_breach(path, source, breach):
    path = f"dreamzero_policy/dreamzero_policy/{path}"
    assert breaches(path, source) == [f"{path}: {breach}"]


@pytest.mark.parametrize(
    ("path", "source", "count"),
    [
        ("robot_drivers/sim_driver/sim_driver/driver_node.py", "import rclpy", 0),
        ("robot_drivers/sim_driver/sim_driver/a.py", "from dreamzero_policy.inference import x", 1),
        ("robot_drivers/sim_driver/sim_driver/a.py", "import dreamzero_policy.ros.qos", 0),
        ("robot_drivers/sim_driver/sim_driver/a.py", "from dreamzero_policy.ros import qos", 0),
        (
            "robot_drivers/sim_driver/sim_driver/a.py",
            "from dreamzero_policy.nodes import a_node",
            1,
        ),
        (
            "dreamzero_bringup/dreamzero_bringup/graph/graph.py",
            "from dreamzero_policy.cli import up",
            1,
        ),
        ("dreamzero_policy/dreamzero_policy/nodes/b.py", "import dreamzero_policy.nodes.a_node", 1),
        ("dreamzero_bringup/dreamzero_bringup/graph/a.py", "import torch", 1),
        (
            "robot_drivers/sim_driver/sim_driver/a.py",
            "import dreamzero_policy.statuses.policy_status",
            1,
        ),
        ("dreamzero_policy/dreamzero_policy/nodes/policy_node.py", "import rclpy, numpy", 0),
        ("dreamzero_policy/dreamzero_policy/mixture/latents.py", "import torch", 0),
        ("robot_drivers/sim_driver/sim_driver/a.py", "import dreamzero_policy.ranks.ranks", 1),
    ],
)
def test_the_checker_knows_drivers_and_bringup(path, source, count):
    assert len(breaches(path, source)) == count
