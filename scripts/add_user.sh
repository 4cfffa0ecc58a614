#!/usr/bin/env bash
# Adds the user that an image runs as: scripts/add_user.sh NAME UID. Needs root.
# Ubuntu's images come with a user 1000, who would have the files of whoever is 1000 outside: that one goes.
set -euo pipefail
name="${1:?expected a name}" uid="${2:?expected a user id}"
[ "$uid" -gt 0 ] || { echo "expected a user id above 0, got $uid" >&2; exit 2; }
if present=$(getent passwd "$uid" | cut -d: -f1) && [ -n "$present" ]; then userdel --remove "$present" 2>/dev/null || userdel "$present"; fi
useradd --uid "$uid" --create-home --shell /bin/bash "$name"
