#!/usr/bin/env bash
# Sets up everything that `make demo`, `make test` and `make bench` need, from PyPI and Debian alone.
#
#   scripts/setup.sh            set up, or do nothing where all is in place
#   PYTHON=python3.12 scripts/setup.sh
#
# Each step leaves a stamp with a hash of what it was made from, so a run that was cut off goes on where
# it stopped and a second run takes no time. Nothing here is needed beside an apt-installed ROS 2: there,
# `colcon build` builds the same workspace.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv="$PWD/.venv"
stamps="$venv/.dreamzero"
say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
fail() { printf '[setup] %s\n' "$*" >&2; exit 1; }
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
packages() { grep -hvE '^[[:space:]]*(#|$)' "scripts/apt/$1.txt" | xargs; }
done_already() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }
mark_done() { mkdir -p "$stamps"; printf '%s' "$2" >"$stamps/$1"; }

# 1. Python and its virtual environment
python="${PYTHON:-python3}"
command -v "$python" >/dev/null || fail "no '$python' on PATH: install Python 3.11 or 3.12"
"$python" - <<'PY' || fail "the ROS 2 wheels exist for CPython 3.11 and 3.12 on x86-64 Linux; this is $("$python" -VV) on $(uname -m).
[setup] Elsewhere install ROS 2 Jazzy from apt and run: pip install -r requirements/robot.txt -r requirements/policy.txt && colcon build"
import platform, sys
sys.exit(not (sys.version_info[:2] in [(3, 11), (3, 12)] and platform.machine() == "x86_64" and sys.platform == "linux"))
PY
if [ ! -x "$venv/bin/pip" ]; then
  say "making the virtual environment .venv"
  rm -rf "$venv"
  "$python" -m venv "$venv" || fail "could not make .venv: on Debian or Ubuntu run: sudo apt-get install python3-venv"
fi

# 2. Wheels
wheels=$(hash_of requirements/*.txt)
if ! done_already wheels "$wheels"; then
  say "installing the pinned wheels (about 2 GB with torch; a few minutes the first time)"
  "$venv/bin/pip" install --disable-pip-version-check --quiet --progress-bar off \
    -r requirements/ros.txt -r requirements/robot.txt -r requirements/policy.txt -r requirements/dev.txt \
    2> >(grep -v 'is ignored: it is neither a file nor a directory' >&2)
  # The wheels' CMake files name the Python of the machine that built them: point them at this one.
  include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  numpy=$("$venv/bin/python" -c 'import numpy; print(numpy.get_include())')
  grep -rlE '/opt/python/cp31[0-9]-cp31[0-9]/' "$venv/share" --include='*.cmake' 2>/dev/null | xargs -r sed -i -E \
    -e "s#/opt/python/cp31[0-9]-cp31[0-9]/lib/python3\.[0-9]+/site-packages/numpy/_core/include#$numpy#g" \
    -e "s#/opt/python/cp31[0-9]-cp31[0-9]/include/python3\.[0-9]+#$include#g" || true
  mark_done wheels "$wheels"
fi

# 3. Compiler and CMake, which the interfaces are built with
for tool in cmake make g++; do
  command -v "$tool" >/dev/null || fail "no '$tool' on PATH: run: sudo apt-get install $(packages build)"
done

# 4. The workspace, into the environment's own prefix, so that nothing has to be sourced
packages=$(find src -name package.xml -o -name CMakeLists.txt -o -name 'setup.*' -o -name '*.msg' -o -name '*.action' -o -name '*.srv' \
  -o -path '*/launch/*.launch.py' -o -name dreamzero -type f | sort)
layout=$(find src config -name '*.py' -o -name '*.yaml' -o -path '*/checkpoints/*' | sort | grep -v /test/ || true)
# shellcheck disable=SC2086  # file names of ours, without spaces
workspace=$( (cat $packages; printf '%s\n' "$layout" "$wheels") | sha256sum | cut -d' ' -f1)
if ! done_already workspace "$workspace"; then
  say "building the workspace with colcon"
  log="$stamps/colcon.log"
  mkdir -p "$stamps"
  env -u COLCON_DEFAULTS_FILE PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" \
    "$venv/bin/colcon" --log-base log build --base-paths src --build-base build --merge-install --install-base "$venv" --symlink-install \
    --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python3" >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; fail "colcon build failed; the whole log: $log"; }
  # A symlink install leaves the Python packages in build/: put them on this interpreter's path, as sourcing would.
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  find "$PWD/build" -mindepth 2 -maxdepth 2 -name '*.egg-info' -printf '%h\n' | sort >"$site/dreamzero_workspace.pth"
  mark_done workspace "$workspace"
fi

# 5. Headless rendering for the simulated robot
if ! { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libEGL\.so\.1'; then
  install="apt-get install -y --no-install-recommends $(packages render)"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's libegl1 and libgl1-mesa-dri for headless rendering"
    { $install >/dev/null 2>&1 || { apt-get update -qq && $install >/dev/null; }; } || fail "failed: $install"
  else
    say "the simulated cameras need EGL. Run: sudo $install"
  fi
fi
say "ready: $venv"
