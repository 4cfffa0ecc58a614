"""A human takes over and hands back: who is followed when, and that no change of hands is felt."""

import numpy as np
import pytest

from dreamzero_policy.control.report import Authority, Mode

SECOND = 1_000_000_000


def start(bench, **chunk):
    """Enables and follows a chunk at home."""
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    bench.chunk(**chunk)
    bench.tick(12)


def test_a_human_near_the_robot_takes_over_and_is_followed(bench, require_within):
    start(bench)
    bench.human = bench.move(0.15)
    tick = bench.tick()
    assert (tick.mode, tick.authority, tick.hold_reason) == (Mode.ACTIVE, Authority.HUMAN, "")
    assert np.abs(bench.sent[-1] - bench.sent[-2]).max() < 1e-3  # no step at the hand-in
    bench.tick(45)
    np.testing.assert_allclose(bench.sent[-1], bench.move(0.15), atol=1e-4)
    assert bench.controller.report(bench.now).authority == Authority.HUMAN
    speed = np.abs(np.diff(bench.sent, axis=0)).max() / bench.controller.settings.period_s
    assert speed < 1.05 * bench.controller.settings.seam_speed
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_human_is_not_needed_to_wait_for_a_policy(bench):
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    assert bench.tick(2).hold_reason == "no_chunk"
    bench.human = bench.move(0.05)
    assert bench.tick(40).authority == Authority.HUMAN
    np.testing.assert_allclose(bench.sent[-1], bench.move(0.05), atol=1e-4)


def test_a_human_far_from_the_robot_stops_it_and_has_to_come_near(bench):
    start(bench)
    bench.human = bench.move(0.3)
    tick = bench.tick()
    assert (tick.mode, tick.hold_reason) == (Mode.HOLDING, "teleop_too_far")
    assert tick.authority == Authority.NOBODY
    assert "0.300 from the command" in tick.message
    bench.chunk()
    before = bench.tick(20).command
    np.testing.assert_array_equal(bench.tick().command, before)  # the policy is not followed
    bench.human = bench.move(0.1)
    assert bench.tick().authority == Authority.HUMAN


def test_a_human_who_outruns_the_robot_stops_it(bench, require_within):
    start(bench)
    bench.human = bench.move(0.1)
    bench.tick(40)
    bench.human = bench.move(0.7)
    assert bench.tick().hold_reason == "teleop_too_far"
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_when_the_stream_ends_the_chunk_by_the_pose_is_ramped_onto(bench, require_within):
    start(bench)
    bench.human = bench.move(0.1)
    bench.tick(40)
    bench.chunk()  # at home, 0.1 rad from where the human is
    bench.human = None
    seen = []
    for _ in range(60):
        if len(seen) % 20 == 0:
            bench.chunk()
        seen.append(bench.tick().authority)
    assert seen.index(Authority.HANDING_BACK) == 6  # 0.2 s after the last sample
    back, policy = seen.index(Authority.HANDING_BACK), seen.index(Authority.POLICY)
    assert set(seen[:back]) == {Authority.HUMAN}
    assert set(seen[back:policy]) == {Authority.HANDING_BACK}
    assert set(seen[policy:]) == {Authority.POLICY}
    assert (policy - back) / 30 == pytest.approx(bench.controller.settings.ramp_s, abs=0.05)
    np.testing.assert_allclose(bench.sent[-1], bench.move(0.0), atol=1e-3)
    assert np.abs(np.diff(bench.sent[-60:], axis=0)).max() < 0.2 / 30
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_when_the_stream_ends_far_from_the_chunk_the_robot_holds(bench):
    start(bench)
    bench.human = bench.move(0.1)
    bench.tick(30)
    bench.human = bench.move(0.3)
    bench.tick(40)
    assert bench.chunk().reason == "first_row_too_far"
    assert bench.tick().authority == Authority.HUMAN  # the policy's faults are not the human's
    bench.human = None
    tick = bench.tick(7)
    assert (tick.authority, tick.hold_reason) == (Authority.NOBODY, "first_row_too_far")
    bench.chunk(bench.pose)  # the policy has seen where the robot is
    assert bench.tick().authority == Authority.HANDING_BACK
    assert bench.tick(40).authority == Authority.POLICY


@pytest.mark.parametrize("fault", ["non_finite", "no_instruction", "stale_chunk", "restarted"])
def test_the_policys_faults_do_not_hold_a_human(bench, fault):
    start(bench)
    bench.human = bench.move(0.1)
    bench.tick(5)
    if fault == "non_finite":
        bench.chunk(bench.pose * np.nan)
    elif fault == "no_instruction":
        bench.controller.on_policy_idle()
    elif fault == "restarted":
        bench.chunk(bench.pose, policy=77)
    tick = bench.tick(60)
    assert (tick.mode, tick.authority) == (Mode.ACTIVE, Authority.HUMAN)
    bench.human = None
    tick = bench.tick(7)
    assert tick.authority == Authority.NOBODY
    reason = "policy_restarted" if fault == "restarted" else fault
    assert tick.hold_reason == reason
    assert bench.controller.enabled == (fault != "restarted")


