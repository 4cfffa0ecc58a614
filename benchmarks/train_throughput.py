"""How fast a policy trains: `python benchmarks/train_throughput.py`.

On a CPU the miniature model, as windows per second of the whole optimizer step. With a GPU also the
full-size network with random weights: adapters on all layers, and in full with as many layers as
fit, as model FLOP utilisation. Without one those rows say that they were not measured.

FLOPs are those of the arithmetic that the model needs: two per weight and token forwards and four
backwards (two where the weight does not train), and four times query times key times width per
attention call and pass. What is recomputed is not counted.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import numpy as np
import torch

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.model import lora
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.masks import Layout, teacher_forcing
from dreamzero_policy.model.presets import DROID_14B, TINY
from dreamzero_policy.runs.distributed import World, join, leave
from dreamzero_policy.training.config import PRETRAIN, TrainConfig
from dreamzero_policy.training.config import TINY as TINY_RUN
from dreamzero_policy.training.learner import Learner
from dreamzero_policy.training.memory import estimate
from dreamzero_policy.training.objective import Noise, draw_noise
from results import save, show

PEAKS = {"H100": 989e12, "H200": 989e12, "B200": 2250e12, "A100": 312e12, "L40": 181e12}
"""bfloat16 FLOP/s of a GPU without sparsity, by a part of its name."""


def windows(config: ModelConfig, count: int, chunks: int) -> tuple[Batch, Noise]:
    """Random windows and their noise."""
    frames = 1 + chunks * config.num_frame_per_block
    rows = chunks * config.num_action_per_block
    size, wide = config.latent_size, config.max_action_dim
    clip = config.image.tokens
    batch = Batch(
        torch.randn(count, config.out_dim, frames, *size),
        torch.randn(count, config.condition_channels, frames, *size),
        torch.randn(count, config.text_len, config.text_dim),
        torch.randn(count, clip, config.clip_dim),
        torch.randn(count, chunks * config.num_state_per_block, config.max_state_dim),
        torch.randn(count, rows, wide).clamp(-1, 1),
        torch.ones(count, rows, wide, dtype=torch.bool),
        torch.ones(count, dtype=torch.bool),
    )
    rngs = [np.random.default_rng(at) for at in range(count)]
    return batch, draw_noise(config, batch, rngs)


def flops(config: ModelConfig, chunks: int, mode: str) -> float:
    """Of one window, forwards and backwards."""
    layout = Layout(
        chunks,
        config.frame_seqlen,
        config.num_frame_per_block,
        config.num_action_per_block,
        config.num_state_per_block,
        config.window_frames,
    )
    with torch.device("meta"):
        block = CausalDiT(replace(config, num_layers=1)).blocks[0]
    across = (
        block.cross_attn.k,
        block.cross_attn.v,
        block.cross_attn.k_img,
        block.cross_attn.v_img,
    )
    context = sum(p.numel() for layer in across for p in layer.parameters())
    weights = sum(p.numel() for p in block.parameters()) - context
    tokens, seen = layout.tokens, config.text_len + config.image.tokens
    attention = sum(
        sum(run.stop - run.start for run in call.queries)
        * sum(run.stop - run.start for run in call.keys)
        for call in teacher_forcing(layout)
    )
    forward = 2 * weights * tokens + 2 * context * seen / 2
    passes = 3 if mode == "full" else 2  # a frozen weight needs no gradient of its own
    attended = 4 * (attention + tokens * seen) * config.dim
    return config.num_layers * (passes * forward + 3 * attended)


def seconds(learner: Learner, parts: list[tuple[Batch, Noise]], repeat: int) -> float:
    """Median time of an optimizer step."""
    learner.step(parts, len(parts))
    taken = []
    for _ in range(repeat):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        begun = time.perf_counter()
        learner.step(parts, len(parts))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def drawn(config: ModelConfig, train: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the network's parameters."""
    with torch.device("meta"):
        network = CausalDiT(config)
        if train.mode == "lora":
            lora.add(network, train.lora_rank, train.lora_alpha)
    return {
        name.replace(".base_layer.", "."): tuple(p.shape) for name, p in network.named_parameters()
    }


def learner_of(config: ModelConfig, train: TrainConfig, world: World) -> Learner:
    """A learner with random weights."""
    shapes = drawn(config, train)

    def read(name: str) -> torch.Tensor:
        shape = shapes[name]
        return torch.empty(shape).normal_(0, 1 / math.sqrt(max(shape[-1], 1)))

    return Learner(config, train, read, world)


def on_cpu(repeat: int) -> list[dict[str, object]]:
    """Rows of the miniature model."""
    world, rows = World(0, 1, torch.device("cpu"), None), []
    for batch, checkpointing in ((4, False), (16, False), (16, True)):
        train = replace(TINY_RUN, batch=batch, checkpointing=checkpointing)
        learner = learner_of(TINY, train, world)
        taken = seconds(learner, [windows(TINY, batch, 4)], repeat)
        rows.append(
            {
                "what": "tiny, 4 chunks" + (", recomputed" if checkpointing else ""),
                "device": f"CPU, {torch.get_num_threads()} threads",
                "batch": batch,
                "seconds_per_step": taken,
                "windows_per_second": batch / taken,
                "gflops": batch * flops(TINY, 4, "full") / taken / 1e9,
            }
        )
    return rows


def on_gpu(repeat: int, peak: float | None) -> list[dict[str, object]]:
    """Rows of the full-size network; without a GPU they say so."""
    names = ("14B, adapters, all layers", "14B, in full, as many layers as fit")
    if not torch.cuda.is_available():
        return [
            {"what": name, "device": "none", "result": "not measured: no GPU"} for name in names
        ]
    world, rows = join(alone_in_mesh=True), []
    device = torch.cuda.get_device_name()
    peak = peak or next((value for part, value in PEAKS.items() if part in device), None)
    room = 0.9 * torch.cuda.get_device_properties(0).total_memory
    for name, mode in zip(names, ("lora", "full"), strict=True):
        train = replace(PRETRAIN, mode=mode, batch=1, micro_batch=1, ema=0.0)
        fitting = [
            n for n in range(1, 41)
            if estimate(replace(DROID_14B, num_layers=n), train, world).total < room
        ]  # fmt: skip
        config = replace(DROID_14B, num_layers=max(fitting))
        learner = learner_of(config, train, world)
        taken = seconds(learner, [windows(config, 1, 4)], repeat)
        done = flops(config, 4, mode) / taken
        rows.append(
            {
                "what": f"{name}: {config.num_layers}",
                "device": device,
                "batch": 1,
                "seconds_per_step": taken,
                "windows_per_second": 1 / taken,
                "gflops": done / 1e9,
                "utilisation": done / peak if peak else None,
                "memory_gib": torch.cuda.max_memory_allocated() / 2**30,
            }
        )
        del learner
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    leave()
    return rows


def main() -> None:
    """Measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="steps of which the median counts")
    parser.add_argument("--peak", type=float, help="bfloat16 FLOP/s of the GPU, if it is not known")
    parser.add_argument("--threads", type=int, help="of the CPU (all)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    rows = on_cpu(args.repeat) + on_gpu(args.repeat, args.peak)
    columns = ("what", "device", "batch", "seconds_per_step", "windows_per_second", "utilisation")
    table = [[row.get(name, row.get("result", "")) for name in columns] for row in rows]
    show("Training", columns, [[_short(cell) for cell in line] for line in table])
    save("train_throughput", {"rows": rows})


def _short(cell: object) -> object:
    return f"{cell:.3g}" if isinstance(cell, float) else cell


if __name__ == "__main__":
    main()
