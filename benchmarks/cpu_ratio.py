"""How much less time our forward takes than the published one, on one core of a CPU.

Both run in this process, on one pinned thread, by turns, and what comes out is compared each time;
times are medians of the thread's CPU time. The published forward is benchmarks/literal.py, with
every cost that it has; with ``--reference PATH`` (a checkout of dreamzero0/dreamzero) the
reference's own class takes its place where it takes the sizes. A ratio alone flatters whoever
chooses the sizes, so each row also says what share of the core's own rate of matrix products is
reached.

    python benchmarks/cpu_ratio.py                        every row; some minutes
    python benchmarks/cpu_ratio.py --rows 'tiny.*forward'
    python benchmarks/cpu_ratio.py --reference ~/dreamzero --again
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

import hardware
import networks
from dreamzero_policy.acceleration.compile import compile_forwards
from dreamzero_policy.acceleration.onednn import prefer_onednn
from dreamzero_policy.acceleration.packed import pack_linears
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.roofline import floor
from dreamzero_policy.roofline.floor import Case, Rates
from dreamzero_policy.sampling.forwards import Forwards
from episode import Encoders, Episode, OneForward, Published, Sampling
from literal import Branch, LiteralForward, Output
from results import percentiles
from rows import NotRunError, Rows, add_arguments

TOLERANCE = 1e-5
CPU = torch.device("cpu")
FRAMES = 7
"""Latent frames in the context of a forward."""

MODELS: dict[str, ModelConfig] = {
    "tiny": networks.TINY_256,
    "small": networks.SMALL_512,
    "small, 220 tokens": networks.SMALL_512_220,
    "the preset tiny": TINY,
    "one layer of the 14B's width": networks.ONE_LAYER,
}
GOALS: dict[tuple[str, str], float] = {
    ("tiny", "forward"): 2.0,
    ("small", "forward"): 2.0,
    ("small, 220 tokens", "forward"): 1.2,
    ("tiny", "forward, compiled"): 2.3,
    ("small", "forward, compiled"): 2.3,
    ("tiny", "chunk"): 2.0,
    ("small", "chunk"): 2.0,
    ("tiny", "one-step chunk"): 4.0,
    ("small", "one-step chunk"): 4.0,
}
"""How many times as fast, at least."""

FULL = "forward, prompt of full length"
"""A row beside the others: what is gained where no prompt has padding."""

LAYER_GOAL = 0.85
"""Of the core's matrix-product rate, by one layer of the real width."""

Work = Callable[[], tuple[Tensor, ...]]


class Pair:
    """One network twice: with every published cost, and as the engine runs it."""

    def __init__(self, config: ModelConfig, reference: Path | None) -> None:
        self.config, self.given = config, networks.given(config, CPU, torch.float32)
        slow, self._fast = networks.make(config), networks.make(config)
        self.published, self.name = LiteralForward(slow), "literal.py"
        if reference is not None and config.image.tokens == 257:
            made = import_module("reference").ReferenceForward(slow, reference)
            self.published, self.name = made, "the reference"
        pack_linears(self._fast, limit=8 << 30)
        self.encoders: Encoders | None = None
        if config.vae is not None:
            self.encoders = import_module("encoders").RandomEncoders(config, CPU, torch.float32)
            prefer_onednn(self.encoders.vae)

    def forwards(self, compiled: bool, prompt: int = networks.PROMPT) -> tuple[Work, Work]:
        """One evaluation of one branch, under a prompt of so many tokens."""
        given = networks.given(self.config, CPU, torch.float32, prompt=prompt)
        forward = self.published
        branch, caches, start = Branch(given.texts[0], given.clip), forward.empty(), 0

        def run(latents: Tensor, tau: Tensor, caches: list, vectors: tuple | None) -> Output:
            y = None if given.y is None else given.y[:, :, start : start + latents.shape[2]]
            return forward(latents, tau, y, branch, caches, start, vectors)

        with torch.inference_mode():
            for latents in (given.first, *given.blocks):
                if start >= FRAMES:
                    break
                tau = torch.zeros(1, latents.shape[2], dtype=torch.int64)
                caches = run(latents, tau, caches, None).caches
                start += latents.shape[2]
        tau, rows = torch.full((1, given.video.shape[2]), 833), given.actions.shape[1]
        vectors = given.actions, torch.full((1, rows), 833), given.state

        def before() -> tuple[Tensor, ...]:
            out = run(given.video, tau, caches, vectors)
            return out.video, out.actions

        return before, OneForward(self._network(compiled), given, FRAMES)

    def chunks(self, sampling: Sampling) -> tuple[Work, Work]:
        """Every chunk of a window, one after the other."""
        slow = Published(self.published, self.config, self.given, sampling, self.encoders)
        fast = Episode(self._network(False), self.given, sampling, self.encoders)
        count = len([*networks.contexts(self.config)])

        def window(run: Published | Episode) -> Work:
            return lambda: tuple(run.chunk().actions for _ in range(count))

        return window(slow), window(fast)

    def _network(self, compiled: bool) -> Forwards:
        made = Forwards(self._fast)
        if compiled:
            compile_forwards(made, say=_fail)
        return made


