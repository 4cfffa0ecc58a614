"""A running graph is spoilt one fact at a time."""

from dataclasses import replace

import pytest

from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.doctor.node_checks import check
from dreamzero_bringup.facts.live_facts import OURS, ControllerSaid, Diagnosis, Live, PolicySaid

CONTROLLER = ControllerSaid("HOLDING", "no_chunk", "none yet", False, "", 0.0333, 0.002, 0)
POLICY = PolicySaid("RUNNING", "", "DreamZero-DROID: droid_14b", False, 0.3)


@pytest.fixture
def live(stream):
    names = (*(f"/{name}" for name in OURS), "/sim_driver")
    return Live(
        45,
        3.0,
        nodes=names,
        states=dict.fromkeys(names, "active"),
        canvas=stream("/canvas", rate_hz=5.0),
        proprioception=stream("/proprioception", rate_hz=30.0),
        controller=CONTROLLER,
        policy=POLICY,
        diagnoses=(Diagnosis("OK", "dreamzero/controller: loop", "in time"),),
    )


def test_a_sound_graph_passes(live, expected, complaints):
    findings = list(check(live, expected))
    assert not complaints(findings)
    assert len(findings) == 5 + 2 + 2 + 1 + 1


@pytest.mark.parametrize(
    ("changes", "what", "level", "found"),
    [
        ({"nodes": ("/sim_driver", "/controller")}, "nodes", Level.WARN, "not there: camera_tiler"),
        ({"states": {"/controller": ""}}, "node /controller", Level.FAIL, "does not answer"),
        ({"states": {"/policy": "inactive"}}, "node /policy", Level.WARN, "inactive"),
        ({"states": {"/policy": "unconfigured"}}, "node /policy", Level.WARN, "unconfigured"),
        ({"controller": None}, "controller", Level.FAIL, "reports nothing"),
        ({"controller": replace(CONTROLLER, mode="ESTOPPED", estopped=True)}, "controller",
         Level.WARN, "e-stopped"),
        ({"controller": replace(CONTROLLER, period_worst_s=0.03)}, "control period", Level.WARN,
         "30.0 ms"),
        ({"controller": replace(CONTROLLER, last_refusal="not finite")}, "chunks", Level.WARN,
         "not finite"),
        ({"policy": None}, "policy", Level.FAIL, "reports nothing"),
        ({"policy": replace(POLICY, state="FAILED", message="out of memory")}, "policy",
         Level.FAIL, "out of memory"),
        ({"policy": replace(POLICY, state="WAITING", message="no canvas")}, "policy", Level.WARN,
         "no canvas"),
        ({"policy": replace(POLICY, state="IDLE", message="ready, but canvases come every")},
         "policy", Level.WARN, "canvases come every"),
        ({"policy": replace(POLICY, state="WARMING_UP")}, "policy", Level.WARN, "WARMING_UP"),
        ({"diagnoses": (Diagnosis("ERROR", "arm: motor 3", "too hot"),)},
         "diagnostics: arm: motor 3", Level.FAIL, "too hot"),
        ({"diagnoses": (Diagnosis("STALE", "arm: motor 3", "silent"),)},
         "diagnostics: arm: motor 3", Level.WARN, "silent"),
    ],
)  # fmt: skip
def test_one_fault_is_one_complaint(live, expected, complaints, changes, what, level, found):
    complaint = complaints(check(replace(live, **changes), expected))
    assert list(complaint) == [what]
    assert complaint[what].level == level
    assert found in complaint[what].found


def test_a_node_twice(live, expected, complaints):
    complaint = complaints(check(replace(live, nodes=(*live.nodes, "/policy")), expected))
    assert complaint["node /policy"].level is Level.FAIL


@pytest.mark.parametrize(("count", "level"), [(0, Level.FAIL), (6, Level.WARN)])
def test_slow_streams(live, expected, complaints, stream, count, level):
    slow = replace(live, canvas=stream("/canvas", rate_hz=2.0, count=count))
    assert complaints(check(slow, expected))["canvas"].level == level


def test_a_driver_alone_is_no_fault(live, expected, complaints):
    alone = Live(45, 3.0, nodes=("/sim_driver",), states={"/sim_driver": "active"})
    findings = list(check(alone, expected))
    assert not complaints(findings)
    assert any("only the driver" in finding.found for finding in findings)