@pytest.mark.parametrize("fault", ["stale_state", "estopped", "stale_driver", "driver_fault"])
def test_what_is_wrong_with_the_robot_stops_a_human_too(bench, require_within, fault):
    bench.driver = 5
    start(bench)
    bench.human = bench.move(0.1)
    bench.tick(10)
    assert bench.speed() > 0.05
    if fault == "estopped":
        bench.controller.estop("button")
    elif fault == "driver_fault":
        bench.controller.on_driver(5, 3, "reflex", bench.now)
    elif fault == "stale_driver":
        bench.driver = None
    tick = bench.tick(17, measured=fault != "stale_state")
    assert (tick.hold_reason, tick.authority) == (fault, Authority.NOBODY)
    tick = bench.tick(30, measured=fault != "stale_state")
    if fault == "driver_fault":
        assert tick.command is None  # motion has ended
    else:
        np.testing.assert_array_equal(bench.sent[-1], bench.sent[-2])
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_without_enable_a_human_moves_nothing(bench):
    bench.tick(2)
    bench.chunk()
    bench.human = bench.move(0.1)
    tick = bench.tick(20)
    assert (tick.mode, tick.command, tick.authority) == (Mode.INACTIVE, None, Authority.NOBODY)
    # What the chunk says goes on being told, for whoever compares the two.
    np.testing.assert_allclose(tick.wanted, bench.move(0.0), atol=1e-9)
    # A human who is there decides whether the robot may start, not the chunk.
    bench.pose = bench.move(0.3)
    bench.human = bench.move(0.3)
    bench.tick()
    assert bench.controller.enable(bench.now)[0]
    assert bench.tick(2).authority == Authority.HUMAN


def test_a_jump_of_the_clock_ends_the_humans_turn_until_new_samples(bench, require_within):
    start(bench)
    bench.human = bench.move(0.1)
    bench.tick(10)
    bench.human = None
    for jump in (-3600.0, 5.0, -0.3):
        bench.now += int(jump * SECOND)
        assert bench.tick().hold_reason == "clock_jump"
        bench.tick(10)
        assert bench.teleop(bench.pose) is None
        assert bench.tick().authority == Authority.HUMAN
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_targets_of_joints_do_not_drive_the_base(bench_of, wheeled, require_within):
    bench = bench_of(wheeled)
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    bench.chunk(np.array([0.0, 0.3, 0.0, 0.4]))
    bench.tick(30)
    assert bench.sent[-1][3] > 0.3
    bench.human = np.array([0.1, 0.32, 1.0, 0.4])
    bench.tick(60)
    np.testing.assert_allclose(bench.sent[-1], [0.1, 0.32, 1.0, 0.0], atol=1e-4)
    require_within(bench.sent, bench.controller.limits, bench.controller.settings.period_s)


def test_a_human_drives_the_base_for_as_long_as_they_say_so(bench_of, wheeled, require_within):
    bench = bench_of(wheeled)
    bench.tick(2)
    assert bench.controller.enable(bench.now)[0]
    controller, drive = bench.controller, np.array([9.0, 9.0, 9.0, 0.3])
    assert controller.on_teleop_base(drive) is None
    assert bench.tick(30).command[3] == 0.0  # nobody leads: a velocity alone moves nothing
    bench.human = np.array(wheeled.home)
    for _ in range(60):
        assert controller.on_teleop_base(drive) is None
        bench.tick()
    np.testing.assert_allclose(bench.sent[-1], [*wheeled.home[:3], 0.3], atol=1e-4)
    bench.tick(60)  # targets go on, velocities do not
    np.testing.assert_allclose(bench.sent[-1], wheeled.home, atol=1e-4)
    for _ in range(60):
        controller.on_teleop_base(drive * 100.0)
        bench.tick()
    assert bench.sent[-1][3] <= controller.limits.upper[3]
    assert bench.sent[-1][3] > 0.9 * controller.limits.upper[3]
    bench.human = None  # the stream ends while the base rolls
    for _ in range(60):
        controller.on_teleop_base(drive)
        tick = bench.tick()
    assert tick.mode == Mode.HOLDING
    assert tick.command[3] == 0.0
    require_within(bench.sent, controller.limits, controller.settings.period_s)


def test_a_velocity_of_the_base_is_checked(bench_of, wheeled):
    bench = bench_of(wheeled)
    assert "does not run yet" in bench.controller.on_teleop_base(np.zeros(4))
    bench.tick()
    for bad in (np.zeros(3), [0.0, 0.0, 0.0, np.nan], [0.0, 0.0, 0.0, np.inf]):
        assert "finite for a base" in bench.controller.on_teleop_base(bad)
    assert bench.controller.on_teleop_base([np.nan, 0.0, 0.0, 0.1]) is None
