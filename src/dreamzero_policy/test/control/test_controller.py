"""One tick at a time: every reason to hold, every way into and out of motion."""

import numpy as np
import pytest

from dreamzero_policy.chunks.chunk_buffer import Accepted
from dreamzero_policy.control.controller import Controller
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import Mode

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
PERIOD = 33_333_333
SLOPE = 0.25 * np.eye(8)[0]


def test_before_enable_everything_computes_and_nothing_is_sent(bench):
    assert bench.tick(measured=False).hold_reason == "not_enabled"
    assert isinstance(bench.chunk(bench.move()), Accepted)
    tick = bench.tick(5)
    assert tick.mode == Mode.INACTIVE
    assert tick.command is None
    assert tick.hold_reason == "not_enabled"
    np.testing.assert_allclose(tick.wanted, bench.move(), atol=1e-9)
    assert bench.sent == []


def test_the_first_command_is_the_measured_pose_at_rest(bench, require_within):
    bench.pose = bench.move(0.03)
    bench.chunk()
    bench.tick(3)
    bench.controller.enable(bench.now)
    bench.tick(40)
    np.testing.assert_array_equal(bench.sent[0], bench.move(0.03))
    assert np.abs(bench.sent[1] - bench.sent[0]).max() < 1e-3
    np.testing.assert_allclose(bench.sent[-1], bench.move(0.0), atol=1e-4)
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_enable_needs_a_fresh_pose(bench):
    ok, why = bench.controller.enable(NOW)
    assert not ok
    assert "no pose has been measured" in why
    bench.tick(2)
    ok, why = bench.controller.enable(bench.now + SECOND)
    assert not ok
    assert "1.000 s old" in why


def test_enable_is_refused_outside_the_range_and_far_from_the_chunk(bench):
    bench.pose[1] = bench.controller.limits.upper[1] + 0.2
    bench.tick(2)
    ok, why = bench.controller.enable(bench.now)
    assert not ok
    assert "panda_joint2" in why
    bench.pose = bench.move(0.0)
    bench.tick()
    assert isinstance(bench.chunk(), Accepted)
    bench.pose = bench.move(0.3)
    bench.tick(2)
    ok, why = bench.controller.enable(bench.now)
    assert not ok
    assert "0.300 from" in why


def test_a_joint_a_little_outside_is_brought_in_without_a_step(bench, require_within):
    upper = bench.controller.limits.upper[1]
    bench.pose = bench.move(0.0)
    bench.pose[1] = upper + 0.05
    target = bench.move(0.0)
    target[1] = upper + 0.04  # clamped to the end of the range
    bench.chunk(target)
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    bench.tick(45)
    assert bench.sent[0][1] == upper + 0.05
    assert bench.sent[-1][1] == pytest.approx(upper, abs=1e-4)
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_without_a_chunk_it_holds_the_measured_pose(bench):
    bench.pose = bench.move(0.07)
    bench.tick(2)
    bench.controller.enable(bench.now)
    tick = bench.tick(10)
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "no_chunk")
    np.testing.assert_array_equal(bench.sent, np.tile(bench.move(0.07), (10, 1)))


def hold_after(bench, reason: str, within: int = 2) -> None:
    """The robot moves; within ``within`` ticks it holds for ``reason``, and then comes to rest."""
    limits = bench.controller.limits
    longest = (limits.velocity / limits.acceleration + limits.acceleration / limits.jerk).max()
    ticks = int(np.ceil(longest / bench.controller.settings.period_s)) + 1
    for _ in range(within):
        tick = bench.tick()
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, reason)
    assert tick.message
    for _ in range(ticks):
        bench.tick()
    np.testing.assert_array_equal(bench.sent[-1], bench.sent[-2])


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("non_finite", lambda rows: rows * np.nan),
        ("non_finite", lambda rows: np.where(rows < 0, -np.inf, rows)),
        ("out_of_range", lambda rows: rows + 2.0),
        ("step_too_large", lambda rows: rows - np.outer(np.minimum(np.arange(24), 8), SLOPE)),
        ("first_row_too_far", lambda rows: rows * np.r_[0.5, np.ones(7)]),
        ("outlier", lambda rows: rows + 1.2 * (np.arange(24) == 12)[:, None]),
    ],
)
def test_a_chunk_from_an_unwell_policy_stops_motion_and_a_good_one_resumes(
    bench, require_within, reason, change
):
    bench.run(amount=0.25, ticks=25)
    assert bench.speed() > 0.3
    home = np.array(bench.embodiment.home)
    rows = np.tile(bench.pose, (24, 1)) if reason != "first_row_too_far" else None
    if rows is None:
        rows = np.tile(home + np.r_[2.0, np.zeros(7)] * 0.5, (24, 1)) - 1.0 * np.eye(8)[0]
    outcome = bench.chunk(rows=change(rows))
    assert outcome.reason == reason
    hold_after(bench, reason, within=1)
    assert isinstance(bench.chunk(bench.pose), Accepted)
    assert bench.tick().mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_late_or_repeated_chunk_does_not_disturb_the_one_in_force(bench):
    bench.run()
    home = np.array(bench.embodiment.home)
    for changes, reason in (
        ({"sequence": 0}, "out_of_order"),
        ({"session": 5}, "old_session"),
        ({"observation_ns": NOW - 3 * SECOND, "start_ns": NOW - 3 * SECOND}, "stale_chunk"),
    ):
        assert bench.chunk(home, **changes).reason == reason
        assert bench.tick().mode == Mode.ACTIVE
    assert bench.controller.report(bench.now).last_refusal.startswith("stale_chunk")


