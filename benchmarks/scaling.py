"""How time grows with cameras, context, width and robots, against what the count of work says.

Every sweep changes one size of a small network and times one evaluation; its slope is compared
with that of the floor, which is operations over the core's rate. Where both grow alike, the count
holds, and so do floors of sizes that do not fit this machine. The same sweeps at the real sizes are
printed beside, as floors on an H200, which is arithmetic and no measurement.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --rows context
    python benchmarks/scaling.py --device cuda --width 2048
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

import hardware
import networks
from dreamzero_policy.acceleration.device import find
from dreamzero_policy.acceleration.packed import pack_linears
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.presets import DROID_14B
from dreamzero_policy.roofline import counts, floor
from dreamzero_policy.roofline.floor import H200, Rates
from dreamzero_policy.sampling.forwards import Forwards
from episode import OneForward
from results import markdown, percentiles
from rows import Rows, add_arguments

GRIDS = {110: (20, 22), 220: (22, 40), 440: (44, 40), 660: (44, 60), 880: (44, 80)}
"""Latent size by tokens per frame: an eighth of the real canvas, then one to four views of it."""

SWEEPS: dict[str, tuple[str, tuple[int, ...]]] = {
    "cameras": ("tokens per latent frame", (110, 220, 440, 660)),
    "context": ("latent frames in the context", (1, 3, 5, 7, 9, 15)),
    "width": ("token channels", (128, 256, 384, 512)),
    "robots": ("episodes side by side", (1, 2, 4)),
}
REAL: dict[str, tuple[int, ...]] = {
    "cameras": (220, 440, 660, 880),
    "context": (1, 3, 5, 7, 9, 15, 31),
    "width": (1536, 3072, 5120),
    "robots": (1, 2, 4),
}
FRAMES = 7


def sized(base: ModelConfig, sweep: str, value: int) -> tuple[ModelConfig, int, int]:
    """A network, the frames in its context, and the batch, at one point of a sweep."""
    if sweep == "cameras":
        return (
            replace(base, frame_seqlen=value, latent_size=GRIDS[value], target_size=None),
            FRAMES,
            1,
        )
    if sweep == "context":
        return replace(base, max_chunk_size=max(4, (value + 1) // 2)), value, 1
    if sweep == "width":
        heads = max(1, value // 128)
        ffn = round(base.ffn_dim / base.dim * value / 64) * 64
        return replace(base, dim=value, num_heads=heads, ffn_dim=ffn), FRAMES, 1
    return base, FRAMES, value


def measure(
    config: ModelConfig, frames: int, batch: int, rates: Rates, device: torch.device, budget: float
) -> dict:
    """One evaluation."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    dit = networks.make(config, device, dtype)
    if device.type == "cpu":
        pack_linears(dit)
    work = OneForward(
        Forwards(dit), networks.given(config, device, dtype, batch, config.text_len), frames
    )
    clock: Callable[[], float] = time.thread_time if device.type == "cpu" else time.perf_counter
    times: list[float] = []
    for _ in range(3):
        work()
    hardware.synchronise(device)
    end = time.perf_counter() + budget
    while len(times) < 5 or time.perf_counter() < end:
        start = clock()
        work()
        hardware.synchronise(device)
        times.append(1e3 * (clock() - start))
    done = counts.denoise(config, frames).times(batch)
    return {
        "ms": percentiles(times),
        "floor_ms": 1e3 * rates.seconds(done),
        "how": f"{done.total / 1e9:.3g} GFLOP",
    }


def slope(points: list[tuple[float, float]]) -> float:
    """Of a straight line through (size, time)."""
    sizes, times = np.array(points).T
    return float(np.polyfit(sizes, times, 1)[0])


def main() -> int:
    """Measures what is left, prints the tables, writes JSON, table and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--width", type=int, default=256, help="token channels, but of the sweep")
    parser.add_argument("--layers", type=int, default=4)
    add_arguments(parser)
    parser.set_defaults(row_seconds=2.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(find(args.device))
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    base, _, _ = sized(replace(networks.TINY_256, num_layers=args.layers), "width", args.width)
    rates = hardware.measured_rates(device, dtype)
    setup = {
        **hardware.describe(device),
        "network": f"width {args.width}, {args.layers} layers, 50 tokens per latent frame, context "
        f"{FRAMES}, but what is swept; random weights",
        "timed": "one evaluation, eager",
    }
    rows = Rows("scaling", "One evaluation as sizes grow", setup, args)
    for sweep, (what, values) in SWEEPS.items():
        for value in values:
            rows.measure(
                f"{sweep}: {value}",
                {"kind": "exact", "sweep": sweep, "size": value, "of": what},
                lambda s=sweep, v=value: measure(
                    *sized(base, s, v), rates, device, args.row_seconds
                ),
            )
    code = rows.finish()
    if not args.list:
        slopes(rows)
    return code


def slopes(rows: Rows) -> None:
    """Prints how measured and counted slopes compare, and the same sweeps at the real sizes."""
    found = []
    for sweep, (what, _) in SWEEPS.items():
        mine = [row for row in rows.rows.values() if row.get("sweep") == sweep and "ms" in row]
        if len(mine) < 2:
            continue
        measured = slope([(row["floor_ms"], row["ms"]["p50"]) for row in mine])
        found.append((sweep, what, len(mine), f"{measured:.2f}", f"{100 / measured:.0f} %"))
    print("milliseconds that a millisecond of floor adds\n")
    print(markdown(("sweep", "over", "points", "slope", "of the core's rate"), found))
    real = []
    for sweep, values in REAL.items():
        for value in values:
            config, frames, batch = sized(DROID_14B, sweep, value)
            done = counts.denoise(config, frames).times(batch)
            real.append(
                (sweep, value, f"{done.total / 1e12:.1f}", f"{1e3 * H200.seconds(done):.0f}")
            )
    print("\n14B, not measured: floors on an H200 in bf16\n")
    print(markdown(("sweep", "size", "TFLOP", "floor ms"), real))
    mean = 1e3 * floor.mean(DROID_14B, H200, floor.Case(1, guidance=False))
    print(f"\none-step chunk, mean over the window: {mean:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
