"""A rank above zero as a process; ``ranks.py`` starts it.

It loads the weights, says so, joins the others, and mirrors rank 0 until that tells it to end or is
gone. Signals that are meant for the whole process group are rank 0's to obey.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

import torch
import torch.distributed as dist

from dreamzero_policy import embodiments
from dreamzero_policy.inference import prepare
from dreamzero_policy.inference.parallel import Mirror, Team
from dreamzero_policy.inference.ranks import LOOPBACK, Joining, Recipe
from dreamzero_policy.model.dreamzero import DreamZero

_PR_SET_PDEATHSIG = 1


def _tie_to(parent: int) -> None:
    """Has the kernel end this process with the one that started it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _load(recipe: Recipe) -> DreamZero:
    """The model, of which only the transformer is needed: encoders and decoder are rank 0's."""
    if recipe.options.threads is not None:
        torch.set_num_threads(recipe.options.threads)
    if recipe.device.startswith("cuda"):
        torch.cuda.set_device(recipe.device)
    robot = embodiments.get(recipe.robot)
    model = prepare.load(
        recipe.source, robot, recipe.options, device=recipe.device, time_base=recipe.time_base
    ).model
    model.vae = model.text_encoder = model.image_encoder = None
    gc.collect()
    if recipe.device.startswith("cuda"):
        torch.cuda.empty_cache()
    return model


def _serve(rank: int, link: Connection) -> None:
    """Loads, joins and mirrors until rank 0 says to end."""

    def say(text: str) -> None:
        sys.stderr.write(f"rank {rank}: {text}\n")

    recipe: Recipe = link.recv()
    model = _load(recipe)
    link.send("")
    joining: Joining | None = link.recv()
    if joining is None:
        return
    store = dist.TCPStore(LOOPBACK, joining.port, joining.layout.ranks, is_master=False)
    team = Team(joining.layout, rank, torch.device(recipe.device), store)
    network = prepare.network(model, recipe.options, say, team.tokens)
    mirror = Mirror(network, team, joining.blocks)
    while (command := link.recv()) is not None:
        mirror.do(command)
    team.leave()


def main(argv: list[str]) -> int:
    """Runs a rank: its number, the process that started it, and the descriptor of its pipe."""
    rank, parent, descriptor = map(int, argv)
    _tie_to(parent)
    link = Connection(descriptor)
    try:
        _serve(rank, link)
    except EOFError:
        return 0  # rank 0 is gone
    except Exception as error:  # noqa: BLE001 - whatever it is, rank 0 must learn of it
        traceback.print_exc()
        with suppress(OSError):
            link.send(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