def test_when_the_chunk_ends_it_brakes_and_stays(bench, require_within):
    bench.run(ticks=40)
    bench.tick(4)
    hold_after(bench, "stale_chunk", within=8)
    assert bench.controller.report(bench.now).ticks_without_chunk > 0
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_an_old_session_is_the_reason_when_nothing_else_is_there(bench):
    bench.run(ticks=3)
    bench.tick(60)
    assert bench.chunk(bench.pose, session=5).reason == "old_session"
    assert bench.tick().hold_reason == "old_session"


def test_a_newer_session_takes_over_under_the_same_checks(bench, require_within):
    bench.run(ticks=20)
    far = bench.pose + 0.5
    assert bench.chunk(far, session=NOW + 1, sequence=0).reason in (
        "first_row_too_far",
        "out_of_range",
    )
    assert isinstance(bench.chunk(bench.pose, session=NOW + 1, sequence=0), Accepted)
    assert bench.tick(10).mode == Mode.ACTIVE
    assert bench.controller.report(bench.now).session == NOW + 1
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_stale_state_stops_motion_and_a_fresh_one_resumes_by_a_ramp(bench, require_within):
    bench.run(ticks=15)
    moving = bench.speed()
    for _ in range(6):
        tick = bench.tick(measured=False)
    assert tick.mode == Mode.ACTIVE
    tick = bench.tick(measured=False)
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "stale_state")
    bench.tick(5, measured=False)
    assert bench.speed() < 0.1 * moving
    assert bench.tick().mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_bad_measurements_are_refused_and_named(bench):
    controller, names = bench.controller, bench.embodiment.state_joints
    bench.tick()
    at = bench.now + 1
    assert "expected joints" in controller.on_state(at, names[::-1], np.zeros(8))
    assert "expected 8 values" in controller.on_state(at, names, np.zeros(7))
    assert "not finite" in controller.on_state(at, names, np.full(8, np.nan))
    assert "not finite" in controller.on_state(at, names, np.zeros(8), np.full(8, np.inf))
    assert "before the newest" in controller.on_state(bench.now - 1, names, np.zeros(8))
    assert controller.on_state(at, names, bench.pose, np.zeros(8)) is None
    assert controller.report(at).states_refused == 5


def test_a_robot_that_does_not_follow_is_not_driven_further(bench):
    bench.run(amount=0.25, ticks=20)
    stuck = bench.pose.copy()
    for _ in range(40):
        bench.now += PERIOD
        bench.controller.on_state(bench.now, bench.embodiment.state_joints, stuck)
        tick = bench.controller.tick(bench.now)
        assert np.abs(tick.command - stuck).max() < 0.9
        if tick.hold_reason == "following_error":
            return
    pytest.fail("the following error was never noticed")


def test_an_emergency_stop_brakes_latches_and_leaves_motion_disabled(bench, require_within):
    bench.run(ticks=25)
    speed, before = bench.speed(), bench.pose.copy()
    bench.controller.estop("button")
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason, tick.message) == (Mode.ESTOPPED, "estopped", "button")
    bench.chunk(bench.pose)
    bench.tick(30)
    assert np.abs(bench.pose - before).max() <= speed**2 / (2 * 7.5) + 2 * speed * PERIOD / SECOND
    np.testing.assert_array_equal(bench.sent[-1], bench.sent[-10])
    assert bench.controller.enable(bench.now) == (
        False,
        "e-stopped (button); call reset_estop first",
    )
    assert bench.controller.reset_estop()[0]
    tick = bench.tick()
    assert (tick.mode, tick.command) == (Mode.INACTIVE, None)
    assert not bench.controller.enabled
    assert not bench.controller.reset_estop()[0]
    assert bench.controller.enable(bench.now)[0]
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_an_emergency_stop_before_enable_sends_nothing(bench):
    bench.tick(2)
    bench.controller.estop("button")
    tick = bench.tick(5)
    assert (tick.mode, tick.command) == (Mode.ESTOPPED, None)


