"""One function over many items, here, in processes and on Ray: the same results."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.workers import RAY, WorkerLostError, Workers


def square(number):
    return number * number


def die(number):
    os._exit(9)


@pytest.mark.parametrize("count", [1, 2])
def test_every_item_has_its_result(count):
    with Workers(count) as workers:
        assert dict(workers.run(square, list(range(7)))) == {n: n * n for n in range(7)}
        assert dict(workers.run(square, [3, 4])) == {3: 9, 4: 16}


def test_a_process_that_is_killed_is_named():
    with Workers(2) as workers, pytest.raises(WorkerLostError, match="fewer --workers"):
        list(workers.run(die, [1, 2]))


_LEADER = """
import multiprocessing, time
from dreamzero_policy.conversion.workers import Workers
with Workers(2) as workers:
    for _ in workers.run(time.sleep, {naps}):
        children = [child.pid for child in multiprocessing.active_children()]
        print(*children, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("naps", [[0.0, 0.0], [0.0, 600.0, 600.0]], ids=["idle", "busy"])
def test_workers_do_not_outlive_a_parent_that_is_killed(naps):
    code = _LEADER.format(naps=naps)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as leader:
        workers = [psutil.Process(int(pid)) for pid in leader.stdout.readline().split()]
        leader.kill()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive


def test_without_ray_the_command_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'ray\[data\]=="):
        list(Workers(ray_address="local").run(square, [1]))


def test_the_ray_that_is_named_is_the_pinned_one():
    pinned = Path(__file__).resolve().parents[4] / "requirements" / "ray.txt"
    if not pinned.is_file():
        pytest.skip("not in the source tree")
    assert RAY in pinned.read_text()


@pytest.fixture
def cluster():
    """Ray on this machine, where it is installed."""
    ray = pytest.importorskip("ray", reason="ray is not installed (optional)")
    yield "local"
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ray_gives_the_same(cluster, record, settings, tmp_path):
    found = dict(Workers(ray_address=cluster).run(square, list(range(5))))
    assert found == {n: n * n for n in range(5)}
    for name in ("a", "b"):
        record(name, folder=tmp_path / "bags")
    convert([tmp_path / "bags"], tmp_path / "here", settings)
    convert([tmp_path / "bags"], tmp_path / "there", settings, ray_address=cluster)
    for path in (tmp_path / "here").rglob("*"):
        if path.is_file():
            twin = tmp_path / "there" / path.relative_to(tmp_path / "here")
            assert path.read_bytes() == twin.read_bytes(), path
