#!/usr/bin/env bash
# Runs the tests: first those without ROS, one process per core, then those of real nodes, two files at a time,
# since they mostly wait for each other.
#
#   scripts/test.sh [pytest's arguments]     every test that this machine can run
#   scripts/test.sh --again                  only the files in which something failed or crashed in the last run, one by one
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
said=.pytest_cache/last_run.txt # pytest's own memory has no test whose process died
if [ "${1:-}" = --again ]; then
  shift
  mapfile -t failed < <(grep -oE '^(FAILED|ERROR) [^: ]+\.py' "$said" | cut -d' ' -f2 | sort -u)
  if [ ${#failed[@]} -eq 0 ]; then
    echo "$said names no test that failed: run all of them" >&2
    exit 1
  fi
  .venv/bin/python -m pytest -q "${failed[@]}" -m "$kept" "$@"
  exit
fi
mkdir -p "${said%/*}"
: >"$said"
status=0
half() {
  local code=0
  .venv/bin/python -m pytest -q --durations=15 "$@" | tee -a "$said" || code=${PIPESTATUS[0]} # the other half is run all the same
  [ $code -eq 0 ] || [ $code -eq 5 ] || status=$code # 5: nothing of this half was asked for
}
OMP_NUM_THREADS=1 half "${pure[@]}" -m "not ros and $kept" "$@"
half "${real[@]}" -m "ros and $kept" "$@"
exit $status
