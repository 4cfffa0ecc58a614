"""The doctor's whole round, with a simulated driver, a broken one, and none."""

import os

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and the built workspace")
pytest.importorskip("mujoco", reason="needs the simulation")

import psutil

from dreamzero_bringup.doctor import examination
from dreamzero_bringup.doctor.examination import SECTIONS, Request, examine
from dreamzero_bringup.doctor.finding import Level, skipped
from dreamzero_bringup.domain import DomainClaim
from sim_driver.models import robots

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(180)]

LIVE = ("cameras", "joints", "driver", "nodes")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)


@pytest.fixture
def domain_id():
    """A domain that nobody has."""
    claim = DomainClaim()
    claim.release()
    return claim.domain_id


@pytest.fixture
def quick(monkeypatch):
    """Leaves out what takes long and is tested elsewhere."""
    monkeypatch.setitem(SECTIONS, "checkpoint", lambda _: [skipped("checkpoint", "not here")])


def complaints(report, *sections):
    return {
        finding.what: finding
        for section in sections
        for finding in report.sections[section]
        if finding.level in (Level.WARN, Level.FAIL)
    }


def silent(report):
    """Whether no running robot is judged, and that is no fault."""
    (finding,) = report.sections["robot"]
    return finding.level is Level.SKIP and not set(LIVE) & set(report.sections)


def test_the_simulated_robot_is_sound(quick, domain_id):
    report = examine(Request("droid", sim=True, seconds=2.0, domain_id=domain_id))
    found = complaints(report, *LIVE)
    late = {what for what in found if what.endswith((": rate", ": stamps"))}  # a busy machine's
    assert found.keys() == late
    seen = [f.what.partition(":")[0] for f in (*report.sections["cameras"],
                                               *report.sections["joints"])]  # fmt: skip
    assert set(seen) == {"exterior_1", "exterior_2", "wrist", "joint_states"}
    assert {f.what for f in report.sections["driver"]} >= {"driver", "joint_commands", "QoS"}
    assert report.domain_id == domain_id
    # the driver was stopped and its domain given back
    DomainClaim(domain_id).release()
    left = [child.name() for child in psutil.Process().children(recursive=True)]
    assert "driver_node" not in left


def test_a_driver_that_ends_is_a_failure_with_its_last_words(quick, monkeypatch, domain_id):
    overrides = ("sim_driver.command_timeout_s=99.0",)
    report = examine(
        Request("droid", sim=True, seconds=1.0, domain_id=domain_id, overrides=overrides)
    )
    assert report.failed
    assert "parameters: sim_driver" in complaints(report, "configuration")
    ended = complaints(report, "robot")["simulated driver"]
    assert "the simulated driver ended with exit code 2" in ended.found
    assert "command_timeout_s: expected" in ended.found


def test_nothing_running_is_skipped_not_failed(quick, domain_id):
    report = examine(Request("droid", domain_id=domain_id, seconds=0.1))
    (finding,) = report.sections["robot"]
    assert finding.level is Level.SKIP
    assert f"nothing is running on domain {domain_id}; start `dreamzero up" in finding.found
    assert not set(LIVE) & set(report.sections)


def test_a_middleware_that_does_not_load_is_one_failure(quick, monkeypatch, domain_id):
    broken = examination.dds_facts.look()
    facts = type(broken)(**{**vars(broken), "rmw": "", "rmw_error": "no such library"})
    monkeypatch.setattr(examination.dds_facts, "look", lambda: facts)
    report = examine(Request("droid", domain_id=domain_id))
    assert complaints(report, "DDS")["middleware"].level is Level.FAIL
    assert silent(report)


@pytest.mark.parametrize("text", ["seven", "233", "-1"])
def test_a_domain_that_is_none_is_one_failure(quick, monkeypatch, text):
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    report = examine(Request("droid"))
    assert complaints(report, "DDS")["ROS_DOMAIN_ID"].level is Level.FAIL
    assert silent(report)


def test_a_middleware_that_breaks_later_is_told(quick, monkeypatch, domain_id):
    def broken(*_):
        raise RuntimeError("failed to create domain,\n error Error")

    monkeypatch.setattr(examination, "_listen", broken)
    report = examine(Request("droid", domain_id=domain_id))
    (finding,) = report.sections["robot"]
    assert finding.level is Level.FAIL
    assert "failed to create domain, error Error" in finding.found


def test_a_robot_that_cannot_be_simulated(quick, monkeypatch, domain_id):
    def unusable(robot):
        raise ValueError(f"no scene of {robot}")

    monkeypatch.setattr(robots, "get", unusable)
    report = examine(Request("yam", sim=True, domain_id=domain_id))
    complaint = complaints(report, "configuration")["node graph"]
    assert (complaint.level, complaint.found) == (Level.FAIL, "no scene of yam")
    assert silent(report)


@pytest.mark.parametrize(
    "request_",
    [
        Request("no_such_robot"),
        Request("droid", seconds=0.0),
        Request("droid", seconds=float("nan")),
        Request("droid", domain_id=999),
        Request("droid", sim=True, domain_id=-1),
    ],
)
def test_wrong_use(request_, quick):
    with pytest.raises(ValueError, match=r"expected|unknown robot"):
        examine(request_)


def test_a_domain_of_another_run_is_not_entered(quick, domain_id):
    claim = DomainClaim(domain_id)
    try:
        with pytest.raises(ValueError, match="belongs to another dreamzero run"):
            examine(Request("droid", sim=True, domain_id=domain_id))
    finally:
        claim.release()
    assert os.environ.get("ROS_DOMAIN_ID") is None
