#!/usr/bin/env bash
# Makes AgiBot's SDK known where it is mounted, then starts the bridge with the arguments given.
set -eo pipefail
if [ -f /opt/a2d_sdk/env.sh ]; then . /opt/a2d_sdk/env.sh; fi
exec python3 -m agibot_bridge "$@"
