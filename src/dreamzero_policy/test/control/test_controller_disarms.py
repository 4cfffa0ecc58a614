"""Who else can end or stop motion: driver, policy, a late tick, and the operator letting go."""

import numpy as np
import pytest

from dreamzero_policy.chunks.chunk_buffer import Accepted
from dreamzero_policy.control.report import Authority, DriverMode, Mode

SECOND = 1_000_000_000


def silent(bench, within: int = 30):
    """Ticks until nothing is sent any more."""
    for _ in range(within):
        tick = bench.tick()
        if tick.command is None:
            return tick
    pytest.fail("the commands never ended")


# The driver


def test_commands_name_the_driver_that_was_there_at_enable(bench):
    assert bench.controller.driver_session == 0
    bench.driver = 5
    bench.tick(2)
    assert bench.controller.driver_session == 0
    bench.run()
    assert bench.controller.driver_session == 5
    bench.driver = 6
    tick = bench.tick()
    assert (bench.controller.enabled, tick.hold_reason) == (False, "driver_restarted")
    assert bench.controller.driver_session == 5  # to the end of this run of commands
    assert silent(bench).hold_reason == "driver_restarted"
    assert bench.controller.enable(bench.now)[0]
    assert bench.controller.driver_session == 6
    assert bench.tick().hold_reason == ""


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(DriverMode.FAULT, "driver_fault"), (DriverMode.RELEASED, "driver_released")],
)
def test_a_driver_that_cannot_follow_ends_motion(bench, require_within, mode, reason):
    bench.driver = 5
    bench.run(ticks=25)
    bench.controller.on_driver(5, mode, "cartesian reflex", bench.now)
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason, tick.message) == (
        Mode.HOLDING,
        reason,
        "cartesian reflex",
    )
    assert silent(bench).hold_reason == reason
    bench.controller.on_driver(5, mode, "cartesian reflex", bench.now)
    assert bench.controller.enable(bench.now) == (False, "cartesian reflex")
    bench.tick()
    assert bench.controller.enable(bench.now)[0]
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_silent_driver_stops_motion_until_it_speaks_again(bench, require_within):
    bench.driver = 5
    bench.run(ticks=10)
    bench.driver = None
    bench.tick(15)
    assert bench.tick().hold_reason == "stale_driver"
    bench.tick(20)
    ok, why = bench.controller.enable(bench.now)
    assert (ok, why) == (True, "motion was enabled already")
    report = bench.controller.report(bench.now)
    assert report.driver_age_s > 1.0
    bench.driver = 5
    bench.chunk(bench.pose)
    assert bench.tick().mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_driver_that_refuses_its_commands_ends_motion(bench, require_within):
    bench.run(ticks=10)
    bench.controller.on_driver(0, DriverMode.HOLDING, "2 publishers on /joint_commands", bench.now)
    reasons = []
    for _ in range(30):
        bench.controller.on_driver(0, DriverMode.HOLDING, "2 publishers", bench.now)
        reasons.append(bench.tick().hold_reason)
    held = reasons.index("driver_holds") / bench.controller.settings.rate_hz
    assert held == pytest.approx(bench.controller.settings.driver_max_age_s, abs=0.07)
    assert not bench.controller.enabled
    assert silent(bench).message.endswith("2 publishers")
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_without_any_driver_status_motion_is_allowed(bench):
    bench.run(ticks=40)
    assert bench.controller.report(bench.now).driver_age_s == 0.0


def test_enable_needs_a_fresh_driver(bench):
    bench.driver = 5
    bench.tick(2)
    bench.driver = None
    bench.tick(20)
    ok, why = bench.controller.enable(bench.now)
    assert not ok
    assert "driver's status" in why


# The policy


def test_a_restarted_policy_is_not_followed_until_the_next_enable(bench, require_within):
    bench.run(ticks=15)
    assert isinstance(bench.chunk(bench.pose, session=bench.now, policy=8), Accepted)
    tick = bench.tick()
    assert (bench.controller.enabled, tick.hold_reason) == (False, "policy_restarted")
    assert silent(bench).hold_reason == "policy_restarted"
    assert bench.controller.enable(bench.now)[0]
    assert bench.tick(2).mode == Mode.ACTIVE
    bench.chunk(bench.pose, session=bench.now, policy=8)
    assert bench.tick(2).mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_chunk_that_cannot_be_read_stops_motion_until_one_can(bench, require_within):
    bench.run(ticks=15)
    refused = bench.controller.on_malformed_chunk("expected 24 rows x 8 joints, got 189 values")
    assert refused.reason == "malformed"
    assert bench.tick().hold_reason == "malformed"
    report = bench.controller.report(bench.now)
    assert (report.chunks_refused, report.enabled) == (1, True)
    assert report.last_refusal.startswith("malformed: expected 24")
    bench.tick(5)
    bench.chunk(bench.pose)
    assert bench.tick().mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_the_policy_is_bound_by_its_first_chunk_after_enable(bench):
    bench.chunk(policy=1)
    bench.tick(50)  # that chunk is over
    assert bench.controller.enable(bench.now)[0]
    bench.tick(3)
    bench.chunk(session=bench.now, policy=2)
    assert bench.tick().mode == Mode.ACTIVE
    bench.chunk(session=bench.now, policy=3)
    assert bench.tick().hold_reason == "policy_restarted"


