"""Franka with a parallel gripper in the DROID set-up (design: data.md 1.3, robots.md 2).

A command is to be legal on both arms.

Positions: DROID's own soft ranges of the FER and of the FR3, whichever is narrower. They lie inside
the makers' tables but for joint 6, where DROID's 0.45 is beyond the FR3's 0.5445: ours ends just
short of where the FR3 allows no speed (0.5521). Velocities: DROID's ceiling on both arms, below
both makers' values, and towards the ends of a joint's travel what the FR3 allows at a position
(libfranka, ``rate_limiting.h``: ``computeUpperLimitsJointVelocity`` and its twin; later models
carry the numbers in ``<position_based_velocity_limits>`` of their URDF). The FER has no such rule.
Accelerations and jerks: the smaller of what libfranka applies to the FER and to the FR3 (as franky
gives them); only joint 2 of the FER is below the FR3's 10 rad/s^2 and 5000 rad/s^3.
"""

from __future__ import annotations

import math

from dreamzero_policy.embodiments.embodiment import (
    Embodiment,
    EndSlowdown,
    Joint,
    Key,
    TimeBase,
    View,
    WireScale,
)

_SLOW, _FAST = 2.075, 2.51  # rad/s, joints 1-4 and 5-7: droid config/*/franka_hardware.yaml

_ARM = tuple(
    Joint(f"panda_joint{n}", "revolute", low, high, *rates, slowdown=EndSlowdown(*ends))
    for n, low, high, rates, ends in (
        # lower, upper          rad/s, rad/s^2, rad/s^3   offset, rad/s^2, lower end, upper end
        (1, -2.65, 2.65, (_SLOW, 10.0, 5000.0), (0.30, 6.0, -2.7501, 2.7501)),  # FR3 soft range
        (2, -1.66, 1.66, (_SLOW, 7.5, 3750.0), (0.20, 2.585, -1.7918, 1.7918)),  # FER, all of it
        (3, -2.80, 2.80, (_SLOW, 10.0, 5000.0), (0.20, 3.5, -2.9065, 2.9065)),  # both
        (4, -2.95, -0.17, (_SLOW, 10.0, 5000.0), (0.30, 4.0, -3.0481, -0.1458)),  # FR3, FER
        (5, -2.70, 2.70, (_FAST, 10.0, 5000.0), (0.35, 17.0, -2.8101, 2.8101)),  # FR3 soft range
        (6, 0.56, 3.65, (_FAST, 10.0, 5000.0), (0.35, 5.5, 0.54092, 4.5205)),  # FR3's own, FER
        (7, -2.80, 2.80, (_FAST, 10.0, 5000.0), (0.35, 17.0, -3.0196, 3.0196)),  # FER soft range
    )
)

# Model: 0 open, 1 closed (droid/franka/robot.py). Wire: a finger's distance from the middle, 0.04 m
# open, 0 m closed, the same scale in both directions (franka_description). 0.25 of the range per
# 15 Hz step is DROID's own bound on a gripper step; no maker gives an acceleration or a jerk, these
# two are ours: full speed in 0.1 s.
_FINGER = WireScale(zero=0.04, one=0.0)
_GRIPPER = Joint(
    "panda_finger_joint1",
    "gripper",
    0.0,
    1.0,
    3.75,
    40.0,
    2000.0,
    state_wire=_FINGER,
    command_wire=_FINGER,
    open_at=0.0,
)

DROID = Embodiment(
    name="droid",
    tag="oxe_droid",
    joints=(*_ARM, _GRIPPER),
    state_joints=tuple(joint.name for joint in (*_ARM, _GRIPPER)),
    state_keys=(Key("joint_position", 7), Key("gripper_position", 1)),
    action_keys=(Key("joint_position", 7, relative=True), Key("gripper_position", 1)),
    views=(
        View("exterior_1", "exterior_image_1_left", row=1, column=0),
        View("exterior_2", "exterior_image_2_left", row=1, column=1),
        View("wrist", "wrist_image_left", row=0, column=0, full_width=True),
    ),
    native_size=(180, 320),  # of the converted DROID data (data.md 1.3)
    view_size=(176, 320),
    time_base=TimeBase(control_hz=15, frame_stride=3, rows_per_chunk=24),
    # An interface constant of the released checkpoints, byte for byte (data.md 1.7).
    prompt=(
        "A multi-view video shows that a robot {} The video is split into three views: The top "
        "view shows the camera view from the robot's wrist, the bottom-left view shows the camera "
        "view from the left exterior camera, and the bottom-right view shows the camera view from "
        "the right exterior camera. During training, one of the two bottom exterior views may be a "
        "black screen (dropped view). The robot {}"
    ),
    # DROID's reset pose with the gripper open (droid/robot_env.py).
    home=(0.0, -math.pi / 5, 0.0, -4 * math.pi / 5, 0.0, 3 * math.pi / 5, 0.0, 0.0),
    # Three paraphrases in the released data; one drawn per training sample.
    language_keys=tuple(f"language.language_instruction{n}" for n in ("", "_2", "_3")),
)
