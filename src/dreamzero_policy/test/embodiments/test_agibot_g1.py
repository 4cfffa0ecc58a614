"""The G1 as its checkpoints know it, and every value that its vendor's interfaces carry."""

import numpy as np
import pytest

from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.embodiments.embodiment import TimeBase

ARM = [f"arm_joint{number}" for number in range(1, 8)]


def test_it_is_as_its_checkpoints_know_it():
    assert (AGIBOT_G1.tag, AGIBOT_G1.canvas_size) == ("agibot", (352, 640))
    assert AGIBOT_G1.native_size == (480, 640)
    assert [view.key for view in AGIBOT_G1.views] == ["top_head", "hand_left", "hand_right"]
    assert [(view.row, view.column) for view in AGIBOT_G1.views] == [(0, 0), (1, 0), (0, 1)]
    state = [("left_arm_joint_position", 7), ("right_arm_joint_position", 7),
             ("left_effector_position", 1), ("right_effector_position", 1),
             ("head_position", 2), ("waist_position", 2)]  # fmt: skip
    assert [(key.name, key.width) for key in AGIBOT_G1.state_keys] == state
    action = [(key.name, key.width, key.relative) for key in AGIBOT_G1.action_keys]
    assert action == [(*key, True) for key in state] + [("robot_velocity", 2, False)]
    assert (len(AGIBOT_G1.state_joints), len(AGIBOT_G1.joints)) == (20, 22)


def test_the_default_time_base_is_the_paper_s():
    assert AGIBOT_G1.time_base == TimeBase(control_hz=30, frame_stride=6, rows_per_chunk=48)
    assert AGIBOT_G1.time_base.frame_ns == 200_000_000
    assert AGIBOT_G1.time_base.chunk_ns == 1_600_000_000


def test_joints_stand_in_the_order_of_the_keys():
    assert list(AGIBOT_G1.action_joints) == [
        *(f"left_{name}" for name in ARM),
        *(f"right_{name}" for name in ARM),
        *("left_gripper_joint1", "right_gripper_joint1"),
        *("head_yaw_joint", "head_pitch_joint"),
        *("waist_pitch_joint", "waist_lift_joint"),
        *("base_forward", "base_yaw"),
    ]
    assert AGIBOT_G1.state_joints == AGIBOT_G1.action_joints[:20]
    assert [j.name for j in AGIBOT_G1.joints if j.kind == "base"] == ["base_forward", "base_yaw"]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("model", "read", "commanded"), [(0.0, 35.0, 0.0), (1.0, 120.0, 1.0), (0.5, 77.5, 0.5)]
)
def test_a_gripper_is_read_and_commanded_in_different_scales(side, model, read, commanded):
    gripper = AGIBOT_G1.joint(f"{side}_gripper_joint1")
    assert gripper.state_wire.to_wire(model) == read
    assert gripper.state_wire.to_model(read) == model
    assert gripper.command_wire.to_wire(model) == commanded


def test_the_model_s_gripper_is_what_the_reference_s_converter_makes_of_a_reading():
    wire = AGIBOT_G1.joint("left_gripper_joint1").state_wire
    for raw in np.linspace(35, 120, 18):
        assert wire.to_model(raw) == pytest.approx((raw - 35) / 85, abs=1e-12)


def test_the_lift_is_read_in_metres_and_commanded_in_centimetres():
    lift = AGIBOT_G1.joint("waist_lift_joint")
    assert lift.kind == "prismatic"
    assert lift.state_wire.to_model(0.42) == 0.42
    assert lift.command_wire.to_wire(0.42) == pytest.approx(42.0, abs=1e-12)


def test_ranges_are_inside_every_table_of_the_vendor():
    """Rad: G1_omnipicker.urdf, G1.urdf of the solver, and the manual's head and lift."""
    omnipicker = [3.14, (-2.09, 1.48), 3.10, 1.48, 3.10, 1.74, 3.10]
    solver = [3.14, 2.09, 3.10, 1.48, 3.10, 1.74, 3.10]
    body = {
        "head_yaw_joint": [(-1.5708, 1.5708), (-np.pi / 2 - 1e-5, np.pi / 2 + 1e-5)],
        "head_pitch_joint": [(-0.3491, 0.5236), tuple(np.radians([-25, 20]))],
        "waist_pitch_joint": [(0, 1.5708), (0, np.pi / 2 + 1e-5)],
        "waist_lift_joint": [(0, 0.55), (0, 0.50)],
    }
    for table in (omnipicker, solver):
        for number, limit in enumerate(table, start=1):
            low, high = limit if isinstance(limit, tuple) else (-limit, limit)
            left, right = (AGIBOT_G1.joint(f"{s}_arm_joint{number}") for s in ("left", "right"))
            assert low <= left.lower < left.upper <= high
            assert -high <= right.lower < right.upper <= -low
    for name, tables in body.items():
        for low, high in tables:
            assert low <= AGIBOT_G1.joint(name).lower < AGIBOT_G1.joint(name).upper <= high


def test_speeds_are_at_most_the_vendor_s_and_the_clients():
    most = {"arm": 2.0, "head": 1.0, "waist_pitch": 0.5, "waist_lift": 0.1}
    for joint in AGIBOT_G1.joints:
        for part, speed in most.items():
            if part in joint.name:
                assert joint.velocity <= speed
    assert AGIBOT_G1.joint("base_forward").upper == -AGIBOT_G1.joint("base_forward").lower == 0.15
    assert AGIBOT_G1.joint("base_yaw").upper == -AGIBOT_G1.joint("base_yaw").lower == 0.40


def test_home_is_the_vendor_s_with_arms_mirrored_and_the_base_still():
    home = dict(zip(AGIBOT_G1.action_joints, AGIBOT_G1.home, strict=True))
    left = [home[f"left_{name}"] for name in ARM]
    assert left == [-1.075, 0.611, 0.279, -1.285, 0.730, 1.496, -0.187]
    assert [home[f"right_{name}"] for name in ARM] == [-value for value in left]
    assert (home["waist_pitch_joint"], home["waist_lift_joint"]) == (0.873, 0.42)
    assert home["base_forward"] == home["base_yaw"] == 0.0
