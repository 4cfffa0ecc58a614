"""Cuts off the idle ends of an episode: a new bag of what lies between, nothing ever put together.

The new bag is made out of sight, read back and compared message by message with the original; only
then does it appear under its own name, and only then does the original go into the trash. Killed at
any time, both or the original alone are there, and the same command goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.episode_facts import Ending, Event
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.data.errors import BagError, DamagedBagError
from dreamzero_policy.data.mapped_file import BagMessage
from dreamzero_policy.data.rosbag2_layout import annotate, sync_folder
from dreamzero_policy.embodiments.idle import idle_rows
from dreamzero_policy.recording.recorded_streams import streams_of
from dreamzero_policy.types import NS_PER_S

ENDING, _MAKING = "_trimmed", ".trimming"
_ORIGIN = "trimmed_from"
_LEAST_S = 0.1

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Cut:
    """What of an episode stays.

    Attributes:
        first_ns, last_ns: log times; messages from the first to the last stay, both included.
        head_s, tail_s: what goes.
    """

    first_ns: int
    last_ns: int
    head_s: float
    tail_s: float


@dataclass(frozen=True)
class Trimmed:
    """What became of an episode.

    Attributes:
        folder: of the new bag; of the old one where nothing was to be cut.
        original: where the old one is now.
        cut: what was cut.
    """

    folder: Path
    original: Path
    cut: Cut


def idle_ends(
    episode: Episode, *, least_s: float = 1.0, fraction: float = 0.01, keep_s: float = 0.5
) -> Cut:
    """What stays when the idle ends are cut off: by the converter's rows and its rule for idleness.

    Args:
        episode: of a known robot, with every stream that a dataset needs.
        least_s: an end that is idle for less stays.
        fraction: of a joint's top speed, below which it stands still.
        keep_s: idle time that is left at either end.

    Raises:
        BagError: it has no rows; or nothing ever moves: that one is for the trash.
    """
    robot = episode.embodiment
    settings = ConversionSettings(robot=episode.robot, instruction="none")
    rows = resample(episode, settings)
    idle = idle_rows(robot, rows.states, rows.actions, fraction=fraction, least_s=least_s)
    moving = np.flatnonzero(~idle)
    if not len(moving):
        raise BagError(f"{episode.folder}: nothing moves in it: discard it instead")
    begin, end = episode.span_ns
    keep_ns = round(keep_s * NS_PER_S)
    first_ns = int(rows.instants_ns[moving[0]]) - keep_ns if idle[0] else begin
    last_ns = int(rows.instants_ns[moving[-1]]) + keep_ns if idle[-1] else end
    first_ns, last_ns = max(begin, first_ns), min(end, last_ns)
    return Cut(first_ns, last_ns, (first_ns - begin) / NS_PER_S, (end - last_ns) / NS_PER_S)


def trim(
    folder: Path, robots: Path | None = None, *, tell: Tell | None = None, **how: float
) -> Trimmed | None:
    """Trims an episode; None where its ends are not idle.

    Args:
        folder: of the bag, in a folder of episodes.
        robots: folder of an installation's own robots.
        tell: told how many messages of how many are written or compared.
        how: as ``idle_ends``.

    Raises:
        BagError: the episode cannot be used, or another one has the new one's name.
        OSError: the disk is full; the original stays as it is.
    """
    store, name = EpisodeStore(folder.parent), folder.name + ENDING
    target, making = folder.with_name(name), folder.parent / _MAKING / name
    place = target if target.exists() else making  # there already where it was cut off before
    with Episode(folder, robots) as episode:
        if place == target:
            cut = _earlier_cut(target, folder.name)
        else:
            cut = idle_ends(episode, **how)
            if cut.head_s + cut.tail_s < _LEAST_S:
                return None
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            _write(episode, cut, making, name, tell)
        _require_same(episode, cut, place, tell)
    if place == making:
        store.note_name(name)
        os.rename(making, target)
        sync_folder(folder.parent)
        with suppress(OSError):
            making.parent.rmdir()
    return Trimmed(target, store.discard(folder.name), cut)


def _kept(episode: Episode, cut: Cut) -> Iterator[BagMessage]:
    """Messages that stay: first the newest of every latched topic before the cut, as of the cut."""
    latched = [stream.name for stream in streams_of(episode.embodiment) if stream.latched]
    for name in latched:
        if name not in episode:
            continue
        stream = episode.stream(name)
        newest = stream.newest_until(cut.first_ns - 1)
        if newest >= 0:
            yield stream.raw(newest)._replace(log_ns=cut.first_ns)
    for message in episode.messages():
        if cut.first_ns <= message.log_ns <= cut.last_ns:
            yield message


def _write(episode: Episode, cut: Cut, folder: Path, name: str, tell: Tell | None) -> None:
    extra = {
        _ORIGIN: episode.folder.name,
        "trimmed_first_ns": str(cut.first_ns),
        "trimmed_last_ns": str(cut.last_ns),
        "trimmed_head_s": f"{cut.head_s:.3f}",
        "trimmed_tail_s": f"{cut.tail_s:.3f}",
    }
    facts = replace(
        episode.facts,
        name=name,
        started_ns=cut.first_ns,
        prompt=episode.instruction_at(cut.first_ns),
        extra={**episode.facts.extra, **extra},
    )
    writer = BagWriter(folder, facts)
    try:
        for topic in episode.counts:
            writer.add_topic(topic, *episode.described(topic))
        total = sum(episode.counts.values())
        for done, message in enumerate(_kept(episode, cut)):
            writer.write(message.topic, bytes(message.data), message.log_ns, message.publish_ns)
            if tell is not None and done % 500 == 0:
                tell(done, total)
        for event in _events(episode, cut):
            writer.event(event)
        writer.finish(_ending(episode, cut))
    except BaseException:
        writer.abandon()
        raise
    if episode.custom:
        annotate(folder, dict(episode.custom))


def _events(episode: Episode, cut: Cut) -> list[Event]:
    """Events of what stays; the instruction in force at the cut is the prompt.

    Not the mark of no stream, which is of the whole episode: how long the robot stood still.
    """
    return [
        one
        for one in episode.events
        if cut.first_ns < one.stamp_ns <= cut.last_ns and (one.kind != "quality" or one.stream)
    ]


def _ending(episode: Episode, cut: Cut) -> Ending:
    before = episode.ending or Ending(cut.last_ns)
    marks = sum(event.kind == "quality" for event in _events(episode, cut))
    return replace(
        before,
        ended_ns=cut.last_ns,
        reason=f"{before.reason}; idle ends cut off".lstrip("; "),
        figures={"marks": float(marks)},
    )


def _earlier_cut(target: Path, name: str) -> Cut:
    """The cut that a trimmed bag was made with.

    Raises:
        BagError: it was not made of this episode.
    """
    with Episode(target) as made:
        extra = made.facts.extra
        if extra.get(_ORIGIN) != name:
            raise BagError(f"{target}: expected a free name, got another episode")
        ends = int(extra["trimmed_first_ns"]), int(extra["trimmed_last_ns"])
        return Cut(*ends, float(extra["trimmed_head_s"]), float(extra["trimmed_tail_s"]))


def _require_same(episode: Episode, cut: Cut, folder: Path, tell: Tell | None) -> None:
    """Reads a new bag back and compares it.

    Raises:
        DamagedBagError: it is not what it must be; the original stays.
    """
    with Episode(folder) as made:
        made.verify()
        wrong = f"{folder}: what was written is not what is read back; {episode.folder} stays"
        expected = sorted(_kept(episode, cut), key=_order)
        if made.counts.keys() != episode.counts.keys() or list(made.events) != _events(
            episode, cut
        ):
            raise DamagedBagError(wrong)
        got = sorted(made.messages(), key=_order)
        if len(got) != len(expected):
            raise DamagedBagError(wrong)
        for done, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
            if ours != theirs:
                raise DamagedBagError(wrong)
            if tell is not None and done % 500 == 0:
                tell(done, len(got))


def _order(message: BagMessage) -> tuple[int, str, int]:
    return message.log_ns, message.topic, message.publish_ns
