"""Words that people give to episodes.

They stand in ``custom_data`` of a bag's ``metadata.yaml``, which rosbag2 keeps and does not read.
That small file is replaced whole, on the disk before the old one goes; the recording itself is
never opened for writing.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dreamzero_policy.data.rosbag2_layout import annotate, read_metadata

TAGS = "dreamzero.tags"
"""Under that name, separated by spaces."""

_FORM = re.compile(r"[^\W_][\w.:-]{0,39}")


def tags_of(custom: Mapping[str, str]) -> tuple[str, ...]:
    """The tags of a bag's ``custom_data``, sorted."""
    return tuple(sorted(set(str(custom.get(TAGS, "")).split())))


def change_tags(folder: Path, add: Iterable[str] = (), remove: Iterable[str] = ()) -> list[str]:
    """Adds and removes tags of a complete bag; what is there already, or is not, stays so.

    Returns:
        The tags that it has now.

    Raises:
        ValueError: a tag that is no word.
        NotABagError, TruncatedBagError: no complete bag.
        OSError: the folder cannot be written to; the tags are as they were.
    """
    add = list(add)
    for tag in add:
        if not _FORM.fullmatch(tag):
            raise ValueError(
                f"tag: expected up to 40 letters, digits and any of . _ - :, got {tag!r}"
            )
    read_metadata(folder)  # says what is wrong with the bag
    with _alone(folder):
        custom = read_metadata(folder).get("custom_data") or {}
        tags = sorted((set(tags_of(custom)) | set(add)) - set(remove))
        if tuple(tags) != tags_of(custom):
            annotate(folder, {TAGS: " ".join(tags)})
    return tags


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other taggers of this folder waiting."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
