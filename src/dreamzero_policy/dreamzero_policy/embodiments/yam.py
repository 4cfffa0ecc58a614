"""Two YAM arms of I2RT on a table (design: data.md 1.5, robots.md 3).

Names on the wire are those of the community's ROS 2 driver for two arms (``left_joint1``), as no
vendor has one. Its gripper is a joint 7 in metres; ours is ``left_gripper`` in the vendor's own
unit, so that the two cannot be taken for one another.

Positions: the vendor's model files (``yam.urdf``, ``yam.xml``), not the wider clip of its Python
package, which stops the arm where a target passes it. Speed: what the vendor's own station allows
by default (yam-abc-reproduce, ``docs/deploy.md``). Acceleration: the community driver's
``joint_limits.yaml``. No source has a jerk; ours builds up the full acceleration in 0.1 s.
"""

from __future__ import annotations

from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key, TimeBase, View

_RATES = (1.5, 10.0, 100.0)  # rad/s: station; rad/s^2: community; rad/s^3: ours
_RANGES = (  # rad: yam.urdf; i2rt clips 0.15 further out, and stops the arm 0.1 beyond that
    (-2.618, 3.1416),
    (0.0, 3.665),
    (0.0, 3.1416),
    (-1.693, 1.571),
    (-1.571, 1.571),
    (-2.094, 2.094),
)


def _arm(side: str) -> tuple[Joint, ...]:
    """Six joints and the gripper of one arm."""
    return (
        *(
            Joint(f"{side}_joint{number}", "revolute", lower, upper, *_RATES)
            for number, (lower, upper) in enumerate(_RANGES, start=1)
        ),
        # 0 closed, 1 open, as the vendor's package reads and takes it and as its station records
        # it; nothing rescales it on the way to the model, so wire and model are one. No source has
        # a speed; these are ours: the whole way in half a second.
        Joint(f"{side}_gripper", "gripper", 0.0, 1.0, 2.0, 20.0, 1000.0, open_at=1.0),
    )


_JOINTS = (*_arm("left"), *_arm("right"))

# All joints at zero and the gripper open: the example pose of the vendor's station
# (yam-abc-reproduce, configs/station_yam.yaml).
_ARM_HOME = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)

YAM = Embodiment(
    name="yam",
    tag="yam",
    joints=_JOINTS,
    state_joints=tuple(joint.name for joint in _JOINTS),
    state_keys=(
        Key("left_joint_pos", 6),
        Key("left_gripper_pos", 1),
        Key("right_joint_pos", 6),
        Key("right_gripper_pos", 1),
    ),
    action_keys=(
        Key("left_joint_pos", 6, relative=True),
        Key("left_gripper_pos", 1, relative=True),
        Key("right_joint_pos", 6, relative=True),
        Key("right_gripper_pos", 1, relative=True),
    ),
    views=(
        View("top", "top_camera-images-rgb", row=0, column=0),
        View("left", "left_camera-images-rgb", row=1, column=0),
        View("right", "right_camera-images-rgb", row=0, column=1),
    ),
    # That of the play data as users report it; the vendor's station records 640x480.
    native_size=(360, 640),
    view_size=(176, 320),
    # The paper has no YAM policy. Whoever trains one has the released scripts: 24 rows, a frame
    # every 3, so frames at 10 Hz and chunks of 0.8 s.
    time_base=TimeBase(control_hz=30, frame_stride=3, rows_per_chunk=24),
    # An interface constant of the released checkpoints, byte for byte (data.md 1.7).
    prompt=(
        "A multi-view video shows that a robot {} The video is split into four views: The top-left "
        "view shows the top camera, the top-right view shows the right camera, the bottom-left "
        "view shows the left camera, and the bottom-right view is a black screen. The robot {}"
    ),
    home=(*_ARM_HOME, *_ARM_HOME),
    language_keys=("task",),
)
