"""A checkpoint for another robot is refused, and everything that differs is named."""

from dataclasses import replace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.fit import (
    fitted,
    mismatches,
    side_by_side,
    sides,
    time_base,
    view_size,
)
from dreamzero_policy.checkpoint.random_checkpoint import invented_facts
from dreamzero_policy.embodiments.embodiment import Key, TimeBase
from dreamzero_policy.model.presets import preset
from dreamzero_policy.normalize import Statistics
from dreamzero_policy.weights.errors import CheckpointError

ROBOT = embodiments.get("droid")
CONFIG = preset("droid_14b")
FACTS = invented_facts(CONFIG, ROBOT)


def differ(facts=FACTS, config=CONFIG, expected=ROBOT.time_base):
    return mismatches(config, facts, ROBOT, expected)


def statistics(low, high):
    low, high = np.atleast_1d(low).astype(float), np.atleast_1d(high).astype(float)
    return Statistics(q01=low, q99=high, min=low, max=high, mean=low, std=high - low)


@pytest.mark.parametrize("name", embodiments.names())
def test_what_was_made_for_a_robot_fits_it(name):
    robot = embodiments.get(name)
    config = replace(CONFIG, num_action_per_block=robot.time_base.rows_per_chunk)
    assert mismatches(config, invented_facts(config, robot), robot, robot.time_base) == []


