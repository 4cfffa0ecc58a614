"""One function over many items, here, in processes and on Ray: the same results."""

import os
import sys

import pytest

from dreamzero_policy.conversion.workers import WorkerLostError, run


def square(number):
    return number * number


def die(number):
    os._exit(9)


@pytest.mark.parametrize("count", [1, 2])
def test_every_item_has_its_result(count):
    assert dict(run(square, list(range(7)), workers=count)) == {n: n * n for n in range(7)}


def test_a_process_that_is_killed_is_named():
    with pytest.raises(WorkerLostError, match="fewer --workers"):
        list(run(die, [1, 2], workers=2))


def test_without_ray_the_command_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'ray\[data\]=="):
        list(run(square, [1], ray_address="local"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ray_gives_the_same():
    ray = pytest.importorskip("ray", reason="ray is not installed (optional)")
    try:
        found = dict(run(square, list(range(5)), ray_address="local"))
    finally:
        ray.shutdown()
    assert found == {n: n * n for n in range(5)}
