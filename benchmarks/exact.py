"""What each saving gains, one by one, and that it changes nothing: `python benchmarks/exact.py`.

Every row does the same work twice in one process on one thread, before and after, by turns, and
compares what comes out first. Rows that are exact must agree to 1e-5 of the largest value, or the
script ends with an error; rows that are not say so, and their error is that of the actions of
untrained weights, which is no statement about a trained model. Times are medians of the thread's
CPU time, which other work on the machine hardly disturbs; only the ratios mean anything elsewhere.
The savings are described in docs/inference.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from statistics import median

import torch

from bars import draw
from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.key_maps import layout
from dreamzero_policy.checkpoint.load import Loaded, assign, build, finish, load
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.weights.random_weights import random_tensor
from results import FOLDER, save, show
from savings import Row, blocks, encoders, forwards, whole_calls
from savings_bench import Bench

SMALL = replace(
    TINY,
    dim=512,
    ffn_dim=1536,
    num_heads=8,
    num_layers=12,
    frame_seqlen=50,
    latent_size=(10, 20),
    target_size=(80, 160),
    hidden_size=256,
)
"""Some 60 M parameters at 50 tokens per latent frame."""

TOLERANCE = 1e-5


def measure(row: Row, seconds: float) -> dict:
    """Both sides by turns for a while, compared first.

    Raises:
        SystemExit: an exact row does not agree.
    """
    pairs = [each if isinstance(each, tuple) else (each,) for each in (row.before(), row.after())]
    error = max(
        float((a - b).abs().max() / b.abs().max()) for a, b in zip(*reversed(pairs), strict=True)
    )
    if row.exact and error > TOLERANCE:
        sys.exit(f"{row.name}: expected the same to {TOLERANCE:g}, got {error:.1e}")
    taken: tuple[list[float], list[float]] = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[1]) < 3:
        for work, times in zip((row.before, row.after), taken, strict=True):
            getattr(work, "setup", lambda: None)()
            start = time.thread_time()
            work()
            taken_s = time.thread_time() - start
            times.append(getattr(work, "seconds", taken_s))
    before, after = (1e3 * median(times) for times in taken)
    return {
        "row": row.name,
        "of": row.note,
        "exact": row.exact,
        "before_ms": before,
        "after_ms": after,
        "ratio": before / after if after > 1e-3 else None,
        "max_error": error,
        "runs": len(taken[1]),
    }


def model_of(name: str, robot: embodiments.Embodiment) -> Loaded:
    """An untrained model of the miniature's parts."""
    loaded = load("random:tiny", robot)
    if name == "tiny":
        return loaded
    config = replace(SMALL, num_action_per_block=loaded.config.num_action_per_block)
    model = build(config)
    for slot in layout(model).values():
        assign(model, slot, random_tensor(slot.name, slot.shape, 0), "cpu", torch.float32)
    return replace(loaded, model=finish(model, "cpu"), config=config)


def _bars(result: dict[str, list[dict]]) -> list[dict]:
    """Rows as the picture takes them."""
    return [
        {
            "row": f"{name}: {row['row']} ({row['of']})",
            "kind": "exact" if row["exact"] else "approximate",
            "ms": {"p50": row["after_ms"]},
            "before_ms": row["before_ms"],
        }
        for name, rows in result.items()
        for row in rows
        if row["ratio"]
    ]


def main() -> None:
    """Measures, prints a table per model and writes JSON, tables and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["tiny", "small"], choices=["tiny", "small"])
    parser.add_argument("--seconds", type=float, default=1.0, help="per row [s]")
    parser.add_argument("--only", default="", help="rows whose name has this text")
    parser.add_argument("--no-file", action="store_true", help="print the tables alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    robot, result, tables = embodiments.get("droid"), {}, []
    for name in args.models:
        bench = Bench(model_of(name, robot), robot)
        with torch.inference_mode():
            rows = [*forwards(bench), *encoders(bench), *blocks(bench), *whole_calls(bench)]
            rows = [measure(row, args.seconds) for row in rows if args.only in row.name]
        result[name] = rows
        table = show(
            f"{name}, untrained, float32, one thread",
            ("saving", "of", "exact", "before ms", "after ms", "ratio", "error"),
            [
                (
                    row["row"],
                    row["of"],
                    "yes" if row["exact"] else "no",
                    f"{row['before_ms']:.2f}",
                    f"{row['after_ms']:.2f}",
                    f"{row['ratio']:.2f}" if row["ratio"] else "-",
                    f"{row['max_error']:.0e}",
                )
                for row in rows
            ],
        )
        tables.append(table)
    if not args.no_file:
        save("exact", {"threads": 1, "dtype": "float32", "models": result}, tables=tables)
        draw(FOLDER / "exact.png", "each saving, after (bar) and before (dotted)", _bars(result))


if __name__ == "__main__":
    main()
