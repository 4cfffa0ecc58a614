#!/usr/bin/env bash
# Makes packages.ros.org known to apt on Ubuntu 24.04. Needs root; a second run does nothing.
# The key is asked for by its whole fingerprint, so that no other one can be had in its place.
set -euo pipefail
fingerprint=C1CF6E31E6BADE8868B172B4F42ED6FBAB17C654
keyring=/usr/share/keyrings/ros2-archive-keyring.gpg
list=/etc/apt/sources.list.d/ros2.list
. /etc/os-release
[ "${VERSION_CODENAME:-}" = noble ] || { echo "ROS 2 Jazzy's packages are for Ubuntu 24.04 (noble), this is ${PRETTY_NAME:-unknown}" >&2; exit 2; }
if [ -d /opt/ros/jazzy ] || [ -s "$list" ]; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y --no-install-recommends ca-certificates dirmngr gnupg
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
gpg --homedir "$home" --batch --keyserver hkps://keyserver.ubuntu.com --recv-keys "$fingerprint"
gpg --homedir "$home" --batch --export "$fingerprint" >"$keyring"
echo "deb [arch=$(dpkg --print-architecture) signed-by=$keyring] http://packages.ros.org/ros2/ubuntu noble main" >"$list"
rm -rf /var/lib/apt/lists/*
