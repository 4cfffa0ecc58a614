"""``dreamzero new-robot``: the files of a robot that does not come with this stack."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero new-robot widget
  dreamzero new-robot widget --joints 3 --views front
  dreamzero new-robot duo --joints left_1,left_2,left_gripper,right_1,right_2,right_gripper
  dreamzero new-robot widget --urdf widget.urdf --joints shoulder,elbow,wrist,gripper --driver
It asks nothing and overwrites nothing. In Python and YAML it writes: the layout, its settings, its
tests and, with --driver, a ROS package that speaks to the robot. Nothing else has to be edited.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "new-robot",
        help="write the files of a new robot",
        description="Writes the skeleton of a new robot into a folder of its own.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("name", help="what the robot will be called: small letters, digits, '_'")
    add("--into", type=Path, metavar="DIR", help="folder to write to (default: ./NAME)")
    add(
        "--joints",
        metavar="LIST",
        help="number, or NAME or NAME:KIND each, with commas between "
        "(default: 6 and a gripper, or all of the URDF); KIND: revolute, prismatic, gripper, base",
    )
    add("--urdf", type=Path, metavar="FILE", help="take ranges of joints from there")
    add("--views", default="front,wrist", metavar="LIST", help="cameras (default: front,wrist)")
    add("--camera", default="640x480", metavar="WxH", help="size of training images (640x480)")
    add("--control-hz", type=int, default=30, metavar="HZ", help="rows per second (30)")
    add("--driver", action="store_true", help="write a driver's package too")


def run(args: argparse.Namespace) -> int:
    """Writes the files and says what to do next."""
    from dreamzero_bringup.new_robot import plan, write

    robot = plan.planned(
        args.name,
        joints=args.joints or ("" if args.urdf else plan.USUAL_JOINTS),
        urdf=args.urdf,
        views=plan.parse_views(args.views),
        camera=plan.parse_camera(args.camera),
        control_hz=args.control_hz,
        driver=args.driver,
    )
    folder = args.into or Path(robot.name)
    for path in write.write(robot, folder):
        print(f"wrote {path}")
    print(write.next_steps(robot, folder))
    return 0
