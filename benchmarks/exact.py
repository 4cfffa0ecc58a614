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
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor

from bars import draw
from dreamzero_policy import embodiments
from dreamzero_policy.acceleration.prompt import embed_prompt
from dreamzero_policy.checkpoint.key_maps import layout
from dreamzero_policy.checkpoint.load import Loaded, assign, build, finish, load
from dreamzero_policy.inference.clips import ClipStreams
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.model.block import Run
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.model.presets import TINY
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Literal, Noisy
from dreamzero_policy.sampling.sampler import denoise_block
from dreamzero_policy.sampling.schedule import flow_schedule
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.sampling.window import Window
from dreamzero_policy.types import Observation
from dreamzero_policy.weights.random_weights import random_tensor
from results import FOLDER, save, show

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
Work = Callable[[], tuple[Tensor, ...] | Tensor]


@dataclass(frozen=True)
class Row:
    """One saving.

    Attributes:
        name: what is saved.
        exact: whether the numbers stay the same, to rounding.
        before, after: the work without and with it; what they return is compared.
        note: what is counted.
    """

    name: str
    exact: bool
    before: Work
    after: Work
    note: str = ""


class PerToken(CausalDiT):
    """A network in which every token carries a time embedding of its own."""

    def _through(self, x, tau, runs, table, calls, context):  # noqa: ANN001, ANN202
        counts = torch.tensor([run.tokens for run in runs for _ in range(run.rows)])
        x, times = super()._through(
            x, tau.repeat_interleave(counts, 1), (Run(x.shape[1], 1),), table, calls, context
        )
        return x, times[:, counts.cumsum(0) - counts]


class Joined(KVCache):
    """A cache whose stored and new rows are joined for every layer of every forward."""

    def write(self, layer: int, k: Tensor, v: Tensor, start_token: int) -> None:
        """Keeps the new rows apart."""
        super().write(layer, k, v, start_token)
        self._new = k, v

    def keys_values(self, layer: int, new: int = 0, tail: int = 0) -> tuple[Tensor, Tensor]:
        """A copy of both, in a row."""
        stored = super().keys_values(layer)
        return tuple(torch.cat(pair, dim=1) for pair in zip(stored, self._new, strict=True))


