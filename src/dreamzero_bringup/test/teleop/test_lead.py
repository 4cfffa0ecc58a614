"""When targets go out: clutch, fresh pose, a controller that follows; and leaders of any make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_bringup.teleop.asked import Asked
from dreamzero_bringup.teleop.follow import JOIN, JOINED, LEAD, Follower, LeaderMap
from dreamzero_bringup.teleop.jog import Jog
from dreamzero_bringup.teleop.lead import STATE_S, JogLead, LeaderLead, Robot
from dreamzero_policy import embodiments

DROID = embodiments.get("droid")
HOME = DROID.state_at_home()
S, TICK = 10**9, 2 * 10**7
AHEAD = Asked(linear=(1.0, 0.0, 0.0), engaged=True)


def robot(now_ns, followed=True, state=HOME):
    return Robot(state, now_ns, followed, "because")


@pytest.fixture(scope="module")
def jog():
    return Jog(DROID)


def test_no_clutch_no_pose_no_target(jog):
    lead = JogLead(jog)
    assert lead.tick(Asked(linear=(1.0, 0, 0)), robot(0), 0) is None
    assert lead.tick(AHEAD, Robot(), 0) is None
    late = round(STATE_S * S) + 1
    assert lead.tick(AHEAD, robot(0), late) is None
    assert "no measured pose" in lead.text


def test_what_is_not_followed_asks_for_the_measured_pose(jog):
    lead = JogLead(jog)
    for tick in range(20):
        state = HOME + 0.001 * tick
        target = lead.tick(AHEAD, robot(tick * TICK, followed=False, state=state), tick * TICK)
        np.testing.assert_array_equal(target, jog.pose(state))
    assert lead.text == "not followed: because"
    moved = lead.tick(AHEAD, robot(20 * TICK, state=state), 20 * TICK)
    assert 0 < np.abs(moved - target).max() < 0.01  # from there, with the first small step


def test_a_new_grip_starts_at_the_measured_pose(jog):
    lead = JogLead(jog)
    for tick in range(30):
        lead.tick(AHEAD, robot(tick * TICK), tick * TICK)
    assert lead.tick(Asked(), robot(30 * TICK), 30 * TICK) is None
    other = HOME + 0.1
    target = lead.tick(AHEAD, robot(31 * TICK, state=other), 31 * TICK)
    np.testing.assert_array_equal(target, jog.pose(other))


def test_a_late_tick_makes_no_long_step(jog):
    lead = JogLead(jog)
    lead.tick(AHEAD, robot(0), 0)
    target = lead.tick(AHEAD, robot(5 * S), 5 * S)
    assert np.abs(target - jog.pose(HOME)).max() < 0.04 * 2.61 * 0.35 + 1e-9


def test_a_leader_of_another_make():
    mapped = LeaderMap(DROID, ["fr3_1:=panda_joint1", "fr3_2:=-panda_joint2"])
    assert mapped.pose({"fr3_1": 0.3, "fr3_2": 0.4, "other": 9.0}) == {0: 0.3, 1: -0.4}
    with pytest.raises(ValueError, match="expected joints fr3_2"):
        mapped.pose({"fr3_1": 0.3})
    with pytest.raises(ValueError, match="not finite"):
        mapped.pose({"fr3_1": 0.3, "fr3_2": float("nan")})
    own = LeaderMap(DROID)
    assert own.pose({"panda_joint3": 1.0}) == {2: 1.0}
    with pytest.raises(ValueError, match="expected joints panda_joint1"):
        own.pose({"elbow": 1.0})


@pytest.mark.parametrize("pair", ["a=panda_joint1", "a:=elbow", ":=panda_joint1", "a:="])
def test_a_bad_map_is_named(pair):
    with pytest.raises(ValueError, match="leader map"):
        LeaderMap(DROID, [pair])
    with pytest.raises(ValueError, match="a second time"):
        LeaderMap(DROID, ["a:=panda_joint1", "b:=panda_joint1"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.floats(-10, 10), st.integers(1, 30)), max_size=10),
    st.booleans(),
)
def test_a_followers_targets_are_within_limits_and_bounded_steps(said, follows):
    lower, upper, velocity = (
        np.array([getattr(joint, name) for joint in DROID.joints])
        for name in ("lower", "upper", "velocity")
    )
    follower, pose = Follower(DROID), np.array(DROID.home)
    before = follower.begin(pose)
    for column, value, ticks in said:
        for _ in range(ticks):
            target = follower.step({column: value}, pose, 0.02)
            share = JOINED if follower.joined else JOIN
            assert (np.abs(target - before) <= share * velocity * 0.02 + 1e-9).all()
            assert ((target >= lower) & (target <= upper)).all()
            assert (np.abs(target - pose)[:7] <= LEAD + 1e-9).all()
            before = target
            pose = target if follows else pose


def test_the_robot_goes_slowly_to_the_leader_and_then_with_it():
    lead = LeaderLead(Follower(DROID), LeaderMap(DROID))
    engaged, state = Asked(engaged=True), HOME.copy()
    assert lead.tick(engaged, robot(0), 0) is None
    assert lead.lost
    texts = []
    for tick in range(1, 300):
        now = tick * TICK
        lead.hear({"panda_joint1": 0.8}, now)
        target = lead.tick(engaged, robot(now, state=state), now)
        state = target[:8]
        texts.append(lead.text)
    assert state[0] == pytest.approx(0.8)
    assert "on the way to the leader's pose" in texts
    assert texts[-1] == "you lead"
    with pytest.raises(ValueError, match="expected joints"):
        lead.hear({}, now)
    assert lead.tick(engaged, robot(now + TICK), now + TICK) is None
    assert lead.lost
