"""One function over many episodes: here one after the other, in processes, or on a Ray cluster.

Whichever it is, the same function runs on the same arguments; results come as they are ready.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


class WorkerLostError(ValueError):
    """A process that was ended by somebody else."""


RAY = "ray[data]==2.60.0"


class Workers:
    """Processes or a cluster that do one thing after the other; use it in a ``with``."""

    def __init__(self, count: int = 1, ray_address: str = "") -> None:
        """Starts nothing yet.

        Args:
            count: processes; 1 for none but this one.
            ray_address: of a Ray cluster, which is then used, or ``local`` for one on this machine.
        """
        self._count, self._ray_address = count, ray_address
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Every item with its result, in the order in which they are ready.

        Args:
            function: of a module, so that another process finds it.
            items: arguments that can be pickled.

        Raises:
            ValueError: Ray is asked for and not installed, or cannot be reached.
            OSError: what ``function`` raised.
            WorkerLostError: a process was killed.
        """
        if self._ray_address:
            yield from _on_ray(function, items, self._ray_address)
        elif self._count <= 1 or len(items) <= 1:
            for item in items:
                yield item, function(item)
        else:
            yield from self._in_processes(function, items)

    def _in_processes(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result]]:
        if self._pool is None:
            # A forked process would inherit the threads' locks of whoever calls this.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                min(self._count, len(items)), mp_context=context, initializer=_end_with_parent
            )
        futures = {}
        try:
            futures = {self._pool.submit(function, item): item for item in items}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise WorkerLostError(
                "a process was killed, perhaps for want of memory: run the same command again with "
                "fewer --workers; what is done is kept"
            ) from error
        finally:
            for future in futures:
                future.cancel()


def _end_with_parent() -> None:
    """Ends this process once its parent is gone: killed, it could not send the workers home."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _on_ray(
    function: Callable[[Item], Result], items: Sequence[Item], address: str
) -> Iterator[tuple[Item, Result]]:
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            f"--ray needs Ray, which is not installed here: .venv/bin/pip install '{RAY}'"
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(
                address=None if address == "local" else address,
                logging_level="ERROR",
                log_to_driver=False,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ValueError(f"--ray {address}: no cluster answers: {error}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    data = ray.data.from_items([{"item": at} for at in range(len(items))])
    data = data.repartition(len(items))
    found = data.map(_Step(function, list(items)))
    for row in found.iter_rows():
        yield items[row["item"]], pickle.loads(row["result"])


class _Step:
    """A row of Ray's to a row with the result."""

    def __init__(self, function: Callable, items: list) -> None:
        self._function, self._items = function, items

    def __call__(self, row: dict) -> dict:
        at = int(row["item"])
        return {"item": at, "result": pickle.dumps(self._function(self._items[at]))}
