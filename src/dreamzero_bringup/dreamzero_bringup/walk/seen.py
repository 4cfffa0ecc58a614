"""What somebody who stands behind the robot sees when a joint moves, from the simulated model.

The words are computed at the pose that the robot has: the same joint may lift a hand or turn it. A
robot without a simulated model gets none.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dreamzero_bringup.walk.plan import side
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import Float

_SHIFT_M = 0.004  # a hand that goes less far is turned rather than moved
_PARTS = (0, 1, 2)
# Ahead is x, left is y, up is z of the robot's frame.
_WAYS = (("ahead", "back"), ("to the left", "to the right"), ("up", "down"))
_TURNS = (
    ("rolls clockwise, seen from behind", "rolls anticlockwise, seen from behind"),
    ("tips down in front", "tips up in front"),
    ("turns left, seen from above", "turns right, seen from above"),
)


def motion(robot: Embodiment, pose: Float, joint: str, amount: float) -> str:
    """What moves where, as from behind the robot; empty where nothing is known.

    Args:
        robot: its layout.
        pose: [A] model units; bases are ignored.
        joint: that moves.
        amount: by how much, model units.
    """
    known = robot.joint(joint)
    if known.kind == "base":
        return _base(joint, amount)
    if known.kind == "gripper":
        start = float(pose[robot.action_joints.index(joint)])
        return _gripper(side(joint), known.open_at, start, amount)
    try:
        return _body(robot.name, tuple(robot.action_joints), tuple(pose), joint, amount)
    except (ImportError, ValueError, KeyError):
        return ""


def _base(joint: str, amount: float) -> str:
    if joint.endswith("yaw"):
        return "the whole robot " + _TURNS[2][amount < 0]
    return f"the whole robot rolls {_WAYS[0][amount < 0]}"


def _gripper(arm: str, open_at: float | None, start: float, amount: float) -> str:
    if open_at is None:
        return ""
    opens = abs(start + amount - open_at) < abs(start - open_at)
    way = "OPENS" if opens else "CLOSES"
    return " ".join(filter(None, ("the", arm.upper(), "gripper", way, "half way")))


def _body(
    robot: str, names: tuple[str, ...], pose: tuple[float, ...], joint: str, amount: float
) -> str:
    import mujoco

    model, joints, data = _model(robot)
    marks = _marks(model, model.jnt_bodyid[model.joint(joints[joint]).id])
    if not marks:
        return ""
    places = []
    for extra in (0.0, amount):
        for name, value in zip(names, pose, strict=True):
            if name in joints:
                moved = value + (extra if name == joint else 0.0)
                data.qpos[model.joint(joints[name]).qposadr[0]] = moved
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        places.append([_place(data, kind, index) for kind, index, _ in marks])
    what = " and ".join(words for _, _, words in marks)
    (before, turned), (after, _) = places[0][0], places[1][0]
    shift = after - before
    now = places[1][0][1]
    if marks[0][0] == "cam":
        return f"{what} {_looks(turned, now)}"
    if np.linalg.norm(shift) >= _SHIFT_M:
        return f"{what} {'move' if len(marks) > 1 else 'moves'} {_ways(shift)}"
    change = now @ turned.T
    axis = np.array([change[2, 1] - change[1, 2], change[0, 2] - change[2, 0],
                     change[1, 0] - change[0, 1]])  # fmt: skip
    part = int(np.argmax(np.abs(axis)))
    return f"{what} {_TURNS[part][int(axis[part] < 0)]}"


@cache
def _model(robot: str) -> tuple:
    """The robot alone, which model joint measures each of ours, and room for a pose."""
    import mujoco

    from sim_driver.models import robots

    simulated = robots.get(robot)
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    simulated.add_to(spec)
    model = spec.compile()
    joints = {j.name: j.measured for j in simulated.joints if not j.grips}
    return model, joints, mujoco.MjData(model)


def _marks(model: object, body: int) -> list[tuple[str, int, str]]:
    """What is looked at on the part that a joint carries: hands, otherwise a camera."""
    below = {body}
    for child in range(body + 1, model.nbody):
        if model.body_parentid[child] in below:
            below.add(child)
    hands = []
    for index in range(model.nsite):
        name = model.site(index).name
        if model.site_bodyid[index] in below and name.endswith("tcp"):
            arm = side(name)
            hands.append(("site", index, f"the {arm.upper()} hand" if arm else "the hand"))
    if hands:
        return hands
    cameras = (i for i in range(model.ncam) if model.cam_bodyid[i] in below)
    return [("cam", index, f"the {model.cam(index).name}") for index in cameras][:1]


def _place(data: object, kind: str, index: int) -> tuple[Float, Float]:
    """Position [3] and orientation [3, 3] of a site or a camera in the world."""
    at, turned = (
        (data.site_xpos, data.site_xmat) if kind == "site" else (data.cam_xpos, data.cam_xmat)
    )
    return at[index].copy(), turned[index].reshape(3, 3).copy()


def _looks(before: Float, after: Float) -> str:
    """Where a camera looks afterwards, seen by itself; its view is along its -z."""
    away = before[:, 2] - after[:, 2]
    aside, up = float(away @ before[:, 0]), float(away @ before[:, 1])
    if abs(aside) > abs(up):
        return f"looks further to its {'right' if aside > 0 else 'left'}"
    return f"looks further {'up' if up > 0 else 'down'}"


def _ways(shift: Float) -> str:
    """The one or two directions that a shift is mostly along, with how far."""
    order = sorted(_PARTS, key=lambda part: -abs(shift[part]))
    told = [part for part in order if abs(shift[part]) > 0.4 * abs(shift[order[0]])][:2]
    return " and ".join(
        f"{abs(shift[part]) * 100:.1f} cm {_WAYS[part][int(shift[part] < 0)]}" for part in told
    )
