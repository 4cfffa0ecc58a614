"""Pose and driver: what is taken, what is stale, and what ends motion."""

import numpy as np
import pytest

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.control.report import DriverMode
from dreamzero_policy.control.settings import ControllerSettings
from dreamzero_policy.control.watchdogs import DriverWatch, MeasuredPose

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def measured(wheeled) -> MeasuredPose:
    return MeasuredPose(Limits.of(wheeled), wheeled.state_joints, ControllerSettings())


@pytest.fixture
def driver() -> DriverWatch:
    return DriverWatch(ControllerSettings())


def test_a_pose_is_put_in_action_order_with_bases_at_zero(wheeled, measured):
    assert measured.stale(NOW).message == "no pose has been measured yet"
    assert measured.age_s(NOW) is None
    assert measured.take(NOW, wheeled.state_joints, [0.3, 1.0, 0.5], None) is None
    np.testing.assert_array_equal(measured.pose, [1.0, 0.3, 0.5, 0.0])
    assert measured.age_s(NOW + SECOND) == 1.0


@pytest.mark.parametrize("age", [-3600.0, -0.11, 0.21, 3600.0])
def test_a_pose_from_another_time_is_stale(wheeled, measured, age):
    measured.take(NOW, wheeled.state_joints, [0.3, 1.0, 0.5], None)
    stale = measured.stale(NOW + int(age * SECOND))
    assert stale.reason == "stale_state"
    assert f"{age:.3f} s old" in stale.message
    assert measured.stale(NOW + SECOND // 10) is None


def test_the_last_refusal_explains_why_the_pose_is_stale(wheeled, measured):
    measured.take(NOW, wheeled.state_joints, [0.3, 1.0, 0.5], None)
    measured.take(NOW + 1, wheeled.state_joints, [0.3, np.nan, 0.5], None)
    assert "not finite" in measured.stale(NOW + SECOND).message
    assert measured.refused == 1


def test_a_clock_that_was_set_back_is_believed_but_a_late_sample_is_not(wheeled, measured):
    names, pose = wheeled.state_joints, [0.3, 1.0, 0.5]
    measured.take(NOW, names, pose, None)
    assert "before the newest" in measured.take(NOW - SECOND // 5, names, pose, None)
    assert measured.take(NOW - 3600 * SECOND, names, pose, None) is None
    assert measured.stale(NOW).reason == "stale_state"
    assert measured.stale(NOW - 3600 * SECOND) is None


def test_far_from_its_command_or_its_range(wheeled, measured):
    measured.take(NOW, wheeled.state_joints, [0.3, 2.05, 0.5], None)
    assert measured.outside() is None
    assert measured.astray(np.array([2.0, 0.3, 0.5, 0.0])) is None
    assert measured.astray(np.array([2.0, 0.3, 9.0, 9.0])) is None  # grippers and bases are exempt
    assert measured.astray(np.array([1.5, 0.3, 0.5, 0.0])).reason == "following_error"
    # Half a radian is a lag; half a metre would be the whole way of the lift.
    assert measured.astray(np.array([2.05, 0.36, 0.5, 0.0])).reason == "following_error"
    measured.take(NOW + 1, wheeled.state_joints, [-0.03, 1.0, 0.5], None)
    assert measured.outside().reason == "pose_outside"
    assert "lift is at -0.030" in measured.outside().message
    measured.take(NOW + 2, wheeled.state_joints, [-0.01, 1.0, 0.5], None)
    assert measured.outside() is None


def test_a_driver_that_never_speaks_is_not_watched(driver):
    assert driver.stale(NOW) is None
    assert driver.unfit() is None
    assert driver.replaced() is None
    assert driver.age_s(NOW) is None
    driver.bind()
    assert driver.session == 0


@pytest.mark.parametrize("age", [-3600.0, -0.11, 0.51, 3600.0])
def test_one_that_has_spoken_must_go_on(driver, age):
    driver.take(7, DriverMode.FOLLOWING, "", NOW)
    assert driver.stale(NOW + SECOND // 2) is None
    assert driver.stale(NOW - SECOND // 20) is None
    assert driver.stale(NOW + int(age * SECOND)).reason == "stale_driver"


def test_the_bound_driver_stays_bound_whoever_speaks(driver):
    driver.take(7, DriverMode.HOLDING, "", NOW)
    driver.bind()
    assert driver.replaced() is None
    driver.take(8, DriverMode.HOLDING, "", NOW)
    assert driver.session == 7
    assert driver.replaced().reason == "driver_restarted"
    assert "now driver 8" in driver.replaced().message
    driver.bind()
    assert (driver.session, driver.replaced()) == (8, None)


def test_one_that_comes_up_after_enable_is_another_one(driver):
    driver.bind()
    driver.take(7, DriverMode.HOLDING, "", NOW)
    assert "enabled with driver none" in driver.replaced().message


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(0, None), (1, None), (2, "driver_released"), (3, "driver_fault"), (77, "driver_fault")],
)
def test_modes(driver, mode, reason):
    driver.take(7, mode, "", NOW)
    unfit = driver.unfit()
    assert (unfit and unfit.reason) == reason
    driver.take(7, mode, "its own words", NOW)
    assert reason is None or driver.unfit().message == "its own words"


def test_a_driver_that_goes_on_holding_ignores_its_commands(driver):
    most = ControllerSettings().driver_max_age_s
    assert driver.ignores(NOW, sends=True) is None  # it never spoke
    driver.take(5, DriverMode.HOLDING, "2 publishers on /joint_commands", NOW)
    later = NOW + round((most + 0.1) * SECOND)
    assert driver.ignores(NOW, sends=True) is None
    assert driver.ignores(NOW + SECOND // 10, sends=True) is None
    ignored = driver.ignores(later, sends=True)
    assert ignored.reason == "driver_holds"
    assert "2 publishers" in ignored.message


def test_a_driver_that_holds_for_want_of_commands_ignores_none(driver):
    driver.take(5, DriverMode.HOLDING, "no command yet", NOW)
    assert driver.ignores(NOW + 9 * SECOND, sends=False) is None
    assert driver.ignores(NOW + 10 * SECOND, sends=True) is None
    driver.take(5, DriverMode.FOLLOWING, "", NOW + 10 * SECOND)
    assert driver.ignores(NOW + 20 * SECOND, sends=True) is None
    driver.take(5, DriverMode.HOLDING, "no command for 0.4 s", NOW + 20 * SECOND)
    assert driver.ignores(NOW + 20 * SECOND, sends=True) is None
    assert driver.ignores(NOW, sends=True) is None  # a clock that was set back begins anew
    assert driver.ignores(NOW + SECOND, sends=True).reason == "driver_holds"
