from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.embodiments import get
from dreamzero_policy.observation.proprioception import (
    LayoutError,
    Measured,
    MissingSource,
    StaleSource,
    StateAssembler,
)

DROID = get("droid")
NAMES = DROID.state_joints
ARM, GRIPPER = NAMES[:7], NAMES[7:]
MS = 1_000_000
NOW = 1_785_000_000_000_000_000


def assembler(**changes):
    return StateAssembler(DROID, max_age_ns=200 * MS, **changes)


def wire(model):
    """Model units to the driver's, joint by joint."""
    return [DROID.joint(n).state_wire.to_wire(v) for n, v in zip(NAMES, model, strict=True)]


@settings(deadline=None)
@given(st.permutations(range(8)))
def test_joints_are_found_by_name_in_any_order(order):
    model = np.linspace(0.1, 0.8, 8)
    values, state = wire(model), assembler()
    assert state.update("joint_states", NOW, [NAMES[i] for i in order], [values[i] for i in order])
    measured = state.at(NOW)
    np.testing.assert_allclose(measured.positions, model)
    assert measured.stamp_ns == NOW


def test_the_gripper_is_scaled_from_finger_metres_to_closedness():
    state = assembler()
    state.update("joint_states", NOW, NAMES, [0.0] * 7 + [0.04])
    assert state.at(NOW).positions[7] == pytest.approx(0.0)
    state.update("joint_states", NOW + MS, NAMES, [0.0] * 7 + [0.0])
    assert state.at(NOW + MS).positions[7] == pytest.approx(1.0)


def test_joints_are_interpolated_and_grippers_held():
    state = assembler()
    state.update("joint_states", NOW, NAMES, wire([0.0] * 8))
    state.update("joint_states", NOW + 10 * MS, NAMES, wire([0.1] * 7 + [1.0]))
    measured = state.at(NOW + 4 * MS)
    np.testing.assert_allclose(measured.positions, [0.04] * 7 + [0.0])
    np.testing.assert_allclose(measured.velocities, [10.0] * 7 + [100.0])
    assert measured.ages_ns == {"joint_states": -6 * MS}


def test_after_the_newest_measurement_it_is_held_with_its_last_slope():
    state = assembler()
    state.update("joint_states", NOW, NAMES, wire([0.0] * 8))
    assert not state.at(NOW + MS).velocities.any()
    state.update("joint_states", NOW + 10 * MS, NAMES, wire([0.1] * 8))
    measured = state.at(NOW + 30 * MS)
    np.testing.assert_allclose(measured.positions, 0.1)
    np.testing.assert_allclose(measured.velocities, 10.0)
    assert measured.ages_ns == {"joint_states": 20 * MS}


def test_a_slow_gripper_on_its_own_topic_is_neither_stale_nor_waited_for():
    state = assembler(sources={"arm": ARM, "gripper": GRIPPER})
    assert state.sources == ("arm", "gripper")
    state.update("gripper", NOW - 60 * MS, GRIPPER, [0.02])
    state.update("arm", NOW - 5 * MS, ARM, [0.0] * 7)
    assert not state.settled(NOW)
    state.update("arm", NOW + 5 * MS, ARM, [0.2] * 7)
    assert state.settled(NOW)
    measured = state.at(NOW)
    np.testing.assert_allclose(measured.positions, [0.1] * 7 + [0.5])
    assert measured.ages_ns == {"arm": -5 * MS, "gripper": 60 * MS}


def test_missing_and_stale_sources_are_named():
    state = assembler(sources={"arm": ARM, "gripper": GRIPPER})
    state.update("arm", NOW, ARM, [0.0] * 7)
    assert state.at(NOW) == MissingSource("gripper")
    assert str(state.at(NOW)) == "gripper: no measurement yet"
    state.update("gripper", NOW - 300 * MS, GRIPPER, [0.02])
    assert state.at(NOW) == StaleSource("gripper", 300 * MS, 200 * MS)
    assert "last measurement is 0.300 s old, expected at most 0.200 s" in str(state.at(NOW))


def test_a_gap_is_not_bridged():
    """Between two measurements ten seconds apart there is no state, not a straight line."""
    state = assembler()
    state.update("joint_states", NOW, NAMES, wire([0.0] * 8))
    state.update("joint_states", NOW + 10_000 * MS, NAMES, wire([0.5] * 8))
    assert isinstance(state.at(NOW + 5_000 * MS), StaleSource)
    assert isinstance(state.at(NOW + 10_000 * MS), Measured)


