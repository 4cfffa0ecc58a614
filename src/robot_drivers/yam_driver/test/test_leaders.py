"""Leader arms: what they say, when they are lost, and the clutch."""

import time

import numpy as np
import pytest
from fake_i2rt import EncoderInfo, FakeArm, FakeEncoders

from yam_driver.arm import STALE_NS
from yam_driver.leaders import LeaderError, PassiveGello, TeachingHandle

MS = 1_000_000
SIGNS = (-1, -1, 1, 1, -1, -1)
QUARTER = 1024  # counts: i2rt/motor_drivers/dm_driver.py, 4096 to the turn


def gello(encoders, signs=SIGNS, travel=0.67):
    return PassiveGello(encoders, "left", signs, travel, time.monotonic_ns)


def heard(leader, seconds=2.0):
    end = time.monotonic() + seconds
    while True:
        try:
            return leader.read(time.monotonic_ns())
        except LeaderError:
            assert time.monotonic() < end
            time.sleep(0.005)


def test_a_gello_says_its_joints_in_the_followers_directions():
    leader = gello(FakeEncoders([QUARTER, 0, QUARTER // 2, 0, -QUARTER, 0, 0]))
    held = heard(leader)
    quarter = np.pi / 2
    np.testing.assert_allclose(held.joints, [-quarter, 0, quarter / 2, 0, quarter, 0], atol=1e-9)
    assert (held.gripper, held.pressed) == (1.0, False)
    leader.close()


@pytest.mark.parametrize("way", [-1, 1])
def test_the_trigger_closes_either_way(way):
    """yam-abc-reproduce docs/hardware.md: desk and mobile rigs turn opposite ways."""
    counts = round(0.67 / 2 / (2 * np.pi) * 4096)
    for turned, gripper in ((0, 1.0), (counts, 0.5), (2 * counts, 0.0), (4 * counts, 0.0)):
        leader = gello(FakeEncoders([0] * 6 + [way * turned], inputs=1))
        held = heard(leader)
        assert held.gripper == pytest.approx(gripper, abs=3e-3)
        assert held.pressed
        leader.close()


def test_encoders_that_wait_are_told_to_report():
    encoders = FakeEncoders(reporting=False)
    leader = gello(encoders)
    heard(leader)
    assert encoders.frequency == 200
    leader.close()


def test_a_silent_encoder_is_named():
    encoders = FakeEncoders()
    leader = gello(encoders)
    heard(leader)
    encoders.silent = {2, 6}
    time.sleep(STALE_NS / 1e9 + 0.1)
    with pytest.raises(LeaderError, match="left leader: encoders 2, 6 are silent"):
        leader.read(time.monotonic_ns())
    leader.close()


@pytest.mark.parametrize("signs", [(1,) * 5, (1,) * 7, (1, 1, 1, 1, 1, 0)])
def test_signs_are_checked(signs):
    with pytest.raises(ValueError, match="left_signs: expected 6 of 1 or -1"):
        gello(FakeEncoders(), signs)


def handle():
    fake = FakeArm("can_lead_l", [0.1] * 6, motors=6, floating=True)
    fake.motor_chain.handle = [EncoderInfo(0.25, (True, False))]
    return TeachingHandle(fake, "left"), fake


def test_a_handle_floats_and_says_joints_trigger_and_button():
    leader, fake = handle()
    np.testing.assert_array_equal(fake._kp, 0.0)
    held = leader.read(0)
    np.testing.assert_allclose(held.joints, 0.1)
    assert held.gripper == 0.75
    assert not held.pressed  # this one's button idles high
    fake.motor_chain.handle = [EncoderInfo(0.25, (False, False))]
    fake.step()
    assert leader.read(10 * MS).pressed
    held.joints[:] = 9
    np.testing.assert_allclose(fake.pose, 0.1)


@pytest.mark.parametrize("lose", ["fail_bus", "stall"])
def test_a_handle_that_is_lost_is_noticed(lose):
    leader, fake = handle()
    leader.read(0)
    fake.step()
    leader.read(MS)
    getattr(fake, lose)()
    fake.step()
    with pytest.raises(LeaderError, match="left leader"):
        leader.read(2 * MS + STALE_NS)


def test_a_handle_that_was_never_heard_is_lost():
    leader, fake = handle()
    fake.motor_chain.handle = None
    with pytest.raises(LeaderError, match="no handle is heard"):
        leader.read(0)
