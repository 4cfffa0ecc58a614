"""The replay node as a process in the domain of the graph that it is to feed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping

from dreamzero_bringup import middleware
from dreamzero_bringup.graph.node_spec import NodeSpec
from dreamzero_bringup.graph.parameter_files import Value
from dreamzero_bringup.installed import package_prefix
from dreamzero_bringup.operator_client import domain_of_run


def replay(parameters: Mapping[str, Value], domain_id: int | None) -> int:
    """Runs the node until its episode ends.

    Args:
        parameters: of the node.
        domain_id: of the graph; None for that of the only run here.

    Returns:
        Its exit code.

    Raises:
        ValueError: there is no graph, or not exactly one.
    """
    node = NodeSpec("dreamzero_policy", "replay_node", "replay", "robot", parameters=parameters)
    path = package_prefix(node.package) / "lib" / node.package / node.executable
    env = {**os.environ, "ROS_DOMAIN_ID": str(domain_of_run(domain_id))}
    env |= middleware.environment(env)
    process = subprocess.Popen([str(path), *node.ros_arguments()], env=env)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
