"""The texts of a new robot's own files: layout, settings, tests."""

from __future__ import annotations

import re
from pathlib import Path

from dreamzero_bringup.new_robot.plan import FRAME_HZ, Plan, PlannedJoint

_FRAMES = 8  # of a chunk
_PLACES = ((0, 0), (1, 0), (0, 1), (1, 1))  # row, column of the canvas, in the views' order
_PLACE_NAMES = ("top-left", "bottom-left", "top-right", "bottom-right")
_VIEW_SIZE = (176, 320)
_WIDTH = 100  # of a line of Python

_LAYOUT = '''"""NAME: its joints, cameras and times as its checkpoint was trained on them.

Written by `dreamzero new-robot`. Go through every line marked CHECK before this robot has power;
afterwards say where each number is from. docs/adding_a_robot.md says what the fields mean.
"""

from dreamzero_policy.embodiments.embodiment import (
    Embodiment,
    Joint,
    Key,
    TimeBase,
    View,
    WireScale,
)

# Names as in sensor_msgs/JointState. Everything inside the stack is in model units: rad, m, m/s,
# and a gripper's 0 to 1. A wire scale says what the driver reads and takes at model values 0 and 1.
# CHECK each range and speed against the maker's table, the tighter source wins: nothing but these
# stands between the policy and the motors. Slow is safe; raise one by one.
JOINTS = (
JOINT_LINES)

UPPER = Embodiment(
    name="NAME",
    tag="NAME",  # CHECK the checkpoint's embodiment tag
    joints=JOINTS,
    state_joints=tuple(joint.name for joint in JOINTS if joint.kind != "base"),
    # CHECK keys, their order, and which actions are relative: `dreamzero checkpoint inspect DIR`.
    state_keys=(
STATE_KEYS    ),
    action_keys=(
ACTION_KEYS    ),
    # The checkpoint's order, the quarter of the canvas that each fills, and the training images.
    views=(
VIEW_LINES    ),
    native_size=(HEIGHT, WIDTH),  # CHECK height and width of the training images
    view_size=VIEW_SIZE,
    # CHECK: frames at FRAME_HZ Hz, chunks of 1.6 s. A checkpoint that says otherwise is refused.
    time_base=TimeBase(control_hz=CONTROL_HZ, frame_stride=STRIDE, rows_per_chunk=ROWS),
    # CHECK: the very words that the checkpoint was trained with; {} is the instruction.
    prompt=(
PROMPT_LINES    ),
    # CHECK a pose that is free to be taken, from which the demonstrations began.
    home=(HOME),
)
'''

_SETTINGS = """\
# This installation's NAME. Sections are ROS parameter files keyed by node; a section that no
# node reads is refused. What can be set of a node is in the installed config/<node>.yaml.

# Read by dreamzero_bringup/graph/graph.py, not by a node.
/**/graph:
  ros__parameters:
    # The driver to start without --sim, as package/executable; empty where the robot's own launch
    # starts it.
    driver: "DRIVER"
    # Where this installation's topics differ from ours, as "ours:=theirs", for example:
    #   topics:
    #     - VIEW/image_raw:=/camera/color/image_raw

# Anything below is stronger than the files of the nodes. At first every limit is used to a half.
/**/controller:
  ros__parameters:
    limit_scale: 0.5
"""

_TESTS = '''"""What must be true of NAME before it has power: `python -m pytest`."""

from pathlib import Path

import pytest

from dreamzero_bringup.graph.graph import build, embodiment
from dreamzero_bringup.graph.options import Options

FOLDER = Path(__file__).resolve().parents[1]
OPTIONS = Options("NAME", sim=True, config_dir=FOLDER)
ROBOT = embodiment(OPTIONS)

# CHECK, from the maker's manual and not from the layout: joint, what the model calls it, what the
# driver reads then, what the driver is told then.
WIRE = [
WIRE_LINES]


@pytest.mark.parametrize(("joint", "model", "read", "told"), WIRE)
def test_the_wire_is_the_makers(joint, model, read, told):
    scales = ROBOT.joint(joint)
    assert scales.state_wire.to_model(read) == pytest.approx(model, abs=1e-6)
    assert scales.command_wire.to_wire(model) == pytest.approx(told, abs=1e-6)


def test_every_joint_is_in_the_table():
    driven = {joint.name for joint in ROBOT.joints if joint.kind != "base"}
    assert {row[0] for row in WIRE} == driven


def test_the_graph_can_be_built():
    assert {"camera_tiler", "proprioception", "controller", "policy"} <= {
        node.name for node in build(OPTIONS)
    }


def test_the_simulated_robot_stays_at_home():
    hardware = pytest.importorskip("sim_driver.hardware")
    from sim_driver.models import robots

    layout = FOLDER / "robots" / "NAME.py"
    robot = hardware.SimulatedRobot(robots.get(str(layout)), seed=0, now_ns=0)
    robot.advance(200_000_000)
    read = dict(zip(robot.joint_names, robot.read().positions, strict=True))
    for name, home in zip(ROBOT.action_joints, ROBOT.home, strict=True):
        if name in read:
            measured = ROBOT.joint(name).state_wire.to_model(read[name])
            assert measured == pytest.approx(home, abs=0.01)
'''


