"""Every saving as a row: the same work without and with it, and the slow twins that it replaces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamzero_policy.acceleration.prompt import embed_prompt
from dreamzero_policy.inference.clips import ClipStreams
from dreamzero_policy.model.block import Run
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Literal
from savings_bench import Bench, Work


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


def forwards(bench: Bench) -> list[Row]:
    """One forward of one branch at a context of 7 latent frames, unless the row says otherwise."""
    dit, config = bench.dit, bench.config
    context = dit.embed_context(bench.texts[0], bench.clip)
    seven, five = bench.cache(), bench.cache(5)
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
        return streamed.clips.finish(0, canvases[:9])

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
