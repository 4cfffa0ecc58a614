"""Robot layouts by name: every ``Embodiment`` constant in a module of this folder is a robot."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from dreamzero_policy.embodiments.embodiment import Embodiment


@cache
def _all() -> dict[str, Embodiment]:
    """Every constant of class ``Embodiment`` in this folder's modules, by its name."""
    found: dict[str, Embodiment] = {}
    for module in sorted(info.name for info in iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Embodiment) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two embodiments are called {value.name!r}")
    return found


def names() -> tuple[str, ...]:
    """Names of every robot, sorted."""
    return tuple(sorted(_all()))


def get(name: str) -> Embodiment:
    """The embodiment called ``name``.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in _all():
        raise ValueError(f"unknown robot {name!r}; known robots: {', '.join(names())}")
    return _all()[name]