def test_a_refused_chunk_of_another_policy_does_not_end_motion(bench):
    bench.run(ticks=5)
    assert bench.chunk(session=3, policy=8).reason == "old_session"
    assert bench.tick().mode == Mode.ACTIVE


def test_without_an_instruction_the_motion_ends_and_the_next_session_resumes_it(
    bench, require_within
):
    bench.run(ticks=20)
    session = bench.controller.report(bench.now).session
    bench.controller.on_policy_idle(session)
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "no_instruction")
    assert bench.controller.enabled
    assert bench.chunk(bench.pose).reason == "old_session"  # it was on its way
    assert bench.tick(20).hold_reason == "no_instruction"
    assert isinstance(bench.chunk(bench.pose, session=bench.now), Accepted)
    assert bench.tick().mode == Mode.ACTIVE
    bench.controller.on_policy_idle(session)  # late word of the session that ended before
    assert bench.tick().mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_session_that_ended_before_its_first_chunk_arrived_is_not_followed(bench):
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    session = bench.now
    bench.controller.on_policy_idle(session)
    assert bench.tick().hold_reason == "no_instruction"
    assert bench.chunk(session=session).reason == "old_session"
    assert bench.tick().hold_reason == "no_instruction"


# Disarm, release, late ticks


def test_a_reason_to_disarm_is_shown_until_the_next_enable(bench):
    bench.run(ticks=20)
    bench.controller.disarm("second_publisher", "two of them")
    bench.controller.disarm("driver_fault", "reflex")
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "second_publisher")
    assert silent(bench).message == "two of them"
    bench.controller.disable()
    assert bench.tick(10).hold_reason == "second_publisher"
    assert bench.controller.enable(bench.now)[0]
    bench.controller.disable()
    assert bench.tick(2).hold_reason == "not_enabled"


def test_a_robot_is_released_only_at_rest_and_has_to_be_taken_back(bench, require_within):
    bench.run(ticks=25)
    assert not bench.controller.releasable
    assert bench.controller.release()[0]
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "released")
    assert tick.command is not None
    assert not bench.controller.releasable
    tick = silent(bench)
    assert (tick.mode, tick.hold_reason) == (Mode.RELEASED, "released")
    assert bench.controller.releasable
    bench.pose = bench.pose + 0.1  # it sags
    assert bench.tick(20).command is None
    ok, why = bench.controller.enable(bench.now)
    assert not ok
    assert "take it back" in why
    assert bench.controller.take_back()[0]
    assert not bench.controller.releasable
    assert bench.tick().mode == Mode.INACTIVE
    bench.chunk(bench.pose)
    first = len(bench.sent)
    assert bench.controller.enable(bench.now)[0]
    bench.tick(20)
    for run in (bench.sent[:first], bench.sent[first:]):
        require_within(run, bench.controller.limits, bench.controller.settings.period_s)
    np.testing.assert_allclose(bench.sent[first][0], bench.pose[0], atol=1e-9)


def test_an_emergency_stop_stays_latched_while_released(bench):
    bench.run(ticks=10)
    bench.controller.release()
    silent(bench)
    bench.controller.estop("button")
    tick, report = bench.tick(), bench.controller.report(bench.now)
    assert (tick.mode, tick.hold_reason) == (Mode.RELEASED, "estopped")
    assert (report.estopped, report.released) == (True, True)
    bench.controller.take_back()
    assert bench.tick().mode == Mode.ESTOPPED
    assert "reset_estop" in bench.controller.enable(bench.now)[1]


def test_a_tick_that_comes_too_late_brakes_and_rejoins_by_the_ramp(bench, require_within):
    bench.run(ticks=25)
    speed = bench.speed()
    bench.now += int(0.15 * SECOND)
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "overrun")
    assert tick.authority == Authority.NOBODY
    assert bench.speed() < speed
    assert bench.controller.report(bench.now).overruns == 1
    assert bench.tick().mode == Mode.ACTIVE
    bench.tick(5)
    assert bench.controller.report(bench.now).overruns == 1
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_the_report_says_how_old_and_how_slow_everything_is(bench):
    bench.driver = 5
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    for _ in range(4):
        bench.now += SECOND // 100
        observed = bench.now - 2 * SECOND
        outcome = bench.chunk(observation_ns=observed, start_ns=observed)
        assert isinstance(outcome, Accepted)
        bench.tick(60)
    bench.now += SECOND // 20
    report = bench.controller.report(bench.now)
    assert report.delay_s == pytest.approx(2.0, abs=0.05)
    assert 0.3 < report.playback < 0.5
    assert report.state_age_s == pytest.approx(0.05)
    assert report.driver_age_s == pytest.approx(0.05)
    assert report.rows_left > 0.0
