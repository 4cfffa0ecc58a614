"""Where a conversion works: folders that are its own, for one process at a time, never others'.

OUT/          the dataset; it is there only when it is complete
OUT.parts/    what every recording became, and whatever is in the making
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.datasets.errors import ForeignFolderError
from dreamzero_policy.datasets.files import read_json, write_json

MARK = "meta/conversion.json"
MADE_BY = "dreamzero convert"
_JOB, _LOCK = "job.json", "lock"


def refuse_foreign(out: Path, settings: ConversionSettings) -> None:
    """Refuses a folder that this conversion did not make."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ForeignFolderError(f"{out}: expected a folder or nothing, got a file")
    mark = mark_of(out)
    if mark is None:
        if any(out.iterdir()):
            raise ForeignFolderError(
                f"{out}: expected an empty folder or one that `dreamzero convert` made, got "
                f"{', '.join(sorted(p.name for p in out.iterdir())[:5])}: choose another folder"
            )
        return
    _refuse_other_settings(out, mark.get("settings", {}), settings)


def _refuse_other_settings(where: Path, before: dict, settings: ConversionSettings) -> None:
    now, usual = (
        json.loads(json.dumps(asdict(each)))
        for each in (settings, ConversionSettings(settings.robot))
    )
    before = usual | before  # a setting that did not exist was what it usually is
    other = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    if other:
        differences = ", ".join(
            f"{name} {before.get(name)!r} there and {now.get(name)!r} here"
            for name in sorted(other)
        )
        raise ForeignFolderError(
            f"{where}: it was made with other settings ({differences}): choose another folder"
        )


def mark_of(out: Path) -> dict | None:
    """What a dataset of this command says of itself; None where there is none."""
    try:
        mark = read_json(out / MARK)
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) and mark.get("made_by") == MADE_BY else None


@contextmanager
def workshop(out: Path, settings: ConversionSettings) -> Iterator[Path]:
    """The folder beside ``out`` in which everything is made, for one process at a time."""
    shop = out.with_name(f"{out.name}.parts")
    try:
        if shop.exists() and any(shop.iterdir()) and not (shop / _JOB).is_file():
            raise ForeignFolderError(f"{shop}: expected a folder of this command, got another one")
        shop.mkdir(parents=True, exist_ok=True)
        lock = open(shop / _LOCK, "a")  # noqa: SIM115  # held until the end
    except OSError as error:
        raise ValueError(
            f"{shop}: expected a folder that can be written to, got: {error.strerror}"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{out}: another conversion into it is running") from error
        job = {"settings": asdict(settings)}
        if (shop / _JOB).is_file():
            before = read_json(shop / _JOB).get("settings", {})
            _refuse_other_settings(shop, before, settings)
        else:
            write_json(shop / _JOB, job)
        yield shop


def place(made: Path, target: Path) -> None:
    """Has a file at another path too, without its space where the disk can."""
    try:
        os.link(made, target)
    except OSError:
        shutil.copyfile(made, target)


def swap(making: Path, out: Path, previous: Path) -> None:
    """Puts the new dataset where the one before was; cut off in between, it is made again."""
    shutil.rmtree(previous, ignore_errors=True)
    if out.exists():
        os.rename(out, previous)
    os.rename(making, out)
    shutil.rmtree(previous, ignore_errors=True)