def test_wrong_names_are_shown_side_by_side():
    with pytest.raises(LayoutError) as error:
        assembler().update("joint_states", NOW, [*ARM, "fr3_finger_joint1"], [0.0] * 8)
    text = str(error.value)
    assert text.startswith("joint_states: expected 8 joints, got 8:")
    assert "  ! panda_finger_joint1  ! fr3_finger_joint1" in text
    assert "    panda_joint1           panda_joint1" in text


def test_two_arms_that_are_swapped_are_called_so():
    yam = get("yam")
    sides = {f"{side}_arm/joint_states": [n for n in yam.state_joints if n.startswith(side)]
             for side in ("left", "right")}  # fmt: skip
    state = StateAssembler(yam, 200 * MS, sources=sides)
    left, right = sides
    with pytest.raises(LayoutError) as error:
        state.update(left, NOW, sides[right], [0.0] * 7)
    text = str(error.value)
    assert "  ! left_joint1   ! right_joint1" in text
    assert text.endswith(f"these are the joints of {right}: are the two swapped?")
    with pytest.raises(LayoutError) as error:
        state.update(left, NOW, [*sides[right][:6], "right_gripper2"], [0.0] * 7)
    assert "swapped" not in str(error.value)


@pytest.mark.parametrize("names", [NAMES[:7], [*NAMES, "extra"], [*NAMES[:7], NAMES[0]], []])
def test_a_wrong_count_is_refused(names):
    with pytest.raises(LayoutError, match=f"expected 8 joints, got {len(names)}"):
        assembler().update("joint_states", NOW, names, [0.0] * len(names))


def test_positions_must_match_the_names():
    with pytest.raises(LayoutError, match="expected 8 positions, one per name, got 0"):
        assembler().update("joint_states", NOW, NAMES, [])


def test_names_are_checked_again_when_they_change():
    state = assembler()
    state.update("joint_states", NOW, NAMES, [0.0] * 8)
    with pytest.raises(LayoutError, match="expected 8 joints, got 7"):
        state.update("joint_states", NOW + MS, ARM, [0.0] * 7)


def test_joints_that_nobody_wants_may_be_named_as_such():
    names = ["panda_finger_joint2", *NAMES]
    state = assembler(ignored=["panda_finger_joint2"])
    state.update("joint_states", NOW, names, [0.9, *wire(np.arange(8) / 10)])
    np.testing.assert_allclose(state.at(NOW).positions, np.arange(8) / 10)


def test_a_value_that_is_not_finite_is_refused_by_name():
    state = assembler()
    with pytest.raises(ValueError, match=r"finite positions, got \{'panda_joint2': nan\}"):
        state.update("joint_states", NOW, NAMES, [0.0, float("nan"), *[0.0] * 6])
    assert state.at(NOW) == MissingSource("joint_states")


def test_a_stamp_that_goes_back_is_not_taken():
    state = assembler()
    assert state.update("joint_states", NOW, NAMES, [0.0] * 8)
    assert not state.update("joint_states", NOW, NAMES, [1.0] * 8)
    np.testing.assert_allclose(state.at(NOW).positions[:7], 0.0)


def test_sources_must_bring_every_joint_once():
    with pytest.raises(ValueError, match="expected every joint from one source"):
        assembler(sources={"arm": ARM})
    with pytest.raises(ValueError, match="expected every joint from one source"):
        assembler(sources={"arm": NAMES, "gripper": GRIPPER})
    with pytest.raises(ValueError, match=r"source: expected one of \('joint_states',\), got 'arm'"):
        assembler().update("arm", NOW, ARM, [0.0] * 7)


def test_the_state_order_is_the_embodiments():
    """A checkpoint whose state has another order than its action gets its own order."""
    turned = replace(
        DROID, state_joints=tuple(reversed(NAMES)), state_keys=tuple(reversed(DROID.state_keys))
    )
    state = StateAssembler(turned, 200 * MS)
    state.update("joint_states", NOW, NAMES, wire(np.arange(8) / 10))
    np.testing.assert_allclose(state.at(NOW).positions, np.arange(8)[::-1] / 10)


def test_what_a_source_brought_can_be_asked():
    assembler = StateAssembler(DROID, 200_000_000)
    assert assembler.newest_ns("joint_states") is None
    for stamp_ns in (1_000, 3_000, 3_000, 2_000):
        assembler.update("joint_states", stamp_ns, DROID.state_joints, [0.0] * 8)
    assert assembler.newest_ns("joint_states") == 3_000
    assert assembler.stamps_refused("joint_states") == 2
