#!/usr/bin/env bash
# Installs the Debian packages that lists name: scripts/install_apt.sh scripts/apt/ros.txt scripts/apt/build.txt
# Needs root. Leaves no package lists behind, so that an image layer holds packages alone.
set -euo pipefail
[ "$#" -gt 0 ] || { echo "expected lists of packages, got none: scripts/install_apt.sh scripts/apt/build.txt" >&2; exit 2; }
mapfile -t packages < <(grep -hvE '^[[:space:]]*(#|$)' "$@")
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y --no-install-recommends "${packages[@]}"
rm -rf /var/lib/apt/lists/*
