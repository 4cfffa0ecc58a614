"""The recorder as a process beside a running graph, and the crew at its console."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from dreamzero_bringup.graph.graph import build_recorder
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.machine import commit
from dreamzero_bringup.operator_client import domain_of_run, spinning
from dreamzero_bringup.record.commands import HELP, Commands
from dreamzero_bringup.record.recorder_client import EpisodeRequest, RecorderClient
from dreamzero_bringup.record.screen import Screen
from dreamzero_bringup.record.task_counts import TaskCounts
from dreamzero_bringup.supervisor import Interrupts, Supervisor, report_failure

_READY_S = 60.0
_LOOK_S = 0.05
_ENDED_S = 10.0


def run(
    options: Options,
    request: EpisodeRequest,
    *,
    domain_id: int | None = None,
    discovery_range: str | None = None,
    tasks: TaskCounts | None = None,
    lines: TextIO = sys.stdin,
    out: TextIO = sys.stdout,
) -> int:
    """Starts the recorder and takes commands until ``quit``, the end of the input or Ctrl-C.

    Args:
        options: robot, configuration and overrides of the recorder.
        request: what is known of every episode.
        domain_id: of the running graph; None for the only one on this machine.
        discovery_range: as for ``Supervisor``.
        tasks: where saved episodes are counted.
        lines: where commands come from.
        out: where answers and the status go.

    Returns:
        0, or 1 where the recorder ended by itself.

    Raises:
        ValueError: no graph is running, or as ``build_recorder``.
    """
    domain = domain_of_run(domain_id)
    node = build_recorder(options, commit())
    screen = Screen(out)
    supervisor = Supervisor(
        [node],
        sink=lambda _, text: screen.log(text),
        domain_id=domain,
        discovery_range=discovery_range,
        beside=True,
    )
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = supervisor.env["ROS_AUTOMATIC_DISCOVERY_RANGE"]
    me = f"record_{os.getpid()}"
    with Interrupts() as interrupts, screen, supervisor, spinning(me, domain) as ros:
        client = RecorderClient(ros)
        commands = Commands(client, request, screen.say, lambda: screen.streams(client.status))
        ends = _Ends(client, screen.say, tasks)
        _serve(supervisor, interrupts, client, commands, ends, screen, lines)
        if supervisor.failure is None:
            commands.finish()
            ends.wait()
    if supervisor.failure is not None:
        report_failure(supervisor.failure, lambda _, text: screen.say(text))
        return 1
    return 0


class _Ends:
    """Says how episodes ended, each once, and counts those that are kept."""

    def __init__(
        self, client: RecorderClient, say: Callable[[str], None], tasks: TaskCounts | None
    ) -> None:
        self._client, self._say, self._tasks = client, say, tasks
        self._told: object = None

    def tell(self) -> None:
        """Says what is new."""
        ended = self._client.ended
        if ended is None or ended is self._told:
            return
        self._told = ended
        if ended.outcome in (ended.STOPPED, ended.FAILED):
            self._say(f"the episode ended by itself: {ended.message}")
        for mark in ended.marks:
            self._say(f"  mark: {mark}")
        kept = ended.outcome in (ended.SAVED, ended.STOPPED)
        if self._tasks and kept and (said := self._tasks.saved(Path(ended.folder))):
            self._say(said)

    def wait(self) -> None:
        """Waits for the end of an episode that is just being saved, and says it."""
        deadline = time.monotonic() + _ENDED_S
        while self._client.started and self._client.ended is None:
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_S)
        self.tell()


def _serve(
    supervisor: Supervisor,
    interrupts: Interrupts,
    client: RecorderClient,
    commands: Commands,
    ends: _Ends,
    screen: Screen,
    lines: TextIO,
) -> None:
    """Takes commands until there are no more."""

    def going() -> bool:
        return supervisor.poll() is None and not interrupts.first.is_set()

    deadline = time.monotonic() + _READY_S
    while going() and client.status is None:
        if time.monotonic() > deadline:
            screen.say(f"expected the recorder to be ready within {_READY_S:g} s, it was not")
            return
        time.sleep(_LOOK_S)
    if not going():
        return
    screen.say(HELP)
    typed: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(lines, typed.put), daemon=True).start()
    while going():
        screen.status(client.status)
        ends.tell()
        with contextlib.suppress(queue.Empty):
            text = typed.get(timeout=_LOOK_S)
            if text is None or not commands.run(text):
                return


def _read(lines: TextIO, put: Callable[[str | None], None]) -> None:
    """Passes lines on, then None."""
    for text in lines:
        put(text)
    put(None)
