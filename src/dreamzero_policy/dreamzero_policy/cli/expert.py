"""``dreamzero expert``: a scripted expert does the simulated scene's task through the gate."""

from __future__ import annotations

import argparse

_EXAMPLES = """examples:
  dreamzero up yam --sim --set sim_driver.task=stack --set sim_driver.seed=3
  dreamzero expert yam --enable                          # in a second terminal
  dreamzero expert yam --task carry --scene-seed 10 --episodes 5 --enable
It publishes on teleop/joint_commands, as leader arms do: limits, ramps and watchdogs apply to it.
Without --enable it waits until somebody says `dreamzero enable`. `dreamzero sim-tasks` lists tasks.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser(
        "expert",
        help="a scripted expert does the simulated task",
        description="Does the task of the simulated scene that runs here, as a teleoperator would.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("robot", help="which robot, for example droid")
    parser.add_argument("--task", help="set this task up first (default: what the scene has)")
    parser.add_argument("--scene-seed", type=int, help="set this scene up first; later ones follow")
    parser.add_argument("--choice", type=int, default=-1, help="which instruction (-1: the seed's)")
    parser.add_argument("--seed", type=int, default=0, help="of the expert's habits (default: 0)")
    parser.add_argument("--episodes", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--enable", action="store_true", help="enable motion for every episode")
    parser.add_argument("--domain-id", type=int, help="ROS domain (default: that of the run here)")


def run(args: argparse.Namespace) -> int:
    """Does the episodes; 0 if all of them succeeded."""
    from dreamzero_bringup import expert

    if args.episodes < 1:
        raise ValueError(f"episodes: expected 1 or more, got {args.episodes}")
    results = expert.run(
        args.robot,
        task=args.task,
        scene_seed=args.scene_seed,
        choice=args.choice,
        seed=args.seed,
        episodes=args.episodes,
        enable=args.enable,
        domain_id=args.domain_id,
        say=print,
    )
    done = sum(result.success for result in results)
    if len(results) > 1:
        print(f"{done} of {len(results)} done")
    return 0 if done == len(results) else 1
