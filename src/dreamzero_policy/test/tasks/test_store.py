"""The file: what is counted survives a kill, processes take turns, and a bad file is named."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from dreamzero_policy.tasks import catalogue, counting
from dreamzero_policy.tasks.store import TaskStoreError, open_store

_COUNTS = """
import sys
from dreamzero_policy.tasks import catalogue, counting
from dreamzero_policy.tasks.records import Episode
from dreamzero_policy.tasks.store import open_store
path, name, many = sys.argv[1:]
with open_store(path) as store:
    tasks = tuple(task.id for task in catalogue.tasks(store)[:3])
    for number in range(int(many)):
        episode = Episode(f"{name}-{number}", "2026-03-02", tasks)
        counting.count_episode(store, episode, number)
        print(number, flush=True)
"""


def start(path, name, many):
    return subprocess.Popen(
        [sys.executable, "-c", _COUNTS, str(path), name, str(many)],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_what_was_counted_before_a_kill_is_there(store, kitchen, lines):
    process = start(store.path, "killed", 100_000)
    said = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    said += process.communicate()[0].splitlines()
    with open_store(store.path) as again:
        ids = {row[0] for row in again.rows("SELECT id FROM episode")}
        whole = again.rows("SELECT episode_id FROM episode_task GROUP BY 1 HAVING count(*) = 3")
        assert {f"killed-{n}" for n in range(len(said) - 1)} <= ids
        assert {row[0] for row in whole} == ids  # none without its tasks
        assert catalogue.tasks(again)[0].count == len(ids)


def test_two_processes_count_at_once(store, kitchen):
    processes = [start(store.path, name, 60) for name in ("a", "b")]
    for number in range(60):
        episode = counting.Episode(f"c-{number}", "2026-03-02", (kitchen[0].id,))
        counting.count_episode(store, episode, 0)
    assert [process.wait(60) for process in processes] == [0, 0]
    assert catalogue.by_id(store, kitchen[0].id).count == 180
    assert catalogue.by_id(store, kitchen[1].id).count == 120


def test_two_processes_make_the_file_at_once(tmp_path):
    program = (
        "import sys; from pathlib import Path; from dreamzero_policy.tasks.store import open_store;"
        "open_store(Path(sys.argv[1]), create=True, station='x').close()"
    )
    path = tmp_path / "deep" / "tasks.db"
    made = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(4)]
    assert [one.wait(60) for one in made] == [0] * 4
    with open_store(path) as store:
        assert store.setting("station") == "x"


def test_a_change_that_fails_leaves_nothing(store, kitchen):
    def change():
        with store.change():
            store.rows("DELETE FROM task")
            store.rows("DELETE FROM photo")

    with pytest.raises(TaskStoreError, match="no such table"):
        change()
    assert len(catalogue.tasks(store)) == 6


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(TaskStoreError, match=r"no task database at .*dreamzero tasks init"):
        open_store(tmp_path / "tasks.db")


def test_something_else_is_not_a_database(tmp_path):
    path = tmp_path / "tasks.db"
    path.write_bytes(b"PK\x03\x04" * 2000)
    for write in (True, False):
        with pytest.raises(TaskStoreError, match="is damaged"):
            open_store(path, write=write)
    assert path.read_bytes() == b"PK\x03\x04" * 2000


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photo (id)")
    before = path.read_bytes()
    with pytest.raises(TaskStoreError, match="not a task database"):
        open_store(path, create=True)
    assert path.read_bytes() == before


def test_a_newer_version_is_named(store):
    store.rows("PRAGMA user_version = 7")
    store.close()
    with pytest.raises(TaskStoreError, match=r"version 7, this program knows 1: update"):
        open_store(store.path)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_damage_inside_is_named(store, kitchen, at):
    for number in range(200):
        counting.count_episode(
            store, counting.Episode(f"e{number}", "2026-03-02", (kitchen[0].id,)), 0
        )
    store.close()
    raw = bytearray(store.path.read_bytes())
    spot = int(len(raw) * at) // 4096 * 4096
    raw[spot : spot + 4096] = os.urandom(4096)
    store.path.write_bytes(raw)
    with pytest.raises(TaskStoreError, match="is damaged"):
        open_store(store.path)
    assert store.path.read_bytes() == raw


def test_a_file_cut_short_is_named(store, kitchen):
    store.close()
    raw = store.path.read_bytes()
    store.path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(TaskStoreError, match="is damaged"):
        open_store(store.path)


@pytest.fixture
def read_only(store, kitchen):
    """The file in a folder that this process may not write in."""
    store.close()
    folder = Path(tempfile.mkdtemp())
    path = folder / "tasks.db"
    path.write_bytes(store.path.read_bytes())
    path.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:  # to whom a read-only folder is none
        os.seteuid(65534)
    yield path
    if os.getuid() == 0:
        os.seteuid(0)
    folder.chmod(0o755)
    path.unlink()
    folder.rmdir()


def test_a_read_only_folder_can_be_read_but_not_written(read_only):
    with open_store(read_only, write=False) as store:
        assert len(catalogue.tasks(store)) == 6
    with pytest.raises(TaskStoreError, match=r"cannot be written .*read-only"):
        open_store(read_only)
    with pytest.raises(TaskStoreError, match=r"cannot be written|cannot be made"):
        open_store(read_only.parent / "new" / "tasks.db", create=True)


def test_a_file_that_another_process_holds_is_named(store, kitchen, monkeypatch):
    monkeypatch.setattr("dreamzero_policy.tasks.store._PATIENCE_S", 0.1)
    with store.change(), open_store(store.path) as second:
        began = time.monotonic()
        with pytest.raises(TaskStoreError, match="held by another process"), second.change():
            pass
        assert time.monotonic() - began < 5
        assert len(catalogue.tasks(second)) == 6  # it can be read meanwhile


def test_a_copy_holds_what_is_still_in_the_log(store, kitchen, tmp_path):
    counting.count_episode(store, counting.Episode("e", "2026-03-02", (kitchen[0].id,)), 0)
    store.copy_to(tmp_path / "copy.db")
    with open_store(tmp_path / "copy.db", write=False) as copy:
        assert catalogue.by_id(copy, kitchen[0].id).count == 1
    with pytest.raises(TaskStoreError, match="is there already"):
        store.copy_to(tmp_path / "copy.db")
