"""Attempts through the real graph, over DDS: the scene is set up, motion enabled, a row comes."""

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from dreamzero_bringup.evaluation.plan import Wanted
from dreamzero_bringup.evaluation.run import evaluate
from dreamzero_bringup.evaluation.specs import parse
from dreamzero_bringup.evaluation.through_nodes import rollouts

WANTED = Wanted(
    "droid", ("pick_place",), ("unseen",), 2, through="nodes", time_limit_s=3.0
)  # fmt: skip


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hold_through_nodes(tmp_path):
    told = []
    found, page = evaluate(
        WANTED, [parse("hold")], tmp_path / "out", films=1, tell=lambda *said: told.append(said)
    )
    assert told[-1] == ("rollouts", 2, 2)
    (cell,) = found
    assert (cell.success.successes, cell.success.of) == (0, 2)
    assert cell.progress.value < 0.1
    films = list((tmp_path / "out" / "films").iterdir())
    assert len(films) == 1
    assert films[0].stat().st_size > 1000
    assert "through the real nodes" in page.read_text()
    assert (tmp_path / "out" / "logs" / "hold" / "controller.log").is_file()


def test_what_nodes_cannot_run(tmp_path):
    for text in ("ws://box:8000", "old=replay:demos"):
        with pytest.raises(ValueError, match=r"expected, got .*: it is scored --through virtual"):
            next(rollouts(WANTED, parse(text), [], tmp_path, set()))
