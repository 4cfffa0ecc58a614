"""The SQLite file behind the task sheets: its tables, how it is opened, how it is changed.

Every change is one transaction that is on disk before it returns (write-ahead log, full sync), so a
process that is killed loses nothing that it was told is counted. Processes on one machine may use
the file at once; a network folder is not a place for it, as SQLite's log needs shared memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

VERSION = 1
"""Of the tables; a file of a larger one was written by a newer program."""

_APPLICATION = 0x445A5453
_PATIENCE_S = 15.0

DEFAULTS = {"station": "", "retire_after": "50", "tasks_per_episode": "3", "episode_seconds": "300"}
"""Settings of a new file; see ``catalogue.Rules``."""

_TABLES = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE area (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, prefix TEXT NOT NULL UNIQUE,
  station TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE task (
  id TEXT PRIMARY KEY, area_id TEXT NOT NULL REFERENCES area, number INTEGER NOT NULL,
  instruction TEXT NOT NULL, station TEXT NOT NULL, created_ns INTEGER NOT NULL,
  steps TEXT NOT NULL, seconds REAL NOT NULL, revised_ns INTEGER NOT NULL,
  status TEXT NOT NULL, person TEXT NOT NULL, decided_ns INTEGER NOT NULL,
  UNIQUE (area_id, number)) STRICT;
CREATE TABLE plan (
  id TEXT PRIMARY KEY, area_id TEXT NOT NULL REFERENCES area, day TEXT NOT NULL,
  station TEXT NOT NULL, number INTEGER NOT NULL, made_ns INTEGER NOT NULL) STRICT;
CREATE TABLE plan_task (
  plan_id TEXT NOT NULL REFERENCES plan, position INTEGER NOT NULL,
  task_id TEXT NOT NULL REFERENCES task, PRIMARY KEY (plan_id, position)) STRICT;
CREATE TABLE episode (
  id TEXT PRIMARY KEY, day TEXT NOT NULL, station TEXT NOT NULL, operator TEXT NOT NULL,
  seconds REAL NOT NULL, plan_id TEXT NOT NULL, recorded_ns INTEGER NOT NULL,
  discarded INTEGER NOT NULL, revised_ns INTEGER NOT NULL) STRICT;
CREATE TABLE episode_task (
  episode_id TEXT NOT NULL REFERENCES episode, position INTEGER NOT NULL,
  task_id TEXT NOT NULL REFERENCES task, PRIMARY KEY (episode_id, position),
  UNIQUE (episode_id, task_id)) STRICT;
CREATE INDEX episode_day ON episode (day);
CREATE INDEX episode_task_task ON episode_task (task_id);
CREATE INDEX plan_day ON plan (area_id, day);
"""


class TaskStoreError(ValueError):
    """The file cannot be used; the message names it, what is wrong, and what to do."""


class Store:
    """An open file; ``open_store`` makes one.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""
        self.close()

    def rows(self, sql: str, values: Sequence = ()) -> list[sqlite3.Row]:
        """Every row of a query, or of a statement inside ``change``.

        Raises:
            TaskStoreError: the file is damaged, locked, read-only or its disk full.
        """
        with _named(self.path):
            return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, **columns: object) -> None:
        """Adds one row inside ``change``."""
        marks = ", ".join("?" * len(columns))
        self.rows(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values())
        )

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction: all of it is on disk at the end, or none of it.

        It waits for another process that is changing the file.

        Raises:
            TaskStoreError: as ``rows``.
        """
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def setting(self, name: str) -> str:
        """The value of a setting, a new file's where none is set."""
        found = self.rows("SELECT value FROM setting WHERE name = ?", (name,))
        return found[0]["value"] if found else DEFAULTS[name]

    def copy_to(self, path: Path) -> None:
        """Writes a copy with everything in it, the log included, as one file that can be carried.

        Raises:
            TaskStoreError: there is a file already, or it cannot be written.
        """
        if path.exists():
            raise TaskStoreError(f"{path} is there already: a copy replaces no file")
        with _named(path), closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")


def open_store(path: Path, *, create: bool = False, write: bool = True, station: str = "") -> Store:
    """Opens a file of tasks.

    Args:
        path: of the file.
        create: makes it, and its folder, where it is not there.
        write: False leaves it as it is, and takes a file in a read-only folder too.
        station: name of this station, for a file that is made now.

    Raises:
        TaskStoreError: not there, not ours, damaged, newer than this program, not readable or not
            writable.
    """
    path = Path(path).expanduser()
    if not path.is_file() and not create:
        raise TaskStoreError(
            f"no task database at {path}: make one with `dreamzero tasks init`, or name another "
            "with --db"
        )
    with _named(path):
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
            connection = _connect(path, "rwc" if create else "rw") if write else _read_only(path)
        except OSError as error:
            raise TaskStoreError(f"{path}: the folder cannot be made: {error.strerror}") from error
        store = Store(path, connection)
        try:
            _check(store, create=create, station=station)
            if write:
                connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
    return store


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection; nothing is read yet."""
    name = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(name, uri=True, timeout=_PATIENCE_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    if mode.startswith("rw"):
        connection.execute("PRAGMA synchronous = FULL")
    return connection


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, also where SQLite may not put its log beside the file."""
    connection = _connect(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        log = path.with_name(path.name + "-wal")
        if log.is_file() and log.stat().st_size:
            raise  # the newest changes are in there
        connection = _connect(path, "ro&immutable=1")
    return connection


def _check(store: Store, *, create: bool, station: str) -> None:
    """Makes the tables of an empty file; refuses a file that is not ours, newer or damaged."""
    if create and not _tables(store):
        with store.change():
            if not _tables(store):  # another process may have been faster
                for statement in _TABLES.split(";"):
                    store.rows(statement)
                for name, value in (DEFAULTS | {"station": station}).items():
                    store.insert("setting", name=name, value=value)
                store.rows(f"PRAGMA application_id = {_APPLICATION}")
                store.rows(f"PRAGMA user_version = {VERSION}")
    if store.rows("PRAGMA application_id")[0][0] != _APPLICATION:
        raise TaskStoreError(f"{store.path} is a SQLite file, but not a task database")
    version = store.rows("PRAGMA user_version")[0][0]
    if version != VERSION:
        raise TaskStoreError(
            f"{store.path} has tables of version {version}, this program knows {VERSION}: update "
            "dreamzero on this machine; nothing was changed"
        )
    found = store.rows("PRAGMA quick_check")[0][0]
    if found != "ok":
        raise TaskStoreError(_damaged(store.path, found))


def _tables(store: Store) -> bool:
    return bool(store.rows("SELECT 1 FROM sqlite_master LIMIT 1"))


def _damaged(path: Path, found: object) -> str:
    return (
        f"{path} is damaged ({' '.join(str(found).split())}): put a copy in its place, or save "
        f"what is left with `sqlite3 {path} .recover`; nothing was changed"
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Says what SQLite's errors mean for the file at ``path``."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            text = f"{path} was held by another process for {_PATIENCE_S:g} s: try again"
        elif "readonly" in text or "unable to open" in text:
            text = f"{path} cannot be written ({text}): is the file or its folder read-only?"
        elif "full" in text:
            text = f"{path}: the disk is full; nothing was changed"
        elif "not a database" in text or "malformed" in text:
            text = _damaged(path, text)
        else:
            text = f"{path}: {text}"
        raise TaskStoreError(text) from error
