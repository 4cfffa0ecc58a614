#!/usr/bin/env bash
# Runs the tests: first those without ROS, one process per core, then those of real nodes, two files at a time,
# since they mostly wait for each other.
#
#   scripts/test.sh [pytest's arguments]     every test that this machine can run
#   scripts/test.sh --again                  only what failed in the last run, one by one
#   scripts/test.sh --long                   those left out otherwise: compilers, more ranks, studies; many minutes
#
# The fault suite is `make faults`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cores=$(nproc)
pure=(-n "$((cores < 8 ? cores : 8))")
real=(-n 2 --dist loadfile)
kept="not faults and not long"
if [ "${1:-}" = --long ]; then
  shift
  kept="long and not faults"
fi
if [ "${1:-}" = --again ]; then
  shift
  pure=()
  real=()
  set -- --last-failed --last-failed-no-failures none "$@"
fi
status=0
half() {
  local code=0
  .venv/bin/python -m pytest -q "$@" || code=$? # the other half is run all the same
  [ $code -eq 0 ] || [ $code -eq 5 ] || status=$code # 5: nothing of this half was asked for
}
OMP_NUM_THREADS=1 half "${pure[@]}" -m "not ros and $kept" "$@"
half "${real[@]}" -m "ros and $kept" "$@"
exit $status
