"""The node graph as launch_ros actions, for machines with an installed ROS 2."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from dreamzero_bringup import middleware
from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.graph import other_host
from dreamzero_bringup.graph.graph import build, build_recorder
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.graph.options import SIDES, Options
from dreamzero_bringup.machine import commit

_ARGUMENTS = (
    DeclareLaunchArgument(
        "sim",
        default_value="true",
        choices=["true", "false"],
        description="the simulated robot, or the driver that config/robots/<robot>.yaml names",
    ),
    DeclareLaunchArgument(
        "checkpoint",
        default_value="",
        description="checkpoint folder or random:PRESET; empty for what policy.yaml says",
    ),
    DeclareLaunchArgument(
        "config_dir",
        default_value="",
        description="folder with <node>.yaml and robots/<robot>.yaml; empty for the installed one",
    ),
    DeclareLaunchArgument(
        "overrides",
        default_value="",
        description="single parameters, separated by ';': controller.rate_hz=25; policy.seed=3",
    ),
    DeclareLaunchArgument(
        "dry_run",
        default_value="false",
        choices=["true", "false"],
        description="commands are computed, but go where no driver listens",
    ),
    DeclareLaunchArgument(
        "side",
        default_value="all",
        choices=list(SIDES),
        description="one side's nodes only: two launches, here or on two hosts, are one graph",
    ),
    DeclareLaunchArgument(
        "policy_host",
        default_value="",
        description="the host that runs the policy, said on the robot's: launches the robot's side",
    ),
    DeclareLaunchArgument(
        "robot_host",
        default_value="",
        description="the robot's host, said on the policy's: launches the policy's side",
    ),
)

_UNSET = {
    "sim": "false",
    "checkpoint": "",
    "dry_run": "false",
    "side": "all",
    "policy_host": "",
    "robot_host": "",
}


_ROBOT = DeclareLaunchArgument(
    "robot", description="which robot: one of this stack's, or one whose file is in config_dir"
)


def describe(robot: str | None = None) -> LaunchDescription:
    """The launch description of a robot's graph; a node that ends, ends the launch.

    Without a robot it is the launch argument ``robot``.

    Discovery stays on this host, and the other one where one is named, unless
    ROS_AUTOMATIC_DISCOVERY_RANGE says otherwise. The domain is the environment's, as people who use
    ``ros2 launch`` expect; it is claimed, so that a second run of the same side on it is refused.
    """

    def actions(context: LaunchContext) -> list[Action]:
        chosen = robot or LaunchConfiguration(_ROBOT.name).perform(context)
        values = {
            argument.name: LaunchConfiguration(argument.name).perform(context)
            for argument in _ARGUMENTS
        }
        asked = options(chosen, values)
        nodes = build(asked)
        found = {**other_host.environment(os.environ, asked), **middleware.environment(os.environ)}
        # Held by the context's lifetime, that is, until the launch process ends.
        claim = DomainClaim(
            other_host.domain_id(os.environ) or other_host.ROS_DOMAIN, side=asked.here, robot=chosen
        )
        context.extend_globals({"dreamzero_domain_claim": claim})
        names = ", ".join(node.name for node in nodes)
        return [
            *(SetEnvironmentVariable(name, value) for name, value in found.items()),
            LogInfo(msg=f"robot {chosen}, domain {claim.domain_id}: {names}"),
            *(LogInfo(msg=f"{node.name}: {node.remark}") for node in nodes if node.remark),
            *map(action, nodes),
        ]

    first = () if robot else (_ROBOT,)
    return LaunchDescription([*first, *_ARGUMENTS, OpaqueFunction(function=actions)])


def describe_recorder() -> LaunchDescription:
    """The launch description of a recorder, on the environment's domain beside another launch."""
    arguments = (
        DeclareLaunchArgument("robot", description="which robot, for example droid"),
        *(one for one in _ARGUMENTS if one.name in ("config_dir", "overrides")),
    )

    def actions(context: LaunchContext) -> list[Action]:
        values = {one.name: LaunchConfiguration(one.name).perform(context) for one in arguments}
        chosen = options(values["robot"], {**_UNSET, **values})
        return [
            SetEnvironmentVariable(
                "ROS_AUTOMATIC_DISCOVERY_RANGE",
                os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "LOCALHOST",
            ),
            *(
                SetEnvironmentVariable(name, value)
                for name, value in middleware.environment(os.environ).items()
            ),
            action(build_recorder(chosen, commit())),
        ]

    return LaunchDescription([*arguments, OpaqueFunction(function=actions)])


def options(robot: str, values: Mapping[str, str]) -> Options:
    """What the launch arguments ask for.

    Args:
        robot: name of the embodiment.
        values: every launch argument as text.
    """
    overrides = [text.strip() for text in values["overrides"].split(";")]
    return Options(
        robot=robot,
        sim=values["sim"] == "true",
        checkpoint=values["checkpoint"] or None,
        config_dir=Path(values["config_dir"]) if values["config_dir"] else None,
        overrides=tuple(text for text in overrides if text),
        dry_run=values["dry_run"] == "true",
        side=values["side"],
        policy_host=values["policy_host"],
        robot_host=values["robot_host"],
    )


def action(node: NodeSpec) -> Node:
    """One node of the graph as the action that starts it."""
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.name,
        exec_name=node.name,
        parameters=[*map(str, node.parameter_files), dict(node.parameters)],
        remappings=list(node.remappings),
        prefix=f"nice -n {node.nice}" if node.nice else None,
        additional_env=node.environment,
        output="screen",
        on_exit=Shutdown(reason=f"{node.name} ended"),
    )
