"""``dreamzero teleop``: a human leads a running robot."""

from __future__ import annotations

import argparse

_EXAMPLES = """examples:
  dreamzero up droid --sim                       in a first terminal
  dreamzero enable                               nothing moves before this
  dreamzero teleop droid                         keyboard: SPACE takes over, w a s d r f move
  dreamzero teleop yam --input gamepad           the pad at /dev/input/js0
  dreamzero teleop yam --input gamepad --device joy         the topic of ROS's joy node
  dreamzero teleop droid --input leader --leader-topic gello/joint_states \\
      --leader-map fr3_joint1:=panda_joint1 --leader-map fr3_joint2:=-panda_joint2 ...
The controller limits a human's targets as it limits the policy's, and takes the robot back when
they stop. Every key and button: docs/teleop.md, and on the screen at the start.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "teleop",
        help="lead a running robot by keyboard, gamepad or leader arm",
        description="Leads a running robot by hand; the policy has it back when you let go.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", help="which robot, for example droid")
    parser.add_argument(
        "--input", choices=("keyboard", "gamepad", "leader"), default="keyboard", help="(keyboard)"
    )
    parser.add_argument(
        "--device", default="/dev/input/js0", help="gamepad, or joy for the topic (/dev/input/js0)"
    )
    parser.add_argument(
        "--leader-topic", default="leader/joint_states", help="JointState (leader/joint_states)"
    )
    parser.add_argument(
        "--leader-map",
        action="append",
        default=[],
        metavar="THEIRS:=[-]OURS",
        help="a leader's joint and ours, - where it turns the other way; default: the same names",
    )
    parser.add_argument("--domain-id", type=int, help="ROS domain (default: that of the run here)")


def run(args: argparse.Namespace) -> int:
    """Leads until the human quits."""
    from dreamzero_bringup.teleop import loop

    return loop.run(
        args.robot,
        args.input,
        domain_id=args.domain_id,
        pad=args.device,
        leader_topic=args.leader_topic,
        leader_map=args.leader_map,
        say=print,
    )