def files(plan: Plan) -> dict[Path, str]:
    """Text by path below the robot's folder."""
    return {
        Path("robots") / f"{plan.name}.py": layout(plan),
        Path("robots") / f"{plan.name}.yaml": settings(plan),
        Path("test") / f"test_{plan.name}.py": tests(plan),
    }


def layout(plan: Plan) -> str:
    """The embodiment's file."""
    width, height = plan.camera
    stride = plan.control_hz // FRAME_HZ
    views = [
        f'View("{view}", "{view}", row={row}, column={column}),'
        for view, (row, column) in zip(plan.views, _PLACES, strict=False)
    ]
    home = ", ".join(repr(float(joint.home)) for joint in plan.joints)
    text = filled(
        _LAYOUT,
        JOINT_LINES="".join(map(_joint, plan.joints)),
        STATE_KEYS=_lines(_keys(plan, states=True), 8),
        ACTION_KEYS=_lines(_keys(plan, states=False), 8),
        VIEW_LINES=_lines(views, 8),
        PROMPT_LINES=_quoted(_prompt(plan.views), 8),
        HOME=f"{home}," if len(plan.joints) == 1 else home,
        UPPER=plan.name.upper(),
        NAME=plan.name,
        HEIGHT=str(height),
        WIDTH=str(width),
        VIEW_SIZE=str(_VIEW_SIZE),
        FRAME_HZ=str(FRAME_HZ),
        CONTROL_HZ=str(plan.control_hz),
        STRIDE=str(stride),
        ROWS=str(_FRAMES * stride),
    )
    return text if "WireScale(" in text else text.replace("    WireScale,\n", "")


def settings(plan: Plan) -> str:
    """The YAML of this installation."""
    driver = f"{plan.name}_driver/driver_node" if plan.driver else ""
    return filled(_SETTINGS, NAME=plan.name, DRIVER=driver, VIEW=plan.views[0])


def tests(plan: Plan) -> str:
    """The tests of both."""
    rows = []
    for joint in plan.joints:
        if joint.kind == "gripper":
            rows += [f'("{joint.name}", {end}, {end}, {end}),' for end in ("0.0", "1.0")]
        elif joint.kind != "base":
            value = round((joint.lower + 3 * joint.upper) / 4, 4)
            rows.append(f'("{joint.name}", {value}, {value}, {value}),')
    return filled(_TESTS, NAME=plan.name, WIRE_LINES=_lines(rows, 4))


def _joint(joint: PlannedJoint) -> str:
    """One joint, with where its numbers are from."""
    numbers = ", ".join(
        repr(float(value))
        for value in (joint.lower, joint.upper, joint.velocity, joint.acceleration, joint.jerk)
    )
    lines = [f"# {joint.source or 'CHECK: guessed'}"]
    if joint.kind != "gripper":
        return _lines([*lines, f'Joint("{joint.name}", "{joint.kind}", {numbers}),'], 4)
    lines += [
        "# CHECK which way it goes: here 0 is open and 1 closed, read and told alike",
        "Joint(",
        f'    "{joint.name}",',
        '    "gripper",',
        *(f"    {number}," for number in numbers.split(", ")),
        "    state_wire=WireScale(zero=0.0, one=1.0),",
        "    command_wire=WireScale(zero=0.0, one=1.0),",
        "),",
    ]
    return _lines(lines, 4)


def _keys(plan: Plan, states: bool) -> list[str]:
    """Keys of the state or of the action; only what turns or slides is relative."""
    keys = []
    for name, members in plan.groups:
        kind = members[0].kind
        if states and kind == "base":
            continue
        relative = "" if states or kind in ("gripper", "base") else ", relative=True"
        keys.append(f'Key("{name}", {len(members)}{relative}),')
    return keys


def _prompt(views: tuple[str, ...]) -> str:
    """Words in the manner of the released checkpoints."""
    words = [view.replace("_", " ") for view in views]
    if len(words) == 1:
        return "A single view video shows that a robot {} The robot {}"
    places = [
        f"the {place} view shows the {view} camera"
        for place, view in zip(_PLACE_NAMES, words, strict=False)
    ]
    places += [f"the {place} view is a black screen" for place in _PLACE_NAMES[len(words) :]]
    described = f"{', '.join(places[:-1])}, and {places[-1]}"
    return (
        "A multi-view video shows that a robot {} The video is split into four views: "
        f"{described[0].upper()}{described[1:]}. The robot {{}}"
    )


def _quoted(text: str, indent: int) -> str:
    """A long string as lines of Python."""
    room, rows, row = _WIDTH - indent - 2, [], ""
    for word in text.split(" "):
        if len(row) + len(word) + 1 > room:
            rows.append(row)
            row = ""
        row += f"{word} "
    rows.append(row.rstrip(" "))
    return _lines([f'"{row}"' for row in rows], indent)


def _lines(rows: list[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{row}\n" for row in rows)


def filled(text: str, **values: str) -> str:
    """``text`` with every word that is a name of ``values`` replaced by its value."""
    pattern = re.compile(rf"\b({'|'.join(values)})\b")
    return pattern.sub(lambda match: values[match[1]], text)
