"""The processes that share an engine's work: started, watched and ended by this one.

Whoever has an engine with ranks holds a ``Ranks``. It starts every rank above zero as a child
process (no launcher is needed), which loads the same weights meanwhile. A thread watches them: one
that ends, or that does not answer a call within its time, ends all of them, and what is under way
in rank 0 raises ``RankError``, at once or when the connection breaks. Nothing is tried again with
fewer ranks: a policy that is suddenly slower is another policy, so a person decides.

No rank outlives rank 0: the kernel kills each with the thread that started it, and its pipe ends.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from typing import NamedTuple

import torch
import torch.distributed as dist

from dreamzero_policy.acceleration import device as devices
from dreamzero_policy.acceleration import prepare
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.ranks.lead import Lead
from dreamzero_policy.ranks.parallel import Command, Layout, Team
from dreamzero_policy.sampling.cancellation import CancelledError
from dreamzero_policy.sampling.network import Network
from dreamzero_policy.sampling.split import Tokens

LOOPBACK = "127.0.0.1"
_NETWORK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
"""Ranks are on one machine: their connections must not depend on a cable or a radio."""

_LOOK_S = 0.1
_NOTICE_S = 2.0
"""How long it may take until the end of a rank that broke a connection is noticed [s]."""
_END_S = 0.5
"""How long a rank may take to end when asked, of the time that a node's stop has [s]."""


class RankError(RuntimeError):
    """A rank ended or hangs, so no call can be answered any more."""


@dataclass(frozen=True)
class Recipe:
    """What every rank loads; ``checkpoint.load`` has the words.

    Attributes:
        source: the checkpoint.
        robot: name of the robot, or path of its file.
        options: how the model is run.
        device: rank 0's, as ``device.find`` gives it; on CUDA every rank has the next one.
        time_base: how time is divided; None: as the checkpoint says.
    """

    source: str
    robot: str
    options: EngineOptions
    device: str = "cpu"
    time_base: TimeBase | None = None

    def of(self, rank: int) -> Recipe:
        """The recipe of one rank.

        Raises:
            ValueError: this machine has too few GPUs.
        """
        kind, _, number = self.device.partition(":")
        if kind != "cuda":
            return self
        return replace(self, device=devices.find(f"cuda:{int(number or 0) + rank}"))


class Joining(NamedTuple):
    """What a rank is told once all have loaded.

    Attributes:
        port: where they meet.
        layout: who computes what.
        blocks: blocks in a window.
    """

    port: int
    layout: Layout
    blocks: int


class _Child:
    """A rank above zero.

    Args:
        rank: which one.
        recipe: what it loads.
    """

    def __init__(self, rank: int, recipe: Recipe) -> None:
        self.rank = rank
        self.link, theirs = Pipe()
        with theirs:
            module = f"{__package__}.rank_process"
            numbers = map(str, (rank, os.getpid(), theirs.fileno()))
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module, *numbers],
                env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **_NETWORK},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self.link.send(recipe)

    def ending(self) -> str:
        """How it ended, in words; empty while it runs."""
        code = self.popen.poll()
        if code is None:
            return ""
        said = self._last_words()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"rank {self.rank} (process {self.popen.pid}) {how}" + (f": {said}" if said else "")

    def _last_words(self) -> str:
        """The error that it sent before it ended."""
        with suppress(EOFError, OSError):
            while self.link.poll():
                if said := self.link.recv():
                    return said
        return ""


