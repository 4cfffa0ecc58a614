"""Drivers, commands and quality of service are spoilt one fact at a time."""

import pytest

from dreamzero_bringup.doctor.connection_checks import absent, commands, driver, quality
from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.facts.live_facts import Driver, Live, Mismatch, Stream


@pytest.fixture
def said(stream):
    def make(spoilt=None, **changes):
        values = {"sessions": (11,), "mode": "HOLDING", "message": "no command yet", **changes}
        return Driver(stream("/driver_status", **{"rate_hz": 10.0, **(spoilt or {})}), **values)

    return make


def test_a_sound_driver(said):
    (row,) = driver(said(refused=2, last_refusal="old session"))
    assert row.level is Level.PASS
    assert row.found == "HOLDING (no command yet), session 11; refused 2: old session"


@pytest.mark.parametrize(
    ("changes", "what", "level", "found"),
    [
        ({"spoilt": {"publishers": ()}}, "driver_status", Level.WARN, "publishes none"),
        ({"sessions": ()}, "driver_status", Level.FAIL, "not one came"),
        ({"sessions": (11, 12)}, "driver session", Level.FAIL, "2 sessions while listening"),
        ({"mode": "FAULT", "message": "reflex"}, "driver", Level.FAIL, "FAULT: reflex"),
        ({"mode": "RELEASED", "message": ""}, "driver", Level.WARN, "by hand"),
        ({"spoilt": {"rate_hz": 1.0}}, "driver_status", Level.WARN, "1.0 Hz"),
    ],
)
def test_one_fault_is_one_complaint(said, complaints, changes, what, level, found):
    complaint = complaints(driver(said(**changes)))
    assert list(complaint) == [what]
    assert complaint[what].level == level
    assert found in complaint[what].found


def of(publishers=(), subscribers=("/sim_driver",)):
    stream = Stream("/joint_commands", publishers=publishers, subscribers=subscribers)
    return Live(45, 3.0, commands={"joint_commands": stream})


def test_one_commands_and_one_obeys():
    (row,) = commands(of(("/controller",)))
    assert (row.level, row.found) == (Level.PASS, "/controller commands; /sim_driver listens")
    (row,) = commands(of())
    assert (row.level, row.found) == (Level.PASS, "nobody commands yet; /sim_driver listens")


def test_a_second_commander_is_named():
    (row,) = commands(of(("/controller", "/moveit")))
    assert row.level is Level.FAIL
    assert "/controller, /moveit" in row.found
    assert "stop all but one" in row.fix


def test_commands_that_nobody_takes():
    (row,) = commands(of(("/controller",), ()))
    assert row.level is Level.WARN
    assert "nobody takes /joint_commands" in row.found


@pytest.mark.parametrize(
    ("publisher", "subscriber", "fix"),
    [
        ("/arm", "controller (ours)", "let /arm publish /x as RELIABLE, TRANSIENT_LOCAL"),
        ("/arm", "/controller", "let /arm publish /x as RELIABLE, TRANSIENT_LOCAL"),
        ("/controller", "/arm", "let /arm subscribe to /x as BEST_EFFORT, VOLATILE"),
        ("controller (ours)", "/arm", "let /arm subscribe to /x as BEST_EFFORT, VOLATILE"),
    ],
)
def test_a_mismatch_is_for_the_foreign_side_to_put_right(publisher, subscriber, fix):
    mismatch = Mismatch(
        "/x", publisher, subscriber, "BEST_EFFORT, VOLATILE", "RELIABLE, TRANSIENT_LOCAL", "why"
    )
    (row,) = quality((mismatch,))
    assert row.level is Level.FAIL
    assert f"{publisher} offers BEST_EFFORT, VOLATILE" in row.found
    assert f"{subscriber} asks for RELIABLE, TRANSIENT_LOCAL: why" in row.found
    assert row.fix == fix


def test_no_mismatch_passes():
    (row,) = quality(())
    assert row.level is Level.PASS


def test_runs_elsewhere_are_pointed_at():
    assert absent(0, ()).level is Level.SKIP
    assert "dreamzero up" in absent(0, (0,)).found
    assert "domain 7: --domain-id" in absent(0, (0, 7)).found