def test_the_time_base_is_the_checkpoint_s():
    assert time_base(CONFIG, FACTS) == TimeBase(15, 3, 24)
    fast = replace(FACTS, rates=(30.0,) * 3)
    assert time_base(preset("agibot_14b"), fast) == TimeBase(30, 6, 48)
    with pytest.raises(CheckpointError, match=r"got \[15.0, 30.0\]"):
        time_base(CONFIG, replace(FACTS, rates=(15.0, 30.0, 15.0)))
    with pytest.raises(CheckpointError, match="a whole control rate"):
        time_base(CONFIG, replace(FACTS, rates=(14.985,) * 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": FACTS.views[::-1]}, "view order: expected [exterior_image_1_left, ext"),
        (
            {"state_keys": (*FACTS.state_keys, Key("waist_position", 2))},
            "state keys: expected [joint_position 7, gripper_position 1] as the robot has, got "
            "[joint_position 7, gripper_position 1, waist_position 2]",
        ),
        ({"action_keys": FACTS.action_keys[::-1]}, "action keys: expected"),
        (
            {"action_keys": tuple(replace(key, relative=True) for key in FACTS.action_keys)},
            "relative action keys: expected [joint_position] as the robot has, got "
            "[joint_position, gripper_position]",
        ),
        (
            {"modes": dict(FACTS.modes) | {"state.gripper_position": "min_max"}},
            "normalisation of state.gripper_position: expected q99, got min_max",
        ),
        ({"modes": {}}, "normalisation of action.joint_position: expected q99, got None"),
        ({"native_sizes": ((360, 640),) * 3}, "recorded view (height, width): expected (180, 320)"),
        ({"view_size": (160, 320)}, "view in the canvas (height, width): expected (176, 320)"),
        ({"view_size": None}, "view in the canvas (height, width): expected (176, 320)"),
        ({"crop": 0.9}, "crop: expected 0.95 as the robot has, got 0.9"),
        ({"action_rows": 48}, "chunk length: the model has 24 rows, the data were cut in 48"),
        ({"tag": "agibot"}, "embodiment tag: expected oxe_droid as the robot has, got agibot"),
    ],
)
def test_a_difference_is_named(change, message):
    found = differ(replace(FACTS, **change))
    assert any(message in line for line in found), found


def test_a_time_base_is_the_checkpoint_s_unless_another_was_asked_for():
    fast = replace(FACTS, rates=(30.0,) * 3)
    assert differ(fast, expected=None) == []
    (found,) = differ(fast, expected=ROBOT.time_base)
    assert "chunk length: expected 24 rows at 15 Hz (1.6 s, a frame every 3 rows) as it" in found
    assert "got 24 rows at 30 Hz (0.8 s, a frame every 3 rows)" in found
    assert sides(found)[0] == "chunk length"


def test_a_model_that_resizes_its_canvas_may_have_views_of_another_size():
    config = preset("wan22_5b")
    facts = replace(FACTS, view_size=(160, 320))
    assert differ(facts, config) == []
    robot = fitted(facts, ROBOT, ROBOT.time_base)
    assert (robot.view_size, robot.canvas_size) == ((160, 320), (320, 640))
    assert robot == replace(ROBOT, view_size=(160, 320))
    for size in (None, (0, 320), (160, 4096)):
        found = differ(replace(FACTS, view_size=size), config)
        assert found == [
            f"view in the canvas (height, width): expected 16 to 1024 pixels a side, got {size}"
        ]


def test_views_of_random_weights_are_those_of_the_recipe():
    assert view_size(preset("droid_14b"), ROBOT) == (176, 320)
    assert view_size(preset("wan22_5b"), ROBOT) == (160, 320)
    assert view_size(preset("tiny"), ROBOT) == ROBOT.view_size


def waist_in_two(keys):
    pitch = replace(keys[5], name="waist_pitch", width=1, parts=())
    return (*keys[:5], pitch, replace(pitch, name="waist_lift"), *keys[6:])


def test_a_waist_of_two_keys_is_the_same_waist():
    robot, config = embodiments.get("agibot_g1"), preset("agibot_14b")
    facts = invented_facts(config, robot)
    assert fitted(facts, robot, robot.time_base) == robot

    def halves(found):
        whole = found["waist_position"]
        columns = [statistics(whole.q01[i], whole.q99[i]) for i in range(2)]
        return {**found, "waist_pitch": columns[0], "waist_lift": columns[1]}

    two = replace(
        facts,
        state_keys=waist_in_two(robot.state_keys),
        action_keys=waist_in_two(robot.action_keys),
        modes=dict(facts.modes)
        | {f"{k}.{n}": "q99" for k in ("state", "action") for n in ("waist_pitch", "waist_lift")},
        state_statistics=halves(facts.state_statistics),
        action_statistics=halves(facts.action_statistics),
    )
    assert mismatches(config, two, robot, robot.time_base) == []
    seen = fitted(two, robot, robot.time_base)
    assert [key.name for key in seen.state_keys[5:]] == ["waist_pitch", "waist_lift"]
    assert [key.relative for key in seen.action_keys[5:]] == [True, True, False]
    swapped = (*two.state_keys[:5], two.state_keys[6], two.state_keys[5])
    found = mismatches(config, replace(two, state_keys=swapped), robot, robot.time_base)
    assert found[0].startswith("state keys: expected [")
    half = mismatches(config, replace(two, action_keys=facts.action_keys), robot, robot.time_base)
    assert half[0].startswith("state keys: expected [")


def test_a_base_may_have_been_recorded_faster_than_it_is_let_but_not_in_another_unit():
    robot, config = embodiments.get("agibot_g1"), preset("agibot_14b")
    facts = invented_facts(config, robot)
    for low, high, count in (([-0.5, -1], [1, 1.5], 0), ([-500, -57], [1000, 57], 2)):
        known = {**facts.action_statistics, "robot_velocity": statistics(low, high)}
        found = mismatches(config, replace(facts, action_statistics=known), robot, robot.time_base)
        assert len(found) == count, found
        assert all(line.startswith("unit of action.robot_velocity (base_") for line in found)


def test_grippers_of_a_g1_in_raw_readings_are_named():
    robot, config = embodiments.get("agibot_g1"), preset("agibot_14b")
    facts = invented_facts(config, robot)
    known = {**facts.state_statistics, "left_effector_position": statistics(35, 119)}
    found = mismatches(config, replace(facts, state_statistics=known), robot, robot.time_base)
    assert len(found) == 1
    assert found[0].startswith(
        "gripper scale of state.left_effector_position (left_gripper_joint1)"
    )


def test_all_differences_are_named_at_once():
    facts = replace(FACTS, views=FACTS.views[::-1], modes={}, crop=0.9, rates=(30.0,) * 3)
    assert len(differ(facts)) == 1 + 4 + 1 + 1


def test_another_chunk_length_is_taken_where_the_checkpoint_does_not_contradict_itself():
    config = replace(CONFIG, num_action_per_block=48)
    facts = replace(FACTS, action_rows=48, rates=(30.0,) * 3)
    assert differ(facts, config, None) == differ(facts, config, TimeBase(30, 6, 48)) == []
    (found,) = differ(replace(facts, action_rows=24), config, None)
    assert "the checkpoint contradicts itself" in found


def test_statistics_per_row_must_have_the_chunk_s_rows():
    rows = Statistics(*(np.tile(v, (16, 1)) for v in (
        [-0.1] * 7, [0.1] * 7, [-0.1] * 7, [0.1] * 7, [0.0] * 7, [0.1] * 7)))  # fmt: skip
    facts = replace(FACTS, action_statistics={**FACTS.action_statistics, "joint_position": rows})
    assert any("action.joint_position has statistics for 16" in line for line in differ(facts))


@pytest.mark.parametrize(
    ("low", "high"), [(35.0, 119.0), (0.0, 0.08), (0.0, 255.0), (-1.0, 1.0), (0.0, 0.04)]
)
def test_a_gripper_in_another_scale_is_named(low, high):
    known = {**FACTS.state_statistics, "gripper_position": statistics(low, high)}
    found = differ(replace(FACTS, state_statistics=known))
    assert len(found) == 1
    assert found[0].startswith("gripper scale of state.gripper_position (panda_finger_joint1)")


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.02, 0.98), (0.0, 0.6), (0.3, 0.3)])
def test_a_gripper_that_saw_a_part_of_its_range_is_fine(low, high):
    known = {**FACTS.state_statistics, "gripper_position": statistics(low, high)}
    assert differ(replace(FACTS, state_statistics=known)) == []