class Ranks:
    """Every rank above zero.

    Args:
        recipe: what they load, rank 0's included.
        count: ranks, at least 2.
        answer_s: how long a call may take before the ranks are taken for hung [s].
        start_s: how long loading, and each call until ``warm``, may take [s].

    Attributes:
        layout: who computes what.
        failure: why they are of no use any more; empty while they work.

    Raises:
        ValueError: fewer than two, or more than there are GPUs or tokens to divide; or there is no
            such checkpoint.
    """

    def __init__(
        self, recipe: Recipe, count: int, *, answer_s: float = 30.0, start_s: float = 1200.0
    ) -> None:
        if count < 2:
            raise ValueError(f"ranks: expected at least 2 processes, got {count}")
        config = checkpoint.sizes(recipe.source)
        self.layout = Layout.of(count, prepare.branches(config, recipe.options))
        if self.layout.split > config.frame_seqlen:
            raise ValueError(
                f"ranks: expected at most {config.frame_seqlen} to divide the tokens of a frame, "
                f"got {self.layout.split}"
            )
        self._recipes = [recipe.of(rank) for rank in range(count)]
        self._answer_s, self._patience = answer_s, start_s
        self._children: list[_Child] = []
        self._team: Team | None = None
        self._told = 0
        self._deadline: float | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.failure = ""
        started = threading.Event()
        # Children die with the thread that started them, so it is the one that watches them.
        self._thread = threading.Thread(
            target=self._watch, args=(started,), name="ranks", daemon=True
        )
        self._thread.start()
        started.wait()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the ranks above zero."""
        return tuple(child.popen.pid for child in self._children)

    def join(self, network: Callable[[Tokens], Network], blocks: int) -> Lead:
        """Waits until every rank has loaded and connects them.

        Args:
            network: makes rank 0's share.
            blocks: blocks in a window.

        Raises:
            RankError: a rank ended, or is not there in time.
        """
        end = time.monotonic() + self._patience
        for child in self._children:
            while not child.link.poll(_LOOK_S) and not self.failure:
                if time.monotonic() > end:
                    self.fail(f"rank {child.rank} did not load within {self._patience:g} s")
            self._check()
            if said := self._heard(child):
                self.fail(f"rank {child.rank}: {said}")
            self._check()
        os.environ.update(_NETWORK)
        store = dist.TCPStore(LOOPBACK, 0, len(self._recipes), is_master=True,
                              wait_for_workers=False)  # fmt: skip
        device = torch.device(self._recipes[0].device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with self.answering():
            self._send(Joining(store.port, self.layout, blocks))
            self._team = Team(self.layout, 0, device, store)
        return Lead(network(self._team.tokens), self._team, self._send, blocks)

    def warm(self) -> None:
        """From now on a call takes no longer than it should."""
        self._patience = self._answer_s

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Around a call: no longer than it may take, and what goes wrong has a name.

        Raises:
            RankError: a rank ended, hangs, or is no longer in step with this one.
        """
        self._check()
        told, self._deadline = self._told, time.monotonic() + self._patience
        try:
            yield
        except CancelledError:
            raise
        except Exception as error:
            if self._told == told:
                raise  # nothing was begun
            self._ended.wait(_NOTICE_S)
            self.fail(f"rank 0 failed: {type(error).__name__}: {error}")
            raise RankError(self.failure) from error
        finally:
            self._deadline = None
        self._check()

    def fail(self, why: str) -> None:
        """Ends every rank; the first reason stays. From any thread."""
        with self._lock:
            if self._ended.is_set():
                return
            self.failure = why
            self._ended.set()
        self._kill()
        if self._team is not None:
            self._team.abort()

    def close(self) -> None:
        """Ends every rank in order and waits for them; of no use afterwards."""
        with self._lock:
            orderly = not self._ended.is_set()
            self._ended.set()
        if orderly:
            with suppress(OSError):
                for child in self._children:
                    child.link.send(None)
        end = time.monotonic() + _END_S
        while orderly and any(not child.ending() for child in self._children):
            if time.monotonic() > end:
                break
            time.sleep(0.01)
        self._kill()
        for child in self._children:
            child.popen.wait()
            child.link.close()
        self._thread.join(_END_S)
        team, self._team = self._team, None
        if team is not None:
            team.leave()

    def _send(self, what: Command | Joining) -> None:
        """Tells every rank above zero."""
        self._check()
        self._told += 1
        for child in self._children:
            child.link.send(what)

    def _heard(self, child: _Child) -> str:
        """What a rank says of its loading: empty, or what went wrong."""
        try:
            return child.link.recv()
        except EOFError:
            self._ended.wait(_NOTICE_S)
            return "it ended while it loaded"

    def _check(self) -> None:
        if self.failure:
            raise RankError(self.failure)

    def _kill(self) -> None:
        for child in self._children:
            child.popen.kill()

    def _watch(self, started: threading.Event) -> None:
        """The thread: starts the ranks, and looks whether one ends or lets a call wait too long."""
        try:
            for rank, recipe in enumerate(self._recipes[1:], start=1):
                self._children.append(_Child(rank, recipe))
        except OSError as error:
            self.fail(f"a rank could not be started: {error}")
        finally:
            started.set()
        poll = select.poll()
        handles = [os.pidfd_open(child.popen.pid) for child in self._children]
        for handle in handles:
            poll.register(handle, select.POLLIN)
        while not self._ended.is_set():
            if poll.poll(1e3 * _LOOK_S):
                time.sleep(_LOOK_S)  # who lost a peer may end first: the one that was killed counts
                endings = [ending for child in self._children if (ending := child.ending())]
                killed = [ending for ending in endings if "was killed" in ending]
                self.fail(next(iter(killed + endings), "a rank ended"))
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.fail(f"no answer of the other ranks within {self._patience:g} s")
        for child in self._children:
            child.popen.wait()  # this thread must outlive them
        for handle in handles:
            os.close(handle)
