"""Which episodes there are and what each says of itself, however broken its neighbours are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.episode_store import TRASH
from dreamzero_policy.data.errors import NotABagError
from dreamzero_policy.data.recovery import is_being_recorded
from dreamzero_policy.data.rosbag2_layout import METADATA
from dreamzero_policy.episodes.tags import tags_of
from dreamzero_policy.types import NS_PER_S

State = Literal["complete", "recording", "cut off", "broken"]


@dataclass(frozen=True)
class Found:
    """An episode as a list shows it.

    Attributes:
        folder: of the bag.
        state: ``cut off`` for what can be recovered, ``broken`` for what cannot be opened.
        problem: why it is not complete, as a sentence.
        size_bytes: of its files.
        facts: what it says of itself; None where it cannot be opened.
        seconds: its length.
        messages: count.
        outcome: how it went.
        marks: thresholds that it broke while it was recorded.
        tags: given by people.
    """

    folder: Path
    state: State
    problem: str
    size_bytes: int
    facts: EpisodeFacts | None = None
    seconds: float = 0.0
    messages: int = 0
    outcome: str = ""
    marks: int = 0
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the episode's folder."""
        return self.folder.name


def folders(root: Path) -> list[Path]:
    """Every folder with a bag below a folder of episodes, by name; not those in the trash.

    Raises:
        NotABagError: it is no folder, or cannot be read.
    """
    try:
        inside = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise NotABagError(
            f"{root}: expected a folder of episodes, got: {error.strerror}"
        ) from error
    return [one for one in inside if one.name != TRASH and one.name[0] != "." and _is_bag(one)]


def select(root: Path, words: Sequence[str]) -> list[Path]:
    """The episodes that a person means.

    Args:
        root: folder of episodes.
        words: names of episodes in it, paths of episodes, or of folders of episodes; none for all
            of ``root``.

    Returns:
        Folders, each once, in the order in which they were named.

    Raises:
        NotABagError: a word is none of that.
    """
    found: dict[Path, None] = {}
    for word in words or [str(root)]:
        inside, path = root / word, Path(word).expanduser()
        if "/" not in word and _is_bag(inside):
            found[inside] = None
        elif _is_bag(path):
            found[path] = None
        elif path.is_dir():
            found |= dict.fromkeys(folders(path))
        else:
            raise NotABagError(
                f"expected an episode of {root}, or a path of one or of a folder of them, "
                f"got {word!r}"
            )
    return list(found)


def look(folder: Path) -> Found:
    """What an episode says of itself; whatever is wrong with it is in the answer."""
    size = 0
    try:
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        if not (folder / METADATA).is_file():
            if any(map(is_being_recorded, folder.glob("*.mcap"))):
                return Found(folder, "recording", "it is being recorded", size)
            why = "its recording was cut off: `dreamzero recover` mends it"
            return Found(folder, "cut off", why, size)
        with Episode(folder) as episode:
            return _described(episode, size)
    except (ValueError, OSError) as error:
        return Found(folder, "broken", str(error), size)


def look_at_all(chosen: Sequence[Path]) -> Iterator[Found]:
    """``look`` at each, in order."""
    return map(look, chosen)


def seconds_of(episode: Episode) -> float:
    """How long an episode is [s]."""
    begin, end = episode.span_ns
    if episode.ending is not None and episode.facts.started_ns:
        begin, end = episode.facts.started_ns, episode.ending.ended_ns
    return max(0.0, (end - begin) / NS_PER_S)


def _described(episode: Episode, size: int) -> Found:
    return Found(
        episode.folder,
        "complete",
        "",
        size,
        episode.facts,
        seconds_of(episode),
        sum(episode.counts.values()),
        episode.outcome,
        sum(event.kind == "quality" for event in episode.events),
        tags_of(episode.custom),
    )


def _is_bag(folder: Path) -> bool:
    return (folder / METADATA).is_file() or any(folder.glob("*.mcap"))
