"""What each saving buys on one GPU, row by row, and how far from the hardware's limit it ends.

The rows are those of the paper's Table 4 as one GPU allows them (docs/benchmarks.md): the published
forward, then everything exact, then what is approximate, each on top of the one before. Weights are
random, shapes and work are the real ones. A row is a chunk at a boundary of the window, at every
length of the context; the one that begins a window is given apart. Without diffusers the canvases
are not encoded, and floors and rows leave that out alike.

    python benchmarks/ladder.py                          every row that this machine can run
    python benchmarks/ladder.py --rows '8 of 16|Flash'   some of them
    python benchmarks/ladder.py --preset wan22_5b        the small recipe
    python benchmarks/ladder.py --preset tiny --device cpu --row-seconds 2

A run that was cut off, or that ran out of its time, is gone on with by the same command. On a
machine without this project installed, from a copied folder:

    PYTHONPATH=src/dreamzero_policy:src/dreamzero_bringup python3 benchmarks/ladder.py
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

import hardware
from dreamzero_policy.acceleration.compile import compile_forwards
from dreamzero_policy.acceleration.device import find
from dreamzero_policy.acceleration.graphs import Recorded
from dreamzero_policy.acceleration.onednn import prefer_onednn
from dreamzero_policy.acceleration.packed import pack_linears
from dreamzero_policy.acceleration.quantize import quantize
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import PRESETS, preset
from dreamzero_policy.roofline import floor
from dreamzero_policy.roofline.floor import Case, Rates
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.network import Literal, Network
from episode import Episode, OneForward, Published
from literal import LiteralForward
from networks import contexts, given, make
from results import percentiles
from rows import NotRunError, Rows, add_arguments
from rungs import COMPILED, FULL, Rung, rungs, suffix

PROBE_LAYERS = 2
"""Of the network that errors are measured on: as wide as the real one, and it fits in float32."""

WINDOWS = 2, 50
"""That a row is timed for at least and at most."""


class Bench:
    """One model on one device, converted further as rows ask for it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device(find(args.device))
        self.dtype = getattr(torch, args.dtype) if args.dtype else None
        if self.dtype is None:
            self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.config = preset(args.preset)
        if args.layers:
            self.config = replace(self.config, num_layers=args.layers)
        self.rates = hardware.rates(args.rates, self.device, self.dtype)
        self.given = given(self.config, self.device, self.dtype)
        self.encodes = not args.no_encoders and _encoders() is not None
        self.encoders = None
        self._dit: CausalDiT | None = None
        self._precision, self._packed = "none", False
        self._wanted: dict[tuple, Tensor] = {}

    def dit(self, precision: str) -> CausalDiT:
        """The network in a precision; rows come in an order that never turns back.

        Raises:
            NotRunError: the device, or this version, cannot.
        """
        if self._dit is None or precision not in ("none", self._precision):
            if self._precision != "none":
                self._dit = None  # from one precision into another only by way of none
                self._free()
            if self._dit is None:
                start = time.perf_counter()
                self._dit = make(self.config, self.device, self.dtype)
                self._precision = "none"
                print(f"random weights: {time.perf_counter() - start:.1f} s", flush=True)
            if precision != "none":
                convert(self._dit, precision)
                self._precision = precision
        if self._precision != precision:
            self._dit = None
            self._free()
            return self.dit(precision)
        if self.encodes and self.encoders is None:
            self.encoders = _encoders()(self.config, self.device, self.dtype)
            prefer_onednn(self.encoders.vae)
        return self._dit

    def _free(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def network(self, dit: CausalDiT, compiled: bool, say: Callable[[str], None]) -> Network:
        """The engine's forwards, compiled or not."""
        if not self.cuda and not self._packed:
            self._packed = pack_linears(dit) > 0  # as the engine does
        made = Forwards(dit)
        if compiled:
            compile_forwards(made, say=say)
            if self.cuda:
                return Recorded(made, say)
        return made

    def compiles(self, rung: Rung) -> bool:
        """Whether a row is to be compiled here."""
        choice = self.args.compile
        return rung.compiled and (choice == "yes" or (choice == "auto" and self.cuda))

    @property
    def cuda(self) -> bool:
        """Whether this is a GPU."""
        return self.device.type == "cuda"


def _encoders() -> type | None:
    """What encodes canvases; None where a library for it is missing."""
    try:
        return import_module("encoders").RandomEncoders
    except ImportError:
        return None


def convert(dit: CausalDiT, precision: str) -> None:
    """Quantises a network in place.

    Raises:
        NotRunError: the device does not compute in this precision, or its library is not here.
    """
    try:
        quantize(dit, precision)
    except (ValueError, ImportError) as error:
        raise NotRunError(str(error)) from error


def measure_rung(bench: Bench, rung: Rung) -> dict:
    """A row: chunks over and over, windows from their beginning to their end."""
    said: list[str] = []
    compiled = bench.compiles(rung)
    if rung.name == COMPILED and not compiled:
        raise NotRunError("a CPU compiles with --compile yes only")
    error = probe(bench, rung)
    dit = bench.dit(rung.precision)
    if bench.cuda:
        torch.cuda.reset_peak_memory_stats(bench.device)
    if rung.network == "published":
        forward = LiteralForward(dit)
        if bench.args.reference:
            forward = import_module("reference").ReferenceForward(dit, bench.args.reference)
        run = Published(forward, bench.config, bench.given, rung.sampling, bench.encoders)
    else:
        network = bench.network(dit, compiled, said.append)
        run = Episode(network, bench.given, rung.sampling, bench.encoders)
    taken, stages = chunks(run, bench.config, bench.args.row_seconds)
    windows = [mean(window) for window in zip(*taken.values())]
    rates = bench.rates["none" if rung.precision == "none" else "fp8"]
    case = replace(rung.case, encode=bench.encoders is not None)
    found = {
        "how": _how(bench, rung, compiled and not said),
        "ms": percentiles([1e3 * s for s in windows]),
        "floor_ms": 1e3 * mean(_floors(bench.config, rates, case).values()),
        "error": error,
        "parts": parts(taken, _floors(bench.config, rates, case)),
        "stages_ms": stages,
        "evaluations": rung.case.evaluations,
        "guidance": rung.case.guidance,
        "timed": "latents to actions" if bench.encoders is None else "canvases to actions",
        "said": said,
        "state_of_device": hardware.state(bench.device),
    }
    if bench.cuda:
        found["peak_memory_gb"] = torch.cuda.max_memory_allocated(bench.device) / 1e9
    return found


def _floors(config: ModelConfig, rates: Rates, case: Case) -> dict[int, float]:
    """Of every chunk of a window, what begins it counted to its first [s]."""
    seconds = floor.window(config, rates, case)
    if case.encode:
        seconds[1] += floor.restart(config, rates, case) - floor.encode(config, rates, case)
    return seconds


def parts(taken: dict[int, list[float]], floors: dict[int, float]) -> list[dict]:
    """Every length of the context for itself; what begins a window against the others."""
    found = []
    usual = percentiles([1e3 * s for n, times in taken.items() if n != 1 for s in times])["p50"]
    for frames, times in taken.items():
        ms = percentiles([1e3 * s for s in times])
        name = f"context {frames}"
        if frames == 1:
            name += f", begins a window: {ms['p50'] - usual:+.0f} ms over the others"
        found.append({"row": name, "ms": ms, "floor_ms": 1e3 * floors[frames]})
    return found


def _how(bench: Bench, rung: Rung, compiled: bool) -> str:
    """Precision, and whether it is compiled."""
    plain = str(bench.dtype).removeprefix("torch.")
    words = plain if rung.precision == "none" else rung.precision
    return f"{words}, {'compiled' if compiled else 'eager'}"


def chunks(
    run: Episode | Published, config: ModelConfig, budget: float
) -> tuple[dict[int, list[float]], dict[str, float]]:
    """Seconds by context of every chunk within a budget, and the median of every stage [ms].

    The first window is a warm-up, and so is a second where that is short.
    """
    every = [*contexts(config)]
    start = time.perf_counter()
    for _ in range(2):
        for _ in every:
            run.chunk()
        if time.perf_counter() - start > budget / 4:
            break
    taken: dict[int, list[float]] = {n: [] for n in every}
    stages: dict[str, list[float]] = {}
    end = time.perf_counter() + budget
    least, most = WINDOWS
    while len(taken[1]) < least or (time.perf_counter() < end and len(taken[1]) < most):
        for n in every:
            chunk = run.chunk()
            assert chunk.context == n, (chunk.context, n)
            taken[n].append(chunk.stages["total"])
            for stage, seconds in chunk.stages.items():
                stages.setdefault(stage, []).append(1e3 * seconds)
    return taken, {stage: percentiles(values)["p50"] for stage, values in stages.items()}


def probe(bench: Bench, rung: Rung) -> dict | None:
    """Error of a row's actions against float32, on a network of a few layers of the same width.

    Exact rows and Flash are held against the same sampling by the slow twin, approximate ones
    against 16 evaluations with guidance. Of random weights it says what rounding and skipping do to
    numbers, nothing of how well a trained policy does.
    """
    layers = min(PROBE_LAYERS, bench.config.num_layers)
    config = replace(bench.config, num_layers=layers)
    sampling = rung.sampling if rung.kind == "shape only" else FULL
    key = (sampling.timesteps, sampling.guidance)
    if key not in bench._wanted:
        slow = make(config, bench.device, torch.float32)
        inputs = given(config, bench.device, torch.float32)
        run = Episode(Literal(slow), inputs, replace(sampling, hidden_refresh=False))
        bench._wanted[key] = _actions(run, config)
    wanted = bench._wanted[key]
    dit = make(config, bench.device, bench.dtype)
    if rung.precision != "none":
        convert(dit, rung.precision)
    inputs = given(config, bench.device, bench.dtype)
    run = (
        Published(LiteralForward(dit), config, inputs, rung.sampling)
        if rung.network == "published"
        else Episode(Forwards(dit), inputs, rung.sampling)
    )
    got = _actions(run, config)
    error = {
        "relative": float((got - wanted).norm() / wanted.norm()),
        "cosine": float(torch.cosine_similarity(got.flatten(), wanted.flatten(), dim=0)),
        "largest": float((got - wanted).abs().max()),
        "layers": layers,
    }
    exact = rung.kind in ("exact", "baseline") and bench.dtype == torch.float32
    if exact and error["relative"] > 1e-5:
        raise RuntimeError(f"expected the same actions to 1e-5, got {error['relative']:.1e}")
    return error


def _actions(run: Episode | Published, config: ModelConfig) -> Tensor:
    """Actions of every chunk of a window."""
    return torch.cat([run.chunk().actions for _ in contexts(config)])


def measure_forward(bench: Bench, frames: int, precision: str) -> dict:
    """One evaluation of one branch."""
    said: list[str] = []
    compiled = bench.args.compile == "yes" or (bench.args.compile == "auto" and bench.cuda)
    network = bench.network(bench.dit(precision), compiled, said.append)
    work = OneForward(network, bench.given, frames)
    times: list[float] = []
    for _ in range(10 if bench.cuda else 3):
        work()
    hardware.synchronise(bench.device)
    end = time.perf_counter() + min(bench.args.row_seconds, 10.0)
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 100):
        start = time.perf_counter()
        work()
        hardware.synchronise(bench.device)
        times.append(1e3 * (time.perf_counter() - start))
    rates = bench.rates[precision]
    plain = str(bench.dtype).removeprefix("torch.") if precision == "none" else precision
    return {
        "how": f"{plain}, {'compiled' if compiled and not said else 'eager'}",
        "ms": percentiles(times),
        "floor_ms": 1e3 * floor.forward(bench.config, rates, frames),
        "said": said,
        "state_of_device": hardware.state(bench.device),
    }


