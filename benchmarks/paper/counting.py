"""Which numbers of a size decide a study's figures, given what the user has brought along."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace

from paper.sizes import Size
from paper.studies import studies
from paper.work import Work

_ALWAYS = ("seeds", "rollouts")


def counting(work: Work, study: str) -> dict[str, object]:
    """Those with another one of which something else would be made: each is tried.

    Args:
        work: of the study's size and of the datasets and checkpoints that are given.
        study: its name.

    Returns:
        The numbers that count, as JSON has them.
    """
    size = work.world.size
    made = set(_made(work, study))
    return {
        name: value
        for name, value in size.plain().items()
        if name in _ALWAYS or set(_made(_with(work, _other(size, name)), study)) != made
    }


def _other(size: Size, name: str) -> Size:
    value = getattr(size, name)
    other = (*value, "dim=1") if isinstance(value, tuple) else 2 * value + 1
    return replace(size, **{name: other})


def _with(work: Work, size: Size) -> Work:
    return replace(work, world=replace(work.world, size=size))


def _made(work: Work, study: str) -> Iterator[object]:
    """All that decides what is made; not names of folders, which other studies decide, too."""
    size, recordings = work.world.size, set()
    arms = next(each.arms for each in studies(work.world) if each.name == study)
    for trial in (arm.trial for arm in arms):
        yield tuple(
            getattr(trial, field.name)
            for field in dataclasses.fields(trial)
            if field.name != "training"
        )
        for one in work.chain(trial.training):
            yield replace(work.config(one, 0), init="")
            recordings |= {part.recordings for part in one.parts}
            if one.after is None and work.encoders is None:
                recordings |= {work.world.own, work.world.new}
                yield size.model, size.chunk_rows, size.vae_steps
    for asked in recordings:
        if not work.is_given(asked):
            yield asked, size.instructions, size.picture_width
