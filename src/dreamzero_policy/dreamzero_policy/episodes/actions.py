"""What ``dreamzero episodes`` does: one function per action; 0, or 1 where something is not well.

Each takes episodes one by one: what is wrong with one is named, and the others are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.episodes import counted, terminal
from dreamzero_policy.episodes.found import Found, look, look_at_all, select
from dreamzero_policy.episodes.picture import draw
from dreamzero_policy.episodes.syncing import SUMS, files_of, sync
from dreamzero_policy.episodes.tags import change_tags
from dreamzero_policy.episodes.trimming import trim
from dreamzero_policy.episodes.validation import Verdict, validate
from dreamzero_policy.tasks import counting
from dreamzero_policy.tasks.store import open_store


def show_list(console: Console, root: Path, names: Sequence[str], tag: str, trash: bool) -> int:
    """Lists episodes, or those in the trash."""
    if trash:
        found = list(look_at_all(EpisodeStore(root).discarded() if root.is_dir() else []))
        console.print(terminal.listed(found, f"the trash of {root}"))
        return 0
    found = [one for one in look_at_all(select(root, names)) if not tag or tag in one.tags]
    console.print(terminal.listed(found, str(root) if not names else f"{len(found)} episodes"))
    return 0


def show(
    console: Console, root: Path, names: Sequence[str], out: Path, robots: Path | None = None
) -> int:
    """Says what episodes say of themselves, and draws a picture of each."""

    def one(folder: Path) -> None:
        found = look(folder)
        path = out / f"{folder.name}.png"
        if found.facts is not None:
            draw(folder, path, robots)
        console.print(terminal.described(found, [str(path)] if found.facts else []))
        if found.facts is None:
            raise ValueError(f"not drawn: {found.state}")

    return _each(console, select(root, names), one)


def judge(console: Console, root: Path, names: Sequence[str], robots: Path | None = None) -> int:
    """Validates episodes; 1 where one is bad."""
    chosen, verdicts = select(root, names), list[Verdict]()
    with terminal.progress("validating", len(chosen)) as bar:
        for folder in chosen:
            verdicts.append(validate(folder, robots=robots))
            bar.advance(0)
    console.print(terminal.judged(verdicts))
    return int(any(one.grade == "bad" for one in verdicts))


def cut(
    console: Console,
    root: Path,
    names: Sequence[str],
    idle_seconds: float,
    keep_seconds: float,
    robots: Path | None = None,
) -> int:
    """Cuts off idle ends."""

    def one(folder: Path) -> None:
        _require_complete(look(folder))
        with terminal.progress(folder.name, 1) as bar:

            def tell(done: int, total: int) -> None:
                bar.update(0, completed=done, total=total)

            made = trim(folder, robots, tell=tell, least_s=idle_seconds, keep_s=keep_seconds)
        if made is None:
            console.print(f"{folder.name}: its ends are not idle; nothing was done")
            return
        gone = f"{made.cut.head_s:.1f} s at the begin, {made.cut.tail_s:.1f} s at the end"
        console.print(f"{made.folder.name}: without {gone}; the original is in {made.original}")

    return _each(console, select(root, names), one)


def tag(
    console: Console, root: Path, names: Sequence[str], add: Sequence[str], remove: Sequence[str]
) -> int:
    """Adds and removes tags, and says which there are."""

    def one(folder: Path) -> None:
        _require_complete(look(folder))
        tags = change_tags(folder, add, remove)
        console.print(f"{folder.name}: {' '.join(tags) or 'no tags'}", markup=False)

    return _each(console, select(root, names), one)


def discard(console: Console, root: Path, names: Sequence[str], db: Path) -> int:
    """Moves episodes to the trash and takes them out of the task sheets' counts."""

    def one(folder: Path) -> None:
        place = EpisodeStore(folder.parent).discard(folder.name)
        console.print(f"{folder.name}: is in {place}{_recount(db, folder.name, discarded=True)}")

    return _each(console, select(root, names), one)


def restore(console: Console, root: Path, names: Sequence[str], db: Path) -> int:
    """Moves episodes back out of the trash, and counts them again."""

    def one(folder: Path) -> None:
        place = EpisodeStore(root).restore(folder.name)
        console.print(f"{folder.name}: is in {place}{_recount(db, folder.name, discarded=False)}")

    return _each(console, [root / name for name in names], one)


def carry(
    console: Console, root: Path, names: Sequence[str], to: Path, check: bool, notes: bool
) -> int:
    """Copies complete episodes to a folder, each verified."""
    found = list(look_at_all(select(root, names)))
    whole = [one for one in found if one.state == "complete"]
    total = sum(path.stat().st_size for one in whole for path in files_of(one.folder))
    problems = [f"{one.name}: not copied: {one.problem}" for one in found if one not in whole]
    copied = 0
    with terminal.progress("copying", total, of_bytes=True) as bar:
        for one in whole:
            bar.update(0, description=one.name)
            tell = partial(bar.advance, 0)
            done = sync(one.folder, to, again=check, notes=notes, tell=tell)
            copied += done.copied_bytes
            if done.problem:
                problems.append(f"{done.name}: {done.problem}")
    for text in problems:
        console.print(Text(text, "yellow"))
    there = len(found) - len(problems)
    console.print(
        f"{there} of {len(found)} episodes are in {to}, every file verified ({SUMS} beside them); "
        f"{terminal.size(copied)} copied now"
    )
    return int(bool(problems))


def count(console: Console, root: Path, names: Sequence[str], db: Path) -> int:
    """Counts episodes on the task sheets, each once, whenever they were recorded."""
    with open_store(db) as store:

        def one(folder: Path) -> None:
            _require_complete(look(folder))
            done = counted.count(store, folder, time.time_ns())
            codes = ", ".join(task.code for task in done.tasks)
            console.print(f"{folder.name}: {codes}{'' if done.new else ': counted before'}")

        return _each(console, select(root, names), one)


def _each(console: Console, chosen: Sequence[Path], one: Callable[[Path], None]) -> int:
    """Does it to each; names those with which it could not be done."""
    failed = 0
    for folder in chosen:
        try:
            one(folder)
        except (ValueError, OSError) as error:
            failed += 1
            text = str(error).removeprefix(f"{folder}: ")
            console.print(Text(f"{folder.name}: {text}", "yellow"))
    if not chosen:
        console.print("no episode is there")
    return int(failed > 0)


def _require_complete(found: Found) -> None:
    if found.state != "complete":
        raise ValueError(found.problem)


def _recount(db: Path, name: str, *, discarded: bool) -> str:
    """Takes an episode out of the counts or back in, where it is counted; what is to be said."""
    if not db.expanduser().is_file():
        return ""
    with open_store(db) as store:
        if not counting.tasks_of(store, name):
            return ""
        counting.discard_episode(store, name, time.time_ns(), discarded=discarded)
    return f", and {'out of' if discarded else 'back in'} the task counts"
