"""Goals beside figures."""

from dreamzero_bringup.demo.goals import goals
from dreamzero_bringup.demo.report import summarise


def summary(recording):
    return {**summarise(recording, 1 / 30), "all_processes": {"resident_mib": 900}}


def test_a_good_run_reaches_every_goal(recording):
    assert [goal.name for goal in goals(summary(recording)) if not goal.reached] == []


def test_a_figure_beyond_its_goal_and_one_that_is_missing_are_not_reached(recording):
    figures = summary(recording)
    figures["policy"]["latency_ms"]["max"] = 900.0
    figures["policy"]["canvas_age_ms"] = {"count": 0}
    missed = {goal.name: goal.measured for goal in goals(figures) if not goal.reached}
    assert missed == {
        "chunk latency, largest [ms]": 900.0,
        "age of the canvas that the policy took, largest [ms]": None,
    }
