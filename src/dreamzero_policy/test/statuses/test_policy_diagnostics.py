"""What the policy says of itself, from its status."""

import pytest
from dreamzero_msgs.msg import PolicyStatus

from dreamzero_policy.messages.times import duration_message
from dreamzero_policy.ros.diagnostics import Level
from dreamzero_policy.statuses.policy_diagnostics import policy_diagnoses


def diagnoses(latency_s=None, notices=(), broken="", **status):
    found = policy_diagnoses(PolicyStatus(**status), latency_s or {}, notices, broken)
    return {one.name: one for one in found}


@pytest.mark.parametrize(
    ("state", "text", "level", "message"),
    [
        (PolicyStatus.IDLE, "ready", Level.OK, "idle: ready"),
        (PolicyStatus.RUNNING, "", Level.OK, "running"),
        (PolicyStatus.WARMING_UP, "loading", Level.WARN, "warming up: loading"),
        (PolicyStatus.WAITING, "no canvas has come", Level.WARN, "waiting: no canvas has come"),
        (PolicyStatus.FAILED, "KeyError", Level.ERROR, "failed: KeyError"),
    ],
)
def test_the_state_decides_the_level(state, text, level, message):
    found = diagnoses(state=state, message=text)["instruction"]
    assert (found.level, found.message) == (level, message)


def test_untrained_weights_are_a_warning():
    found = diagnoses(untrained=True, weights="random:tiny")["weights"]
    assert (found.level, found.message) == (Level.WARN, "untrained weights: random:tiny")
    found = diagnoses(weights="/models/droid")["weights"]
    assert (found.level, found.message) == (Level.OK, "/models/droid")


def test_what_runs_slower_than_asked_is_a_warning():
    found = diagnoses(weights="/models/droid", notices=("the network runs uncompiled",))["weights"]
    assert (found.level, found.message) == (Level.WARN, "the network runs uncompiled")


def test_counts_are_shown():
    found = diagnoses(
        chunks=7,
        resets=3,
        reset_reasons=["gap", "window_full"],
        reset_counts=[1, 2],
        observations_skipped=4,
    )["instruction"].values
    assert (found["chunks"], found["observations_skipped"]) == (7, 4)
    assert (found["resets gap"], found["resets window_full"]) == (1, 2)


def test_latency_in_all_and_by_stage():
    assert diagnoses()["latency"].message == "no call yet"
    found = diagnoses(
        {50: 0.4, 90: 0.5, 99: 0.9, 100: 1.0},
        latency=duration_message(450_000_000),
        delay=duration_message(600_000_000),
        canvas_age=duration_message(50_000_000),
        stages=["encode", "total"],
        stage_seconds=[0.1, 0.45],
        timed_stages=["encode"],
        stage_p50=[0.1],
        stage_p95=[0.2],
        stage_p99=[0.25],
    )["latency"]
    assert found.message == "0.40 s, 0.50 s at the 90th percentile"
    assert (found.values["p50_s"], found.values["p100_s"], found.values["last_s"]) == (
        0.4,
        1.0,
        0.45,
    )
    assert (found.values["delay_s"], found.values["canvas_age_s"]) == (0.6, 0.05)
    assert found.values["stage encode_s"] == pytest.approx(0.1)
    assert found.values["stage encode p50/p95/p99_s"] == "0.100 0.200 0.250"


def test_what_waits_for_the_model():
    assert diagnoses()["queue"].message == "no call"
    found = diagnoses(
        call_running=True,
        call_age=duration_message(250_000_000),
        observation_waiting=True,
        waiting_age=duration_message(120_000_000),
        calls_cancelled=2,
        last_cancel_reason="prompt_changed",
    )["queue"]
    assert found.message == "a call for 0.25 s, an observation waits for 0.12 s"
    assert (found.values["calls_cancelled"], found.values["last_cancel_reason"]) == (
        2,
        "prompt_changed",
    )


def test_processes_that_share_the_model():
    assert "ranks" not in diagnoses(ranks=1)
    assert diagnoses(ranks=4)["ranks"].message == "4 processes"
    found = diagnoses(ranks=2, broken="rank 1 was killed by SIGKILL")["ranks"]
    assert (found.level, found.message) == (Level.ERROR, "rank 1 was killed by SIGKILL")
