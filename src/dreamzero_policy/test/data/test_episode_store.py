"""Names, the lock and the trash of a folder of episodes."""

import subprocess
import sys

import pytest

from dreamzero_policy.data.bag_writer import BagWriter
from dreamzero_policy.data.episode_facts import Ending, EpisodeFacts
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.data.errors import BagError, NotABagError

NOW_NS = 1_700_000_000_000_000_000


def record(store, complete=True):
    folder = store.new_folder("droid", NOW_NS)
    writer = BagWriter(folder, EpisodeFacts(folder.name, "droid", NOW_NS))
    if complete:
        writer.finish(Ending(NOW_NS))
        return folder
    return folder, writer


def test_no_name_is_ever_given_twice(tmp_path):
    store = EpisodeStore(tmp_path / "new" / "episodes")
    names = [record(store).name for _ in range(3)]
    assert names == [f"droid_20231114_221320{end}" for end in ("", "_2", "_3")]
    discarded = store.discard(names[1])
    assert discarded.parent.name == "trash"
    assert record(store).name == "droid_20231114_221320_4"
    for path in sorted(discarded.rglob("*"), reverse=True):
        path.unlink()
    discarded.rmdir()  # an emptied trash, and a clock that was set back
    assert record(EpisodeStore(store.root)).name == "droid_20231114_221320_5"


def test_entries_say_what_state_each_is_in(tmp_path):
    store = EpisodeStore(tmp_path)
    complete = record(store)
    live, writer = record(store, complete=False)
    cut, other = record(store, complete=False)
    other.abandon()
    gone = record(store)
    store.discard(gone.name)
    (tmp_path / "not an episode").mkdir()
    assert {entry.name: entry.state for entry in store.entries()} == {
        complete.name: "complete",
        live.name: "recording",
        cut.name: "interrupted",
    }
    with pytest.raises(BagError, match="expected an episode that has ended"):
        store.discard(live.name)
    with pytest.raises(NotABagError, match="which is none"):
        store.discard("../x")
    writer.abandon()
    store.discard(cut.name)


def test_a_second_recorder_is_refused_until_the_first_ends(tmp_path):
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from dreamzero_policy.data.episode_store import EpisodeStore;"
            "store = EpisodeStore(sys.argv[1]); store.acquire();"
            "print('held', flush=True); input()",
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert held.stdout.readline() == "held\n"
        store = EpisodeStore(tmp_path)
        with pytest.raises(BagError, match=f"no other recorder .*, got process {held.pid}"):
            store.acquire()
    finally:
        held.kill()
        held.wait()
    store.acquire()
    store.release()
    store.release()


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BagError, match="expected a folder for episodes, got: "):
        EpisodeStore(tmp_path / "file")
    store = EpisodeStore("/proc/self/task")
    with pytest.raises(BagError, match="can be written to, got: "):
        store.acquire()
