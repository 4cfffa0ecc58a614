"""What a rank above zero does: it loads the weights, joins the others and mirrors rank 0."""

from __future__ import annotations

import gc
import sys
from multiprocessing.connection import Connection

import torch
import torch.distributed as dist

from dreamzero_policy import embodiments
from dreamzero_policy.acceleration import prepare
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.ranks.mirror import Mirror
from dreamzero_policy.ranks.parallel import Team
from dreamzero_policy.ranks.ranks import LOOPBACK, Joining, Recipe


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


def serve(rank: int, link: Connection) -> None:
    """Loads, joins and mirrors until rank 0 says to end.

    Args:
        rank: of this process.
        link: the pipe to rank 0.

    Raises:
        EOFError: rank 0 is gone.
    """

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