class Bench:
    """A model with a context of 5 latent frames, a block to come and one to denoise."""

    def __init__(self, loaded: Loaded, robot: embodiments.Embodiment) -> None:
        self.loaded, self.robot, self.model = loaded, robot, loaded.model
        self.config, self.dit = loaded.config, loaded.model.dit
        config = self.config
        generator = torch.Generator().manual_seed(0)
        self.random = lambda *shape: torch.randn(shape, generator=generator)
        size = config.latent_size
        self.y = self.random(1, 20, config.window_frames, *size)
        self.texts = [self.random(1, config.text_len, config.text_dim) for _ in range(2)]
        for text in self.texts:
            text[:, config.text_len // 4 :] = 0  # 128 of 512 tokens, as prompts have
        self.clip = self.random(1, config.image.tokens, config.clip_dim)
        self.blocks = [self.random(1, config.out_dim, n, *size) for n in (1, 2, 2, 2)]
        self.noise = (
            self.random(1, config.out_dim, 2, *size),
            self.random(1, config.num_action_per_block, config.max_action_dim),
        )
        self.state = self.random(1, 1, config.max_state_dim)
        self.whole = robot.example(frames=41)

    def cache(self, frames: int = 7, kind: type[KVCache] = KVCache) -> KVCache:
        """A cache with the first frames of the context."""
        cache, start = kind.for_model(self.config), 0
        context = self.dit.embed_context(self.texts[0], self.clip)
        for block in self.blocks:
            if start + block.shape[2] <= frames:
                y = self.y[:, :, start : start + block.shape[2]]
                self.dit.write(block, y, context, cache, start)
                start += block.shape[2]
        return cache

    def noisy(self, start: int) -> Noisy:
        """The block to denoise, somewhere on its way."""
        rows = self.config.num_action_per_block
        y = self.y[:, :, start : start + 2]
        tau, action_tau = torch.full((1, 2), 833), torch.full((1, rows), 833)
        return Noisy(self.noise[0], tau, self.noise[1], action_tau, self.state, y)

    def window(self, network: Forwards | Literal, branches: int = 2) -> Window:
        """A window with 7 latent frames."""
        window, dit = Window(network, branches), self.dit
        texts = [dit.embed_text(text) for text in self.texts[:branches]]
        image = dit.embed_image(self.clip)
        y = self.y
        window.restart(self.blocks[0], lambda s, n: y[:, :, s : s + n], image, texts)
        for block in self.blocks[1:]:
            window.refresh(block)
        window.settle()
        return window

    def block(
        self,
        window: Window,
        evaluations: int | str,
        guidance: float = 5.0,
        predicted: str = "guided",
        steps: int = 16,
    ) -> Work:
        """Sampling one block; gives its actions."""
        velocity, schedule = window.velocity(self.state, guidance, predicted), flow_schedule(steps)
        cache = step_cache(evaluations, steps)
        return lambda: denoise_block(velocity, *self.noise, schedule, schedule, cache).actions

    def calls(self, options: dict, calls: list[int], prepare: bool) -> Work:
        """A new session's calls; timed is the last one alone, which gives its relative rows."""
        engine = Engine(self.loaded, self.robot, EngineOptions(threads=1, **options))

        def run() -> Tensor:
            session = engine.new_session(1)
            for newest in range(calls[-1] + 1):
                seen = slice(max(0, newest - 16), newest + 1)
                observation = Observation(
                    self.whole.canvases[seen],
                    self.whole.stamps_ns[seen],
                    self.whole.state,
                    self.whole.prompt,
                )
                if newest in calls:
                    start = time.thread_time()
                    result = engine.infer(session, observation)
                    run.seconds = time.thread_time() - start
                if prepare and newest < calls[-1]:
                    engine.prepare(session, observation, 8)
            return torch.tensor(result.chunk.rows[:, :7] - self.whole.state[:7])

        return run


def forwards(bench: Bench) -> list[Row]:
    """One forward of one branch at a context of 7 latent frames, unless the row says otherwise."""
    dit, config = bench.dit, bench.config
    context, seven, five = dit.embed_context(bench.texts[0], bench.clip), bench.cache(), None
    five = bench.cache(5)
    noisy, literal, fast = bench.noisy(7), Literal(dit), Forwards(dit)
    clean = Clean(bench.blocks[3], bench.y[:, :, 5:7])
    short = replace(context, text=embed_prompt(dit, bench.texts[0]))
    per_token = PerToken(config)
    per_token.load_state_dict(dit.state_dict())
    per_token = Literal(per_token.eval())
    joined = bench.cache(7, Joined)
    wide = CausalDiT(config).eval()
    wide.load_state_dict(dit.state_dict())
    sequence = wide.tables.sequence
    wide.tables.sequence = lambda *a: sequence(*a).to(torch.complex128)
    wide = Literal(wide)

    def packed(network: Forwards | Literal, video: bool = True) -> tuple[Tensor, ...]:
        out = network.denoise(noisy, context, five, clean, video)
        five.truncate(5 * config.frame_seqlen)
        return out if video else out[1:]

    def written(network: Forwards | Literal) -> tuple[Tensor, ...]:
        network.write(clean, context, five)
        rows = [x for i in range(config.num_layers) for x in five.keys_values(i)]
        five.truncate(5 * config.frame_seqlen)
        return tuple(rows)

    plain = lambda: literal.denoise(noisy, context, seven)  # noqa: E731
    return [
        Row(
            "cross-attention K/V once per instruction",
            True,
            lambda: literal.denoise(noisy, context.recomputed(), seven),
            plain,
            "denoise forward",
        ),
        Row(
            "a prompt's padding once",
            True,
            plain,
            lambda: literal.denoise(noisy, short, seven),
            f"denoise forward, {config.text_len // 4} of {config.text_len} tokens used",
        ),
        Row(
            "modulation per frame, not per token",
            True,
            lambda: per_token.denoise(noisy, context, seven),
            plain,
            "denoise forward",
        ),
        Row(
            "preallocated cache, no concatenation",
            True,
            lambda: literal.denoise(noisy, context, joined),
            plain,
            "denoise forward",
        ),
        Row(
            "rotation in float32, not complex128",
            True,
            lambda: wide.denoise(noisy, context, seven),
            plain,
            "denoise forward",
        ),
        Row(
            "last block: no state row",
            True,
            plain,
            lambda: fast.denoise(noisy, context, seven),
            "denoise forward",
        ),
        Row(
            "last block: actions alone, no video head",
            True,
            lambda: plain()[1:],
            lambda: fast.denoise(noisy, context, seven, video=False)[1:],
            "last evaluation, no video shown",
        ),
        Row(
            "last block of a refresh: keys and values alone",
            True,
            lambda: written(literal),
            lambda: written(fast),
            "refresh forward",
        ),
        Row(
            "refresh and first evaluation in one forward",
            True,
            lambda: packed(literal),
            lambda: packed(fast),
            "both forwards",
        ),
        Row(
            "prompt keys kept at a restart",
            True,
            lambda: _keys(*(dit.embed_context(text, bench.clip) for text in bench.texts)),
            lambda: _keys(*_kept(dit, bench, context)),
            "context of both branches",
        ),
    ]


def _keys(*contexts) -> tuple[Tensor, ...]:
    return tuple(x for context in contexts for keys in context.image.keys for x in keys[:2])


def _kept(dit: CausalDiT, bench: Bench, context):  # noqa: ANN001, ANN202
    image = dit.embed_image(bench.clip)
    return replace(context, image=image), replace(context, image=image)


def encoders(bench: Bench) -> list[Row]:
    """Text and video."""
    model, canvases = bench.model, bench.whole.canvases
    prompt = bench.whole.prompt
    text, clip = model.encode_prompt(prompt), torch.tensor(canvases[:9])

    def streamed() -> Tensor:
        latents = streamed.clips.finish(0, canvases[:9])
        return latents

    def begin() -> None:
        streamed.clips = ClipStreams(model)
        streamed.clips.advance({0: canvases[:8]})

    streamed.setup = begin
    begin()
    return [
        Row("prompt encoded once", True, lambda: model.encode_prompt(prompt), lambda: text, "call"),
        Row(
            "canvases encoded as they arrive",
            True,
            lambda: model.encode_frames(clip),
            streamed,
            "encode at a boundary",
        ),
        Row(
            "first-frame condition as far as it is read",
            True,
            lambda: model.encode_first(clip[0])[1][:, :, :3],
            lambda: model.begin(clip[0])[1](0, 3),
            "condition at a restart",
        ),
    ]


def blocks(bench: Bench) -> list[Row]:
    """Sampling a block of which the context stands."""
    window = bench.window(Forwards(bench.dit))
    one = bench.window(Forwards(bench.dit), branches=1)
    rows = []
    for evaluations in (4, 1):
        full = bench.block(window, evaluations)
        of = f"{evaluations} evaluation{'s' if evaluations > 1 else ''}, guidance"
        rows += [
            Row(
                "no negative branch in the last evaluation",
                True,
                full,
                bench.block(window, evaluations, predicted="unguided"),
                of,
            ),
            Row(
                "the same, and no video of it",
                True,
                full,
                bench.block(window, evaluations, predicted="none"),
                of,
            ),
        ]
    rows.append(
        Row(
            "one solver step, not sixteen with one velocity",
            True,
            bench.block(one, 1, guidance=1.0),
            bench.block(one, "all", guidance=1.0, steps=1),
            "1 evaluation",
        )
    )
    every = bench.block(window, "all", predicted="unguided")
    rows += [
        Row(
            f"{evaluations} of 16 evaluations",
            False,
            every,
            bench.block(window, evaluations, predicted="unguided"),
            "block, guidance",
        )
        for evaluations in (8, 6, 5, 4, 2, 1)
    ]
    return rows


def whole_calls(bench: Bench) -> list[Row]:
    """Calls of the engine, canvases to rows."""
    boundary, restart = [0, 8, 16, 24], [0, 8, 16, 24, 32]
    rows = []
    for name, options in (
        ("4 evaluations, guidance", {"evaluations": 4}),
        ("1 evaluation", {"evaluations": "all", "timesteps": 1}),
    ):
        slow = {**options, "literal": True, "predicted_video": "guided"}
        for kind, calls in (("boundary", boundary), ("restart", restart)):
            rows.append(
                Row(
                    f"all of it: {kind}",
                    True,
                    bench.calls(slow, calls, False),
                    bench.calls(options, calls, True),
                    f"call, {name}",
                )
            )
    warm = {"evaluations": 4, "restart": "warm"}
    rows.append(
        Row(
            "warm restart begun between calls",
            True,
            bench.calls(warm, restart, False),
            bench.calls(warm, restart, True),
            "restart, 4 evaluations, guidance",
        )
    )
    return rows


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
