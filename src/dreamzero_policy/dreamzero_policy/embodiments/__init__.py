"""Robot layouts by name: every ``Embodiment`` constant in a module of this folder is a robot.

A robot that does not come with this package is a file of an installation's own, ``<name>.py``
beside its settings ``<name>.yaml``, with one such constant called ``name``. Whoever is told where
those files are finds it with ``locate``; nodes get what that returns as their ``robot``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from dreamzero_policy.embodiments import own_file
from dreamzero_policy.embodiments.embodiment import Embodiment

_SUFFIX = ".py"


@cache
def _all() -> dict[str, Embodiment]:
    """Every constant of class ``Embodiment`` in this folder's modules, by its name."""
    found: dict[str, Embodiment] = {}
    for module in sorted(info.name for info in iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Embodiment) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two embodiments are called {value.name!r}")
    return found


@cache
def _own(path: Path) -> Embodiment:
    """The robot of an installation's own file."""
    robot = own_file.read(path, Embodiment)
    if robot.name != path.stem:
        raise ValueError(f"{path}: expected name={path.stem!r} as the file is, got {robot.name!r}")
    if robot.name in _all():
        raise ValueError(
            f"{path}: a robot {robot.name!r} comes with this stack already; give yours another name"
        )
    return robot


def names(folder: Path | None = None) -> tuple[str, ...]:
    """Names of every robot, sorted.

    Args:
        folder: where an installation keeps its robots' files, besides those of this package.
    """
    files = folder.glob(f"*{_SUFFIX}") if folder else ()
    return tuple(sorted({*_all(), *(file.stem for file in files if _is_robot(file))}))


def locate(name: str, folder: Path | None = None) -> str:
    """What ``get`` takes for a robot: its name, or the absolute path of its own file.

    Args:
        name: of the robot.
        folder: as of ``names``.

    Raises:
        ValueError: there is no such robot; the message lists those there are.
    """
    if folder and name.isidentifier() and (folder / f"{name}{_SUFFIX}").is_file():
        return str((folder / f"{name}{_SUFFIX}").resolve())
    if name not in _all():
        raise ValueError(f"unknown robot {name!r}; known robots: {', '.join(names(folder))}")
    return name


def get(robot: str) -> Embodiment:
    """A robot's layout.

    Args:
        robot: its name, or the path of its own file.

    Raises:
        ValueError: there is none, or its file cannot be used; the message says what was expected.
    """
    if robot.endswith(_SUFFIX):
        return _own(Path(robot).resolve())
    return _all()[locate(robot)]


def _is_robot(file: Path) -> bool:
    """Whether a file may be a robot's; that of its simulated scene is not."""
    return file.stem.isidentifier() and not file.stem.endswith("_sim")