def _fail(why: str) -> None:
    """A row that says compiled is."""
    raise NotRunError(why)


def compare(before: Work, after: Work, budget: float, each: int = 1, warm_up: bool = False) -> dict:
    """Both by turns, compared first; milliseconds per ``each``-th part of the work.

    Raises:
        RuntimeError: they do not give the same.
    """
    taken: tuple[list[float], list[float]] = [], []
    with torch.inference_mode():
        if warm_up:
            after()
        end = time.perf_counter() + budget
        while len(taken[1]) < 1 or time.perf_counter() < end:
            outputs = []
            for work, times in zip((before, after), taken, strict=True):
                start = time.thread_time()
                outputs.append(work())
                times.append(1e3 * (time.thread_time() - start) / each)
            error = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*outputs))
            if error > TOLERANCE:
                raise RuntimeError(f"expected the same to {TOLERANCE:g}, got {error:.1e}")
    slow, fast = (percentiles(times) for times in taken)
    return {
        "ms": fast,
        "published_ms": slow,
        "ratio": slow["p50"] / fast["p50"],
        "error": {"relative": error},
    }


def measure(pair: Pair, what: str, rates: Rates, args: argparse.Namespace) -> dict:
    """One row."""
    config, window = pair.config, len([*networks.contexts(pair.config)])
    prompt = config.text_len if what == FULL else networks.PROMPT
    # What of a prompt is padding counts as one token.
    counted = replace(config, text_len=min(prompt + 1, config.text_len))
    if what.startswith("forward"):
        works, each = pair.forwards("compiled" in what, prompt), 1
        least = floor.forward(counted, rates, FRAMES)
    else:
        sampling = Sampling("all" if what == "chunk" else 1)
        works, each = pair.chunks(sampling), window
        case = Case(1 if what == "one-step chunk" else 16, packed=True)
        least = floor.mean(counted, rates, replace(case, encode=pair.encoders is not None))
    found = compare(*works, args.row_seconds, each, warm_up=what.startswith("forward"))
    before = f"{found['published_ms']['p50']:.3g} ms by {pair.name}"
    return found | {"how": f"{found['ratio']:.2f} x ({before})", "floor_ms": 1e3 * least}


def main() -> int:
    """Measures what is left, prints the table, writes JSON, table and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=[*MODELS])
    parser.add_argument("--reference", type=Path, metavar="PATH", help="time the reference itself")
    parser.add_argument("--core", type=int, help="to pin to; default: the first that is allowed")
    add_arguments(parser)
    parser.set_defaults(row_seconds=8.0)
    args = parser.parse_args()
    core = min(os.sched_getaffinity(0)) if args.core is None else args.core
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    setup = {
        **hardware.describe(CPU),
        "against": "the reference where it takes the sizes" if args.reference else "literal.py",
        "weights": "random: untrained",
        "dtype": "float32",
        "context": f"{FRAMES} latent frames of a forward; a chunk is the mean of a window",
        "prompt": f"{networks.PROMPT} tokens, the rest of the prompt's length is padding",
        "timed": "CPU time of one pinned thread; prompt embedded, canvases encoded where there is "
        "a VAE: in the preset tiny alone",
        "floors from": "the core's rate at 1024x1024x1024",
    }
    rows = Rows("cpu_ratio", "Our forward against the published one, one core", setup, args)
    rates = hardware.measured_rates(CPU, torch.float32)
    print(f"this core: {rates.linear / 1e9:.0f} GFLOP/s")
    pairs: dict[str, Pair] = {}

    def pair(name: str) -> Pair:
        if name not in pairs:
            pairs.clear()  # one at a time in memory
            pairs[name] = Pair(MODELS[name], args.reference)
        return pairs[name]

    for name in args.models:
        whats = ["forward"]
        if "layer" not in name and "220" not in name:
            whats += ["chunk", "one-step chunk", "forward, compiled"]
        if MODELS[name].text_len > networks.PROMPT and "layer" not in name:
            whats.append(FULL)
        for what in whats:
            goal = GOALS.get((name, what))
            text = f">= {goal} x" if goal else ""
            text = f">= {LAYER_GOAL:.0%} of floor" if "layer" in name else text
            rows.measure(
                f"{name}: {what}",
                {"kind": "exact", "goal": text},
                lambda n=name, w=what: measure(pair(n), w, rates, args),
            )
    return rows.finish()


if __name__ == "__main__":
    sys.exit(main())
