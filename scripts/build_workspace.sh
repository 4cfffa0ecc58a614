#!/usr/bin/env bash
# Builds the workspace beside an apt-installed ROS 2: scripts/build_workspace.sh [PREFIX], by default ./install
set -eo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
setup=/opt/ros/jazzy/setup.bash
[ -f "$setup" ] || { echo "expected ROS 2 Jazzy in /opt/ros/jazzy; without it scripts/setup.sh sets up another way" >&2; exit 2; }
. "$setup" # reads variables that are not set
set -u
colcon build --base-paths src --merge-install --install-base "${1:-install}" --cmake-args -DBUILD_TESTING=OFF
