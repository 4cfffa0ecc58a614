#!/usr/bin/env bash
# Sources ROS 2 and the workspace, then becomes the command.
set -eo pipefail
. /opt/ros/jazzy/setup.bash
. /opt/dreamzero/setup.bash
exec "$@"
