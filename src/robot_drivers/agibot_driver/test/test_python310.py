"""The bridge runs beside the SDK: Python 3.10, the standard library, the SDK, nothing else."""

import ast
import sys
from pathlib import Path

import pytest

import agibot_bridge

FOLDER = Path(agibot_bridge.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_python_310_and_imports_the_standard_library_and_the_sdk_alone(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module)
    for name in names:
        top = name.split(".")[0]
        allowed = top in sys.stdlib_module_names or top == "agibot_bridge"
        assert allowed or name == "a2d_sdk.robot", name
        assert name not in ("tomllib", "asyncio.timeouts"), "not in Python 3.10"


def test_the_sdk_is_imported_when_the_robot_is_opened():
    importers = [path.name for path in FILES if "a2d_sdk.robot import" in path.read_text()]
    assert importers == ["sdk.py"]
    tree = ast.parse((FOLDER / "sdk.py").read_text())
    assert not [
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("a2d_sdk")
    ]


def test_there_are_files():
    assert {path.name for path in FILES} >= {"frames.py", "machine.py", "sdk.py", "server.py"}
