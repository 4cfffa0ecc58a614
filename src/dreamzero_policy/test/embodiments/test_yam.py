"""The two YAM arms as their checkpoints know them, and the values on their wires."""

import pytest

from dreamzero_policy.embodiments.embodiment import TimeBase
from dreamzero_policy.embodiments.yam import YAM


def test_it_is_as_its_checkpoints_know_it():
    assert (YAM.tag, YAM.canvas_size) == ("yam", (352, 640))
    assert [view.key for view in YAM.views] == [
        f"{side}_camera-images-rgb" for side in ("top", "left", "right")
    ]
    assert [(view.row, view.column) for view in YAM.views] == [(0, 0), (1, 0), (0, 1)]
    state = [("left_joint_pos", 6), ("left_gripper_pos", 1),
             ("right_joint_pos", 6), ("right_gripper_pos", 1)]  # fmt: skip
    assert [(key.name, key.width) for key in YAM.state_keys] == state
    action = [(key.name, key.width, key.relative) for key in YAM.action_keys]
    assert action == [(*key, True) for key in state]
    assert YAM.state_joints == YAM.action_joints


def test_the_default_time_base_is_that_of_the_released_scripts():
    assert YAM.time_base == TimeBase(control_hz=30, frame_stride=3, rows_per_chunk=24)
    assert (YAM.time_base.frame_ns, YAM.time_base.chunk_ns) == (100_000_000, 800_000_000)


def test_a_gripper_is_closed_at_0_and_open_at_1_on_the_wire_and_in_the_model():
    for side in ("left", "right"):
        gripper = YAM.joint(f"{side}_gripper")
        assert gripper.kind == "gripper"
        for scale in (gripper.state_wire, gripper.command_wire):
            assert [scale.to_wire(value) for value in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]
        assert YAM.home[YAM.action_joints.index(gripper.name)] == 1.0


@pytest.mark.parametrize("side", ["left", "right"])
def test_ranges_are_the_model_file_s_and_speeds_the_station_s(side):
    ranges = [(-2.618, 3.1416), (0, 3.665), (0, 3.1416), (-1.693, 1.571), (-1.571, 1.571),
              (-2.094, 2.094)]  # fmt: skip
    for number, (low, high) in enumerate(ranges, start=1):
        joint = YAM.joint(f"{side}_joint{number}")
        assert (joint.lower, joint.upper) == (low, high)
        assert joint.velocity <= 1.5
        assert joint.acceleration <= 10.0
