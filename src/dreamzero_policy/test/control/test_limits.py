"""The robot's limits and an installation's tighter ones."""

from dataclasses import replace

import numpy as np
import pytest

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments import get


class TestTighten:
    def test_narrower_is_taken(self, droid):
        own = Limits.of(droid)
        tight = own.tighten(
            {"panda_joint1": {"velocity": 0.5, "lower": -1.0}}, scale=0.5, margin=0.05
        )
        assert tight.velocity[0] == 0.5
        assert tight.velocity[1] == own.velocity[1] * 0.5
        assert tight.lower[0] == -1.0
        assert tight.upper[0] == own.upper[0] - 0.05
        assert tight.upper[7] == own.upper[7], "a gripper keeps its range"
        own.require_within(tight)

    def test_the_tighter_of_two_settings_counts(self, droid):
        own = Limits.of(droid)
        tight = own.tighten({"panda_joint1": {"velocity": own.velocity[0] * 0.9}}, scale=0.5)
        assert tight.velocity[0] == own.velocity[0] * 0.5

    @pytest.mark.parametrize(
        ("joint", "field", "value"),
        [
            ("panda_joint1", "velocity", 2.1),
            ("panda_joint1", "jerk", 5001.0),
            ("panda_joint1", "lower", -2.7),
            ("panda_joint1", "upper", 2.66),
            ("panda_joint1", "velocity", 0.0),
            ("panda_joint1", "velocity", -1.0),
            ("panda_joint1", "upper", float("nan")),
            ("panda_joint1", "upper", "1.0"),
        ],
    )
    def test_wider_or_senseless_is_refused(self, droid, joint, field, value):
        with pytest.raises(ValueError, match=f"{joint}: {field} may only be tightened"):
            Limits.of(droid).tighten({joint: {field: value}})

    def test_unknown_names_are_refused(self, droid):
        with pytest.raises(ValueError, match="no joint 'elbow'"):
            Limits.of(droid).tighten({"elbow": {"velocity": 1.0}})
        with pytest.raises(ValueError, match="no limit 'speed'"):
            Limits.of(droid).tighten({"panda_joint1": {"speed": 1.0}})

    def test_an_empty_range_is_refused(self, droid):
        with pytest.raises(ValueError, match="is empty"):
            Limits.of(droid).tighten({"panda_joint1": {"lower": 1.0, "upper": 0.5}})

    @pytest.mark.parametrize("scale", [0.0, -1.0, 1.01, float("nan")])
    def test_a_scale_cannot_loosen(self, droid, scale):
        with pytest.raises(ValueError, match="scale of the limits"):
            Limits.of(droid).tighten(scale=scale)

    def test_the_slowdown_towards_the_ends_stays_whatever_is_tightened(self, droid):
        own = Limits.of(droid)
        tight = own.tighten({"panda_joint6": {"velocity": 0.5}}, scale=0.1, margin=0.05)
        assert tight.slowdowns == own.slowdowns
        assert tight.slowdowns[5] is not None
        assert tight.slowdowns[7] is None, "a gripper has none"
        for loose in (None, replace(own.slowdowns[5], offset=0.1)):
            slowdowns = (*own.slowdowns[:5], loose, *own.slowdowns[6:])
            with pytest.raises(ValueError, match="panda_joint6: the slowdown"):
                own.require_within(replace(own, slowdowns=slowdowns))
        with pytest.raises(ValueError, match="expected 8 values of slowdowns"):
            replace(own, slowdowns=own.slowdowns[:2])

    def test_wider_limits_are_not_within(self, droid):
        own = Limits.of(droid)
        with pytest.raises(ValueError, match="may only be tightened"):
            own.tighten(scale=0.5).require_within(own)

    def test_a_scale_slows_a_base_down_too(self, wheeled):
        own = Limits.of(wheeled)
        tight = own.tighten(scale=0.2)
        assert (tight.lower[3], tight.upper[3]) == (own.lower[3] * 0.2, own.upper[3] * 0.2)
        assert (tight.lower[1], tight.upper[1]) == (own.lower[1], own.upper[1]), "a range is kept"
        own.require_within(tight)

    @pytest.mark.parametrize("limit", [{"lower": 0.1}, {"upper": -0.1}])
    def test_a_base_must_be_able_to_stand_still(self, limit):
        own = Limits.of(get("agibot_g1"))
        with pytest.raises(ValueError, match="base_forward: a base must be able to stand still"):
            own.tighten({"base_forward": limit})

    def test_a_margin_wider_than_a_lift_is_refused(self):
        with pytest.raises(ValueError, match=r"waist_lift_joint: the range .* is empty"):
            Limits.of(get("agibot_g1")).tighten(margin=0.3)

    def test_true_is_no_number(self, droid):
        with pytest.raises(ValueError, match="panda_joint1: velocity may only be tightened"):
            Limits.of(droid).tighten({"panda_joint1": {"velocity": True}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lower": -np.ones(3)}, "expected 8 values of lower, one per joint, got 3"),
        ({"upper": np.full(8, np.nan)}, r"panda_joint1: the range .* is empty"),
        ({"velocity": np.zeros(8)}, "panda_joint1: velocity, acceleration and jerk"),
        ({"jerk": np.full(8, np.inf)}, "panda_joint1: velocity, acceleration and jerk"),
        ({"slowdowns": (None, None)}, "expected 8 values of slowdowns"),
    ],
)
def test_limits_that_make_no_sense_are_refused(droid, change, message):
    with pytest.raises(ValueError, match=message):
        replace(Limits.of(droid), **change)


def test_limits_of_other_kinds_of_joint_are_not_within(wheeled):
    own = Limits.of(wheeled)
    with pytest.raises(ValueError, match="kind base"):
        own.require_within(replace(own, base=np.zeros(4, dtype=bool)))
