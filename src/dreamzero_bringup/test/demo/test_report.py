"""Figures and verdict of a run."""

import dataclasses
import json

import numpy as np
import pytest

from dreamzero_bringup.demo.recording import Recording, State, TaskReport
from dreamzero_bringup.demo.report import checks, motion, spread, summarise
from dreamzero_policy.embodiments.droid import DROID

HERE = {"period": 1 / 30}


def failed(recording: Recording, death: str | None = None) -> list[str]:
    return [check.name for check in checks(recording, death) if not check.holds]


def test_spread_names_its_percentiles():
    figures = spread(range(1, 101), scale=10)
    assert figures["count"] == 100
    assert (figures["p50"], figures["p90"], figures["max"]) == (505.0, 901.0, 1000.0)
    assert spread([]) == {"count": 0}


def test_a_closed_loop_passes_every_check(recording):
    assert failed(recording) == []


def test_how_the_task_went_is_a_figure(recording):
    recording.task = TaskReport("reach", "reach for the red block", 0.4, False, 2.0)
    figures = summarise(recording, HERE["period"])
    assert figures["task"]["instruction"] == "reach for the red block"
    assert (figures["task"]["progress"], figures["task"]["success"]) == (0.4, False)


def test_figures_of_a_closed_loop(recording):
    figures = summarise(recording, HERE["period"])
    assert figures["seconds"] == 6.0
    assert figures["seconds_to_first_command"] == 4.0
    assert figures["rates_hz"]["commands"] == pytest.approx(30, rel=1e-3)
    assert figures["rates_hz"]["canvases"] == pytest.approx(5, rel=1e-3)
    assert figures["task"] is None
    controller = figures["controller"]
    assert controller["period_ms_at_receiver"]["p50"] == pytest.approx(33.33, abs=0.01)
    assert controller["period_deviation_ms_at_receiver"]["max"] < 1e-3
    assert controller["rows_skipped"] == 5
    policy = figures["policy"]
    assert policy["latency_ms"]["count"] == 12  # reports that repeat count once
    assert policy["latency_ms_by_stage"]["denoise"]["p99"] == 250.0
    assert policy["latency_ms_by_stage_own"]["denoise"] == {
        "p50": 200.0,
        "p95": 250.0,
        "p99": 300.0,
    }
    assert (policy["observations_dropped"], policy["calls_cancelled"]) == (0, 2)
    assert policy["reset_reasons"] == {"first_call": 1}
    assert figures["chunk_delay_ms"]["p50"] == 400.0
    assert figures["untrained"] is True
    json.dumps(figures, allow_nan=False)


def test_motion_finds_the_lag_of_the_robot(recording):
    moved = motion(recording)
    assert moved["panda_joint1"]["lag_s"] == pytest.approx(0.05)
    assert moved["panda_joint1"]["error_rms"] < 1e-3
    assert moved["panda_joint2"]["commanded_range"] == 0


def test_an_empty_recording_fails_with_words_and_finite_figures():
    empty = Recording(DROID, started_ns=1)
    assert len(failed(empty)) == 4
    json.dumps(summarise(empty, HERE["period"]), allow_nan=False)


def test_a_dead_node_fails(recording):
    assert failed(recording, "policy ended with exit code 3") == ["no node died"]


def test_no_chunks_fail(recording):
    recording.chunks.clear()
    assert "chunks flowed" in failed(recording)


def test_a_robot_that_stands_still_fails(recording):
    recording.states[:] = [State(s.stamp_ns, np.array(DROID.home)) for s in recording.states]
    assert failed(recording) == ["commands moved the joints"]


def test_a_robot_that_moves_elsewhere_fails(recording):
    recording.states[:] = [State(s.stamp_ns, -s.positions) for s in recording.states]
    assert failed(recording) == ["commands moved the joints"]


def test_commands_that_stand_still_fail(recording):
    recording.commands[:] = [
        dataclasses.replace(c, positions=np.array(DROID.home)) for c in recording.commands
    ]
    assert "commands moved the joints" in failed(recording)


@pytest.mark.parametrize(("without", "holds"), [(9, True), (10, False)])
def test_more_than_a_twentieth_of_the_ticks_without_a_chunk_fails(recording, without, holds):
    last = dataclasses.replace(recording.controller[-1], ticks=180, ticks_without_chunk=without)
    recording.controller[-1] = last
    assert failed(recording) == ([] if holds else ["chunks kept coming"])


def test_ticks_without_a_chunk_are_explained(recording):
    last = recording.controller[-1]
    recording.controller[-1] = dataclasses.replace(
        last, ticks_without_chunk=40, hold_reason="stale_chunk", message="2.1 s old"
    )
    (check,) = [check for check in checks(recording, None) if not check.holds]
    assert check.name == "chunks kept coming"
    assert "40 of" in check.detail
    assert "stale_chunk (2.1 s old)" in check.detail


def test_what_comes_after_the_end_does_not_count(recording):
    late = dataclasses.replace(
        recording.controller[-1], received_ns=recording.ended_ns + 1, ticks_without_chunk=99
    )
    recording.controller.append(late)
    assert failed(recording) == []
