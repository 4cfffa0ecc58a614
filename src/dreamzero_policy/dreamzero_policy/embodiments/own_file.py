"""A robot's Python file that is not part of this package: an integrator's, beside the robot's YAML.

Such a file is run like any other program of the user's who names it; only files of folders that
nobody else may write to belong there.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T:
    """The constant of class ``kind`` in a Python file.

    Args:
        path: the file; its name without ``.py`` is a Python name.
        kind: class of the constant.

    Raises:
        ValueError: there is no such file, it does not run, or it has none or more than one such
            constant; the message names the file and the line.
    """
    if not path.is_file():
        raise ValueError(f"expected the file {path}, there is none")
    name = f"dreamzero_own_{path.stem}"
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the file is the user's: whatever it raises is theirs to put right
        if before is None:
            del sys.modules[name]
        raise ValueError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    found = {id(value): value for value in vars(module).values() if isinstance(value, kind)}
    if len(found) != 1:
        raise ValueError(
            f"{path}: expected one constant of class {kind.__name__}, got {len(found)}"
        )
    return next(iter(found.values()))


def _line(error: BaseException, path: Path) -> str:
    """``:line`` of the file where an error came from, as far as it says."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f":{line}"
