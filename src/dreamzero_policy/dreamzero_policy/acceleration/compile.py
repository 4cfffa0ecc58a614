"""Compiles the forwards of a finished network, from outside; whatever fails to compile runs as is.

What is compiled are the two parts of a block around its self-attention (``forwards.Regions``), each
without a break and for fixed shapes. All blocks share them and neither knows the context's length,
so there are few programs, small ones, and a start finds them in a folder on disk. On a GPU whole
forwards are then recorded as CUDA graphs, one per context length (``graphs.py``).

Compiled numbers are the same to rounding. A part that cannot be compiled is said once, and from
then on every part runs as it was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamzero_policy.model.block import Keys
from dreamzero_policy.sampling.forwards import Forwards, Regions, finish, project

Say = Callable[[str], None]
Backend = str | Callable[..., Any]

_SHAPES = 64
"""Programs per part at most: token counts of a refresh, an evaluation and both, and the last
block's. A dozen are used; more mean that something is compiled at every call."""


class Compiled:
    """The parts of a block, compiled at their first call with every shape.

    Args:
        backend: of ``torch.compile``.
        say: told why nothing is compiled any more, once.

    Attributes:
        failure: why; None while all goes well.
    """

    def __init__(self, backend: Backend, say: Say) -> None:
        self.failure: str | None = None
        self._say = say
        # Every block is built alike and the network is finished, so none of its attributes is
        # looked at again before a program runs: on a CPU that takes longer than a small layer.
        unchanged = torch.compiler.skip_guard_on_all_nn_modules_unsafe
        self._project, self._finish = (
            torch.compile(
                part,
                fullgraph=True,
                dynamic=False,
                backend=backend,
                options={"guard_filter_fn": unchanged},
                recompile_limit=_SHAPES,
                isolate_recompiles=True,
            )
            for part in (project, finish)
        )

    @property
    def regions(self) -> Regions:
        """For ``Forwards``."""
        return Regions(self.project, self.finish)

    def project(
        self,
        block: torch.nn.Module,
        x: Tensor,
        modulation: Tensor,
        runs: tuple,
        table: Tensor,
        first: int,
        stop: int,
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """As ``forwards.project``; the rotations go in as real numbers."""
        table = torch.view_as_real(table) if table.is_complex() else table
        arguments = (block, x, modulation, runs, table, first, stop)
        return self._run(self._project, project, arguments)

    def finish(self, *arguments: Any) -> Tensor:
        """As ``forwards.finish``; one program for prompts of every length."""
        text = arguments[5]
        if isinstance(text, Keys) and text.bias is not None:  # then its length is the instruction's
            for tensor, axis in ((text.key, 1), (text.value, 1), (text.bias, 3)):
                torch._dynamo.maybe_mark_dynamic(tensor, axis)
        return self._run(self._finish, finish, arguments)

    def _run(self, compiled: Callable, plain: Callable, arguments: tuple) -> Any:
        """A part, compiled if that has not failed yet; what ``plain`` raises is the caller's."""
        if self.failure is None:
            try:
                return compiled(*arguments)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - compilers raise anything; plain code tells
                self.fail(error)
        return plain(*arguments)

    def fail(self, error: Exception) -> None:
        """Compiles nothing from now on, and says so."""
        self.failure = in_a_line(error)
        self._say(f"the network runs uncompiled, which is slower: {self.failure}")


def in_a_line(error: BaseException) -> str:
    """What failed in the end, without the story that a compiler tells around it."""
    while cause := getattr(error, "inner_exception", None) or error.__cause__:
        error = cause
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def compile_forwards(
    network: Forwards,
    *,
    cache: Path | None = None,
    backend: Backend = "inductor",
    say: Say = lambda text: None,
) -> Compiled:
    """Has a network's parts compiled, in place, each when it first meets a shape.

    Args:
        network: quantised and divided among ranks already, if it is to be.
        cache: folder that compiled programs are kept in; None: the library's own, which a reboot
            may empty.
        backend: of ``torch.compile``.
        say: told, once, why a failure of the compiler made everything run as it was written.

    Returns:
        What runs them.

    Raises:
        ValueError: a network of another kind, or a folder that cannot be written to.
    """
    if not isinstance(network, Forwards):
        raise ValueError(
            f"compile: expected packed forwards, got {type(network).__name__}: the literal slow "
            "twin is not compiled"
        )
    if cache is not None:
        keep_programs(cache)
    compiled = Compiled(backend, say)
    network.regions = compiled.regions
    return compiled


def keep_programs(folder: Path) -> None:
    """Keeps what is compiled from now on in a folder, for the next start.

    The folder is the process's: torch has one place for compiled programs, and an environment
    variable is the only way to say which.

    Raises:
        ValueError: it cannot be made or written to.
    """
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"compile_cache: {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"compile_cache: {folder} cannot be written to")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")
