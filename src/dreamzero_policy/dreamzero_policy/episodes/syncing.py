"""Copies episodes to another folder: verified, never over anything else, to be gone on with.

A file grows beside its place under ``.<name>.part``. What is there of it when a copy was cut off is
compared with the original before it grows on. Complete, it is read back from the target, and only
with the original's hash does it get its name. ``metadata.yaml``, which makes a bag complete, comes
last; ``SHA256SUMS`` beside it is as ``sha256sum --check`` reads it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dreamzero_policy.data.errors import BagError, DamagedBagError
from dreamzero_policy.data.rosbag2_layout import (
    METADATA,
    read_metadata,
    replace_file,
    sync_folder,
)

SUMS = "SHA256SUMS"
_BLOCK = 4 << 20

Tell = Callable[[int], None]
"""Told of every so many bytes that are done."""


@dataclass(frozen=True)
class Synced:
    """What became of an episode.

    Attributes:
        name: of it.
        copied_bytes: that were written now.
        problem: why it is not whole at the target; empty where it is.
    """

    name: str
    copied_bytes: int
    problem: str = ""


def files_of(folder: Path) -> list[Path]:
    """The files of an episode in the order in which they are copied: metadata last."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    files = [path for path in files if path.name != SUMS]
    return sorted(files, key=lambda path: path.name == METADATA)


def sync(
    folder: Path,
    target: Path,
    *,
    again: bool = False,
    notes: bool = False,
    tell: Tell = lambda count: None,
) -> Synced:
    """Copies an episode, or what is missing of it.

    Args:
        folder: of a complete bag.
        target: folder of episodes; made where it is not there.
        again: reads what was copied and verified before once more.
        notes: brings outcome, notes and tags of what was copied before up to date.
        tell: told of progress; in total as many bytes as the files have.

    Returns:
        What was done. A full disk, a file that is another one: in ``problem``, nothing is changed.
    """
    copied, place = 0, target / folder.name
    if place.resolve() == folder.resolve():
        return Synced(folder.name, 0, f"expected another folder than its own, got {target}")
    try:
        place.mkdir(parents=True, exist_ok=True)
        known = _known(place)
        sums: dict[str, str] = {}
        for path in files_of(folder):
            size = path.stat().st_size
            there = place / path.name
            if not again and path.name in known and _untouched(path, there, place / SUMS):
                sums[path.name] = known[path.name]
                tell(size)
                continue
            if there.exists():
                if notes and path.name == METADATA and _differ_in_notes(folder, place):
                    replace_file(there, path.read_text())
                sums[path.name] = _same(path, there, tell)
                continue
            sums[path.name], written = _copy(path, there, tell)
            copied += written
        if sums != known:
            text = "".join(f"{value}  {name}\n" for name, value in sums.items())
            replace_file(place / SUMS, text)
    except (BagError, OSError) as error:
        return Synced(folder.name, copied, str(error))
    return Synced(folder.name, copied)


def _known(place: Path) -> dict[str, str]:
    """Hashes by name of an earlier copy's list."""
    with suppress(OSError, ValueError):
        lines = (place / SUMS).read_text().splitlines()
        return {name: value for value, name in (line.split("  ", 1) for line in lines)}
    return {}


def _untouched(path: Path, there: Path, sums: Path) -> bool:
    """Whether neither file was changed since both were found to be the same."""
    with suppress(OSError):
        listed_ns = sums.stat().st_mtime_ns
        ours, theirs = path.stat(), there.stat()
        same = ours.st_size == theirs.st_size
        return same and max(ours.st_mtime_ns, theirs.st_mtime_ns) <= listed_ns
    return False


def _same(path: Path, there: Path, tell: Tell) -> str:
    """The hash of two files that are the same.

    Raises:
        BagError: they are not.
    """
    ours = _hash(path, tell=tell)
    if path.stat().st_size != there.stat().st_size or _hash(there) != ours:
        noted = path.name == METADATA and _differ_in_notes(path.parent, there.parent)
        hint = "move it away to have it copied again"
        if noted:
            hint = "only outcome, notes or tags differ: --notes brings them up to date"
        raise BagError(
            f"{there}: expected the same file as {path}, got another one; it is left as it is; "
            f"{hint}"
        )
    return ours


def _differ_in_notes(folder: Path, place: Path) -> bool:
    """Whether two bags differ in nothing but what is noted after a recording."""
    ours, theirs = read_metadata(folder), read_metadata(place)
    before, now = theirs.pop("custom_data", None), ours.pop("custom_data", None)
    return ours == theirs and before != now


def _copy(path: Path, there: Path, tell: Tell) -> tuple[str, int]:
    """Copies a file, from where an earlier copy ended; its hash, and how many bytes were written.

    Raises:
        DamagedBagError: what is read back is not what was written.
        OSError: the disk is full; what is there stays for the next time.
    """
    part = there.with_name(f".{there.name}.part")
    ours = hashlib.sha256()
    with open(path, "rb") as source, open(part, "a+b") as target:
        done = _common(source, target, ours, tell)
        target.truncate(done)
        target.seek(done)
        source.seek(done)
        written = 0
        while block := source.read(_BLOCK):
            target.write(block)
            ours.update(block)
            written += len(block)
            tell(len(block))
        target.flush()
        os.fsync(target.fileno())
        with suppress(AttributeError, OSError):  # read back from the disk, not from memory
            os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if _hash(part) != ours.hexdigest():
        part.unlink()
        raise DamagedBagError(
            f"{there}: what was written is not what is read back: is the disk failing?"
        )
    stat = path.stat()
    os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    if there.exists():
        raise BagError(f"{there}: another program wrote it meanwhile; it is left as it is")
    os.rename(part, there)
    sync_folder(there.parent)
    return ours.hexdigest(), written


def _common(source: object, target: object, ours: object, tell: Tell) -> int:
    """How many bytes of the target are the source's; they are added to the hash."""
    done = 0
    target.seek(0)
    while block := target.read(_BLOCK):
        if source.read(len(block)) != block:
            break
        ours.update(block)
        done += len(block)
        tell(len(block))
    return done


def _hash(path: Path, tell: Tell = lambda count: None) -> str:
    value = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            value.update(block)
            tell(len(block))
    return value.hexdigest()
