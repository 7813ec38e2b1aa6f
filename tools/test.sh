#!/usr/bin/env bash
# Installs missing packages, builds with preset ci (CPU, emulated CUDA kernels, and the CUDA kernels
# where nvcc is found), runs every test, and says how many were skipped and why.
#   tools/test.sh [options of ctest]
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh --check 2>/dev/null || tools/deps.sh --install
cmake --preset ci
cmake --build --preset ci -- -j2
log=build/ci/test.log
status=0
ctest --test-dir build/ci -j2 --output-on-failure --no-tests=error "$@" >"$log" 2>&1 || status=$?
[ "$status" = 0 ] || cat "$log"

# The table of ops says how many cells it ran; ctest keeps each test's output in LastTest.log.
grep -hE '^(cells|executions) on ' build/ci/Testing/Temporary/LastTest.log || true
# A skipped GoogleTest names its reason on the next line; scripts print "skipped: reason".
awk '/: Skipped$/ { getline; print "skipped: " $0 } /^skipped: / { print }' \
  build/ci/Testing/Temporary/LastTest.log | sort | uniq -c | sort -rn
sed -n '/tests passed/,$p' "$log"
exit "$status"