def test_disabling_brakes_a_moving_robot_and_then_falls_silent(bench, require_within):
    bench.run(ticks=25)
    bench.controller.disable()
    assert not bench.controller.enabled
    tick, ticks = bench.tick(), 1
    assert tick.hold_reason == "not_enabled"
    while tick.command is not None:
        tick, ticks = bench.tick(), ticks + 1
        assert ticks < 15
    assert tick.mode == Mode.INACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)
    # At rest there is nothing to brake, but one run of commands ends before another begins.
    bench.controller.enable(bench.now)
    bench.tick(1)
    bench.controller.disable()
    assert not bench.controller.enable(bench.now)[0]
    assert bench.tick().command is None
    assert bench.controller.enable(bench.now)[0]


@pytest.mark.parametrize("jump", [-3600.0, -0.3, -0.001, 0.3, 3600.0])
def test_a_jump_of_the_clock_stops_motion_until_a_new_chunk(bench, require_within, jump):
    bench.run(ticks=25)
    bench.now += int(jump * SECOND) - (PERIOD if jump < 0 else 0)
    tick = bench.tick()
    assert tick.mode == Mode.HOLDING
    assert tick.hold_reason == "clock_jump"
    bench.tick(20)
    np.testing.assert_array_equal(bench.sent[-1], bench.sent[-2])
    session = bench.now
    assert isinstance(bench.chunk(bench.pose, session=session, sequence=0), Accepted)
    assert bench.tick().mode == Mode.ACTIVE
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_late_tick_is_no_jump_and_an_early_one_sends_nothing(bench, require_within):
    bench.run(ticks=20)
    for gap in (0.12, 0.1, 0.033, 0.001, 0.0, 0.033):
        bench.now += int(gap * SECOND) - PERIOD
        tick = bench.tick()
        assert tick.mode == Mode.ACTIVE
        assert tick.early == (tick.command is None) == (gap < 0.01)
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_every_kind_of_joint_at_once(wheeled, bench_of, require_within):
    bench = bench_of(wheeled)
    bench.tick(2)
    bench.controller.enable(bench.now)
    target = np.array([0.1, 0.32, 1.0, 0.4])
    for _ in range(6):
        assert isinstance(bench.chunk(target), Accepted)
        bench.tick(15)
    np.testing.assert_allclose(bench.sent[-1], target, atol=1e-3)
    bench.tick(80)  # the chunk ends
    np.testing.assert_allclose(bench.sent[-1], [0.1, 0.32, 1.0, 0.0], atol=1e-3)
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_driving_base_is_stopped_before_the_commands_end(wheeled, bench_of, require_within):
    bench = bench_of(wheeled)
    bench.tick(2)
    bench.controller.enable(bench.now)
    bench.chunk(np.array([0.0, 0.3, 1.0, -0.37]))
    bench.tick(30)
    assert bench.sent[-1][3] == pytest.approx(-0.37, abs=1e-3)
    bench.controller.disable()
    for _ in range(60):
        if bench.tick().command is None:
            break
    else:
        pytest.fail("the commands never ended")
    assert abs(bench.sent[-1][3]) < 1e-6
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_the_report_counts(bench):
    bench.run(ticks=3)
    rows = np.tile(bench.pose, (24, 1))
    rows[:, 7] = 1.0  # the gripper cannot be there at once
    bench.chunk(rows=rows)
    bench.tick(3)
    report = bench.controller.report(bench.now)
    assert (report.mode, report.enabled, report.hold_reason) == (Mode.ACTIVE, True, "")
    assert (report.chunks_accepted, report.chunks_refused) == (2, 0)
    assert report.sequence == 1
    assert report.ticks == 8
    assert report.limited == ("panda_finger_joint1",)
    assert report.limited_ticks[7] == 3
    assert report.rows_left == pytest.approx(23 - 1.5, abs=0.1)
    assert report.chunk_age_s == pytest.approx(0.1, abs=1e-3)


def test_wider_limits_are_refused(droid):
    own = Limits.of(droid)
    tight = own.tighten(scale=0.5)
    assert Controller(droid, limits=tight).limits is tight
    slow = type(droid)(**{**vars(droid), "joints": tuple(_slower(j) for j in droid.joints)})
    with pytest.raises(ValueError, match="may only be tightened"):
        Controller(slow, limits=own)


def _slower(joint):
    return type(joint)(**{**vars(joint), "velocity": joint.velocity / 2})
