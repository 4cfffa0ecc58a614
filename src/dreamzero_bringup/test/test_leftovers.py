"""What killed processes left in shared memory is removed, and nothing that anybody uses."""

import fcntl
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamzero_bringup.leftovers import SHARED, sweep

SEGMENT = "fastrtps_0123456789abcdef"
PORT = ("fastrtps_port7411", "fastrtps_port7411_el", "sem.fastrtps_port7411_mutex")


def leave(folder, *names, age_s=60.0):
    for name in names:
        path = folder / name
        path.write_bytes(bytes(1000))
        os.utime(path, (time.time() - age_s,) * 2)


def there(folder):
    return {path.name for path in folder.iterdir()}


def test_segments_and_ports_that_nobody_has_are_removed_with_all_that_is_theirs(tmp_path):
    leave(tmp_path, SEGMENT, f"{SEGMENT}_el", *PORT)
    swept = sweep(tmp_path)
    assert (swept.files, swept.size) == (5, 5000)
    assert "5 files (0.0 MB)" in swept.text
    assert there(tmp_path) == set()
    assert sweep(tmp_path).files == 0


@pytest.mark.parametrize(
    "name",
    ["lttng-ust-wait-6", "fastrtps_port", "fastrtps_0123", "sem.other_mutex", f"a_{SEGMENT}"],
)
def test_what_is_not_fast_dds_s_stays(tmp_path, name):
    leave(tmp_path, name)
    assert sweep(tmp_path).files == 0
    assert there(tmp_path) == {name}


def test_what_a_process_has_open_or_mapped_stays_whole(tmp_path):
    leave(tmp_path, *PORT)
    with (tmp_path / PORT[0]).open("r+b") as file:
        assert sweep(tmp_path).files == 0
        mapped = mmap.mmap(file.fileno(), 0)
    assert sweep(tmp_path).files == 0, "mapped, and no longer open"
    mapped.close()
    assert sweep(tmp_path).files == 3


def test_what_is_locked_stays_whole(tmp_path):
    """Who holds the lock may be in another container, where its open files are not seen."""
    leave(tmp_path, *PORT)
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / PORT[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert sweep(tmp_path).files == 0
        holder.kill()
    assert sweep(tmp_path).files == 3


def test_a_held_lock_alone_is_enough(tmp_path, monkeypatch):
    leave(tmp_path, *PORT)
    monkeypatch.setattr("dreamzero_bringup.leftovers._used", lambda folder: iter(()))
    with (tmp_path / PORT[1]).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(tmp_path).files == 0
    assert sweep(tmp_path).files == 3


def test_what_is_new_stays(tmp_path):
    leave(tmp_path, *PORT[:2])
    leave(tmp_path, PORT[2], age_s=1.0)
    assert sweep(tmp_path).files == 0


def test_no_folder_is_nothing_left(tmp_path):
    assert sweep(tmp_path / "none").files == 0


def test_a_killed_node_s_memory_is_found_and_a_living_one_s_is_not(monkeypatch):
    """Real participants: one is killed, the other goes on."""
    if not SHARED.is_dir():
        pytest.skip("no /dev/shm here")
    monkeypatch.setattr("dreamzero_bringup.leftovers._YOUNG_S", 0.0)
    code = (
        "import rclpy, time; rclpy.init(); n = rclpy.create_node('left');"
        "print('up', flush=True); time.sleep(60)"
    )
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ROS_DOMAIN_ID": domain},
        )
        for domain in ("97", "98")  # in one domain each would have the other's open
    ]
    try:
        for node in nodes:
            assert node.stdout.readline() == "up\n"
        theirs = [_mapped(node.pid) for node in nodes]
        assert all(theirs)
        nodes[0].kill()
        nodes[0].wait()
        sweep()
        alone = theirs[0] - theirs[1]
        assert alone
        assert not {name for name in alone if (SHARED / name).exists()}
        assert {name for name in theirs[1] if (SHARED / name).exists()} == theirs[1]
    finally:
        for node in nodes:
            node.kill()
            node.wait()
            node.stdout.close()
    sweep()


def _mapped(pid):
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.rpartition("/")[2] for line in lines if f"{SHARED}/fastrtps" in line}
