"""Everything that is done to a finished model so that it runs fast, in the only order that works.

Before anything is loaded: whether the device has the precision and the attention that are asked
for, and the memory. Then quantise, divide among ranks, compile; the engine warms up last. Each step
is a file of its own and takes the model as the one before left it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from dreamzero_policy.acceleration import memory, quantize
from dreamzero_policy.acceleration.compile import Say, compile_forwards
from dreamzero_policy.acceleration.graphs import Recorded
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.acceleration.packed import pack_linears
from dreamzero_policy.checkpoint import load as checkpoint
from dreamzero_policy.checkpoint.load import Loaded
from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase
from dreamzero_policy.model import attention
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dreamzero import DreamZero
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.network import Literal, Network
from dreamzero_policy.sampling.split import Tokens
from dreamzero_policy.sampling.step_cache import step_cache

_logger = logging.getLogger(__name__)


def branches(config: ModelConfig, options: EngineOptions) -> int:
    """Copies of the network's memory: one per prompt that it runs under.

    Without guidance there is no negative branch, and where the first evaluation is the last one and
    the predicted video is not guided, nothing would ever read it. Guidance is the video's alone.
    """
    if not config.trained_video:
        return 1
    rule = step_cache(options.evaluations or config.evaluations, options.timesteps)
    single = rule.start(options.timesteps).last(0)
    unread = single and options.predicted_video != "guided"
    return 1 if options.guidance_scale == 1 or unread else 2


def use(config: ModelConfig, options: EngineOptions, device: torch.device | str) -> memory.Use:
    """What of the options memory depends on."""
    device = torch.device(device)
    return memory.Use(
        precision=options.precision,
        branches=branches(config, options),
        windows=2 if options.restart == "warm" else 1,
        blocks=options.window_blocks or config.usual_blocks,
        text_on_cpu=options.text_on_cpu,
        graphs=device.type == "cuda" and compiles(options, device),
    )


def compiles(options: EngineOptions, device: torch.device) -> bool:
    """Whether the network is compiled; ``auto`` is on a GPU, where a start can wait for it."""
    return options.compile == "always" or (options.compile == "auto" and device.type == "cuda")


def check(config: ModelConfig, options: EngineOptions, device: torch.device | str) -> None:
    """Refuses what a device cannot do, before anything is loaded onto it.

    Raises:
        ValueError: a precision, an attention or an amount of memory that it does not have; the
            message says which it has.
    """
    device = torch.device(device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    quantize.check(options.precision, device)
    attention.check(options.attention, device, dtype, config.head_dim)
    needed = memory.check(config, use(config, options, device), device, dtype)
    _logger.info("memory: %s of %.1f GB free", needed, memory.free(device) / 1e9)


def load(
    source: str | Path,
    embodiment: Embodiment,
    options: EngineOptions,
    *,
    device: torch.device | str = "cpu",
    time_base: TimeBase | None = None,
    progress: bool = False,
) -> Loaded:
    """Loads weights and converts them to the precision that they are to run in.

    What is to be converted goes through the host's memory, so that a GPU need not hold it whole.

    Args:
        source: as ``checkpoint.load``.
        embodiment: the robot.
        options: how the model is run.
        device: where.
        time_base: as ``checkpoint.load``.
        progress: the same.

    Raises:
        ValueError: ``check`` refuses, or the checkpoint cannot be used with this robot.
    """
    device = torch.device(device)
    check(checkpoint.sizes(source), options, device)
    staged = device.type == "cuda" and (options.precision != "none" or options.text_on_cpu)
    loaded = checkpoint.load(
        source,
        embodiment,
        device="cpu" if staged else device,
        dtype=torch.bfloat16 if device.type == "cuda" else None,
        time_base=time_base,
        progress=progress,
    )
    model = loaded.model
    quantize.quantize(model.dit, options.precision, device)
    for part in (model.image_encoder, model.vae):
        part.to(device)
    model.text_encoder.to("cpu" if options.text_on_cpu else device)
    return loaded


def network(
    model: DreamZero, options: EngineOptions, say: Say, tokens: Tokens | None = None
) -> Network:
    """The network of a loaded model as it is run.

    Args:
        model: with its weights.
        options: how to run it.
        say: told of what could not be done and was replaced by something slower.
        tokens: how the tokens of a forward are divided among ranks; None: there is one process.

    Raises:
        ValueError: options that exclude each other, or that the device or the weights cannot do.
    """
    device, dit, video = model.device, model.dit, model.config.trained_video
    if not video and (options.literal or tokens is not None):
        raise ValueError(
            f"{'literal' if options.literal else 'ranks'}: expected weights that predict video, "
            "got some that were trained without (predict_video=false)"
        )
    if quantize.precision_of(dit) != options.precision:
        quantize.quantize(dit, options.precision)
    if options.attention != "auto":
        attention.check(options.attention, device, model.dtype, model.config.head_dim)
    if options.literal:
        if tokens is not None:
            raise ValueError("ranks: expected one process for the literal slow twin, got several")
        return Literal(dit)
    made = Forwards(dit, attention=options.attention, tokens=tokens, video=video)
    if device.type == "cpu":
        pack_linears(dit)
    # Divided among ranks by now: what is compiled is each rank's share.
    if not compiles(options, device):
        return made
    folder = Path(options.compile_cache) if options.compile_cache else None
    compile_forwards(made, cache=folder, say=say)
    if device.type != "cuda":
        return made
    if not video:
        say("weights that predict no video launch their forwards kernel by kernel, which is slower")
        return made
    if tokens is not None and tokens.exchanges:
        say("ranks that divide tokens launch their forwards kernel by kernel, which is slower")
        return made
    return Recorded(made, say)
