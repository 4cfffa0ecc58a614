#!/usr/bin/env bash
# Installs pinned Python packages beside an apt-installed ROS 2: scripts/install_python.sh requirements/robot.txt
# For an image or a machine of its own: they go into the system's Python, which ROS's own programs use. Debian's
# packages of the same name stay where they are and are passed over. On a desk, scripts/setup.sh makes an environment.
set -euo pipefail
[ "$#" -gt 0 ] || { echo "expected requirement files, got none: scripts/install_python.sh requirements/robot.txt" >&2; exit 2; }
wanted=()
for file in "$@"; do wanted+=(-r "$file"); done
# By the environment: the pip of Ubuntu 22.04 does not know the option of that name.
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m pip install --no-cache-dir --ignore-installed "${wanted[@]}"