def main() -> int:
    """Measures what is left, prints the table, writes JSON, table and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="droid_14b", choices=sorted(PRESETS))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), help="default: by the device")
    parser.add_argument("--compile", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument(
        "--rates", choices=("measured", "h200"), default="measured", help="that floors stand on"
    )
    parser.add_argument("--layers", type=int, help="a shorter network, to try things out")
    parser.add_argument("--no-encoders", action="store_true", help="latents in place of canvases")
    parser.add_argument("--threads", type=int, default=1, help="on a CPU")
    parser.add_argument(
        "--reference", type=Path, metavar="PATH", help="the reference itself as the first row"
    )
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bench = Bench(args)
    config = bench.config
    setup = {
        **hardware.describe(bench.device),
        "preset": args.preset,
        "layers": config.num_layers,
        "weights": "random: untrained",
        "shapes": f"width {config.dim}, {config.frame_seqlen} tokens per latent frame, "
        f"blocks of {config.num_frame_per_block} frames and {config.num_action_per_block} actions",
        "dtype": str(bench.dtype).removeprefix("torch."),
        "timed": "canvases to actions, prompt embedded" if bench.encodes else "latents to actions",
        "first row": "the reference's own network" if args.reference else "literal.py",
        "floors from": args.rates,
        "errors on": f"{min(PROBE_LAYERS, config.num_layers)} layers, against float32",
    }
    where = setup["device"].lower().replace(" ", "_")
    rows = Rows(
        f"ladder_{args.preset}_{where}",
        f"One chunk of {args.preset}, untrained, on {setup['device']}: mean over a window",
        setup,
        args,
    )
    for rung in sorted(rungs(), key=lambda each: ("none", "fp8", "nvfp4").index(each.precision)):
        facts = {"kind": rung.kind, "goal_ms": rung.goals.get(args.preset)}
        rows.measure(rung.name, facts, lambda rung=rung: measure_rung(bench, rung))
        if rung.name in (COMPILED, "Flash shape, one step, FP8"):
            goal = {"none": 88.0, "fp8": 60.0}[rung.precision]
            for frames in contexts(config):
                last = args.preset == "droid_14b" and frames == 7
                facts = {
                    "kind": "exact" if rung.precision == "none" else "approximate",
                    "goal_ms": goal if last else None,
                }
                name = f"one forward, context {frames}{suffix(rung.precision)}"
                rows.measure(
                    name,
                    facts,
                    lambda n=frames, p=rung.precision: measure_forward(bench, n, p),
                )
    rows.measure(
        "start to ready, weights on disk",
        {"kind": "-", "goal": "90 s"},
        lambda: _not_run("there are no weights to load here: `dreamzero doctor` times it"),
    )
    return rows.finish()


def _not_run(why: str) -> dict:
    raise NotRunError(why)


if __name__ == "__main__":
    sys.exit(main())
