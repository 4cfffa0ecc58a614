"""One function over many episodes: here one after the other, in processes, or on a Ray cluster.

Whichever it is, the same function runs on the same arguments; results come as they are ready.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


class WorkerLostError(ValueError):
    """A process that was ended by somebody else."""


RAY = "ray[data]==2.60.0"


def run(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int = 1,
    ray_address: str = "",
) -> Iterator[tuple[Item, Result]]:
    """Every item with its result, in the order in which they are ready.

    Args:
        function: of a module, so that another process finds it.
        items: arguments that can be pickled.
        workers: processes; 1 for none but this one.
        ray_address: of a Ray cluster, which is then used, or ``local`` for one on this machine.

    Raises:
        ValueError: Ray is asked for and not installed, or cannot be reached.
        OSError: what ``function`` raised.
        WorkerLostError: a process was killed.
    """
    if ray_address:
        yield from _on_ray(function, items, ray_address)
    elif workers <= 1 or len(items) <= 1:
        for item in items:
            yield item, function(item)
    else:
        yield from _in_processes(function, items, workers)


def _in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Result]]:
    # A forked process would inherit the threads' locks of whoever calls this.
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(items))
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        futures = {pool.submit(function, item): item for item in items}
        try:
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