def test_degrees_are_named():
    known = {**FACTS.state_statistics, "joint_position": statistics([-120] * 7, [120] * 7)}
    found = differ(replace(FACTS, state_statistics=known))
    assert len(found) == 7
    assert all(line.startswith("unit of state.joint_position (panda_joint") for line in found)


def test_more_joints_than_the_model_has_columns():
    found = differ(config=replace(CONFIG, max_state_dim=4, max_action_dim=4))
    assert "state width: the robot has 8, the model takes at most 4" in found
    assert "action width: the robot has 8, the model takes at most 4" in found


def test_differences_stand_beside_each_other():
    known = {**FACTS.state_statistics, "gripper_position": statistics(35, 119)}
    found = differ(replace(FACTS, state_statistics=known, action_rows=48, views=FACTS.views[::-1]))
    assert sides(found[0])[0] == "view order"
    assert sides(found[1]) is None  # the checkpoint contradicts itself
    assert side_by_side(found).splitlines() == [
        "  view order:",
        "    robot       [exterior_image_1_left, exterior_image_2_left, wrist_image_left]",
        "    checkpoint  [wrist_image_left, exterior_image_2_left, exterior_image_1_left]",
        f"  {found[1]}",
        "  gripper scale of state.gripper_position (panda_finger_joint1):",
        "    robot       about [0, 1]",
        "    checkpoint  [35, 119] in its statistics",
    ]


def test_a_checkpoint_of_two_arms_in_the_other_order_is_named():
    robot = embodiments.get("yam")
    config = replace(CONFIG, num_action_per_block=robot.time_base.rows_per_chunk)
    facts = invented_facts(config, robot)
    swapped = replace(
        facts,
        state_keys=(*facts.state_keys[2:], *facts.state_keys[:2]),
        action_keys=(*facts.action_keys[2:], *facts.action_keys[:2]),
        views=(facts.views[0], facts.views[2], facts.views[1]),
    )
    found = mismatches(config, swapped, robot, robot.time_base)
    assert [sides(line)[0] for line in found] == [
        "view order", "state keys", "action keys", "relative action keys",
    ]  # fmt: skip
    assert "    checkpoint  [right_joint_pos 6, right_gripper_pos 1, left_joint_pos 6" in (
        side_by_side(found)
    )
