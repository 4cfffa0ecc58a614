"""AgiBot G1, two arms on a lifting waist over a wheeled base (design: data.md 1.4, robots.md 1).

Names on the wire are those of the robot's own ROS interface, as RoboDriver's G1 node has them
(``left_arm_joint1``; grippers as its other client, ``left_gripper_joint1``), not those of the
simulator's description (``idx21_arm_l_joint1``). That interface has no head, waist or base: those
are ours, for a driver that reaches them through the SDK.

Positions and speeds: the vendor's description ``G1_omnipicker.urdf``, the tighter of its two. The
head's pitch and the lift also keep to the software manual (GDK 1.5.0, 5.2), where that is tighter.
Accelerations and jerks: the vendor states none. Arms start with the lowest that running clients
use, 2 rad/s, 1 rad/s^2 and 5 rad/s^3. The rest is ours: full speed in 1 s, full acceleration in
0.2 s. All are to be raised only for a robot that has been watched at these.
"""

from __future__ import annotations

import math

from dreamzero_policy.embodiments.embodiment import (
    Embodiment,
    Joint,
    Key,
    TimeBase,
    View,
    WireScale,
)

_ARM_RATES = (2.0, 1.0, 5.0)  # clients' smoothers; the description allows 3.14 rad/s
_ARM_RANGES = (
    # lower, upper: left arm, G1_omnipicker.urdf; g1_solver's G1.urdf is wider or the same
    (-3.14, 3.14),
    (-2.09, 1.48),
    (-3.10, 3.10),
    (-1.48, 1.48),
    (-3.10, 3.10),
    (-1.74, 1.74),
    (-3.10, 3.10),
)
_LEFT_ARM = tuple(
    Joint(f"left_arm_joint{number}", "revolute", lower, upper, *_ARM_RATES)
    for number, (lower, upper) in enumerate(_ARM_RANGES, start=1)
)
_RIGHT_ARM = tuple(  # the mirror image: only joint 2 has another range
    Joint(f"right_arm_joint{number}", "revolute", -upper, -lower, *_ARM_RATES)
    for number, (lower, upper) in enumerate(_ARM_RANGES, start=1)
)

# Model: 0 open, 1 closed, which is what the reference's converter makes of a reading,
# (x - 35) / 85. Read: about 35 open to 120 closed. Commanded: 0 open to 1 closed (RoboDriver's G1
# node). No source has a speed; these are ours: the whole way in half a second.
_GRIPPERS = tuple(
    Joint(
        f"{side}_gripper_joint1",
        "gripper",
        0.0,
        1.0,
        2.0,
        20.0,
        1000.0,
        state_wire=WireScale(zero=35.0, one=120.0),
        command_wire=WireScale(zero=0.0, one=1.0),
        open_at=0.0,
    )
    for side in ("left", "right")
)

_HEAD = (  # G1_omnipicker.urdf: 1.0 rad/s
    Joint("head_yaw_joint", "revolute", -1.5708, 1.5708, 1.0, 1.0, 5.0),
    # Positive looks down. Down: the manual's 20 degrees; up: the description's, short of the
    # manual's 25 degrees.
    Joint("head_pitch_joint", "revolute", -0.3491, math.radians(20.0), 1.0, 1.0, 5.0),
)

_WAIST = (  # G1_omnipicker.urdf: 0.5 rad/s and 0.1 m/s; the manual has the same 0 to 90 degrees
    Joint("waist_pitch_joint", "revolute", 0.0, 1.5708, 0.5, 0.5, 2.5),
    # Read in m, commanded in cm (SDK: waist_joint_states, move_waist). 0.5 m: the manual; the
    # description has 0.55 m.
    Joint(
        "waist_lift_joint",
        "prismatic",
        0.0,
        0.5,
        0.1,
        0.1,
        0.5,
        state_wire=WireScale(zero=0.0, one=1.0),
        command_wire=WireScale(zero=0.0, one=100.0),
    ),
)

# Forward m/s and yaw rad/s as running clients bound them (robots.md 1.7); a velocity is what is
# commanded, so the next number is its acceleration, and so on.
_BASE = (
    Joint("base_forward", "base", -0.15, 0.15, 0.15, 0.75, 7.5),
    Joint("base_yaw", "base", -0.40, 0.40, 0.40, 2.0, 20.0),
)

_MEASURED = (*_LEFT_ARM, *_RIGHT_ARM, *_GRIPPERS, *_HEAD, *_WAIST)

_WAIST_PARTS = ("waist_pitch", "waist_lift")  # two keys where the converter's own names were kept

# robot_init_states.py and g1_solver.yaml; the right arm is the mirror image.
_ARM_HOME = (-1.075, 0.611, 0.279, -1.285, 0.730, 1.496, -0.187)

AGIBOT_G1 = Embodiment(
    name="agibot_g1",
    tag="agibot",
    joints=(*_MEASURED, *_BASE),
    state_joints=tuple(joint.name for joint in _MEASURED),
    state_keys=(
        Key("left_arm_joint_position", 7),
        Key("right_arm_joint_position", 7),
        Key("left_effector_position", 1),
        Key("right_effector_position", 1),
        Key("head_position", 2),
        Key("waist_position", 2, parts=_WAIST_PARTS),
    ),
    action_keys=(
        Key("left_arm_joint_position", 7, relative=True),
        Key("right_arm_joint_position", 7, relative=True),
        Key("left_effector_position", 1, relative=True),
        Key("right_effector_position", 1, relative=True),
        Key("head_position", 2, relative=True),
        Key("waist_position", 2, relative=True, parts=_WAIST_PARTS),
        Key("robot_velocity", 2),
    ),
    views=(
        View("head", "top_head", row=0, column=0),
        View("hand_left", "hand_left", row=1, column=0),
        View("hand_right", "hand_right", row=0, column=1),
    ),
    native_size=(480, 640),  # as the reference's convert_agibot.py stores every view
    view_size=(176, 320),
    # The paper's, with which the released base was trained: frames at 5 Hz, chunks of 1.6 s. What
    # the released scripts train has 24 rows and a frame every 3 (10 Hz, 0.8 s); nothing in the
    # weights tells one from the other, so a checkpoint that says so must be asked for.
    time_base=TimeBase(control_hz=30, frame_stride=6, rows_per_chunk=48),
    # An interface constant of the released checkpoints, byte for byte (data.md 1.7).
    prompt=(
        "A multi-view video shows that a robot {} The video is split into four views: The top-left "
        "view shows the camera view from the robot's head, the top-right view shows the camera "
        "view from the right hand, the bottom-left view shows the camera view from the left hand, "
        "and the bottom-right view is a black screen (inactive view). The robot {}"
    ),
    home=(
        *_ARM_HOME,
        *(-value for value in _ARM_HOME),
        *(0.0, 0.0),  # grippers open
        *(0.0, 0.34),  # head: the vendor's 0.436 down is beyond what the manual allows
        *(0.873, 0.42),  # waist: robot_init_states.py
        *(0.0, 0.0),  # base at rest
    ),
    language_keys=("language.action_text",),
)
