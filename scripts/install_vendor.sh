#!/usr/bin/env bash
# Installs what a robot's maker offers on the public indexes, as the driver itself would ask for it:
#   scripts/install_vendor.sh none|droid|droid_fer OPTIONS|yam
# droid is an FR3, droid_fer a FER (Panda); OPTIONS are pip's, which franky's README gives for it.
# AgiBot's SDK comes from the robot itself (docker/README.md).
set -euo pipefail
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
# Debian's packages cannot be replaced by pip, so they are passed over; ours keep the versions that they are pinned to.
pinned="$(dirname "${BASH_SOURCE[0]}")/../requirements/robot.txt"
pip() { python3 -m pip install --no-cache-dir --ignore-installed --constraint "$pinned" "$@"; }
i2rt=git+https://github.com/i2rt-robotics/i2rt.git@5d47b358bafb30c65e397f2ece506550a0db4594
case "${1:-}" in
  none) ;;
  droid) pip franky-control ;;
  droid_fer)
    [ $# -gt 1 ] || { echo "droid_fer: expected pip's options, which franky's README gives for .../by-robot-server-version/5/" >&2; exit 2; }
    pip franky-control "${@:2}"
    ;;
  yam)
    pip --no-deps "i2rt @ $i2rt" # pins another numpy and ruckig than this stack
    pip python-can==4.5.0 dm-env==1.6 'crcmod-plus>=2.3.1' pydantic tyro
    ;;
  *) echo "expected none, droid, droid_fer or yam, got '${1:-}'" >&2; exit 2 ;;
esac
