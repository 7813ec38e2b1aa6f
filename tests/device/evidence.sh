#!/usr/bin/env bash
# The evidence writer: passing parts, a failing part, a checker that is not available.
#   evidence.sh PROGRAM REPOSITORY
set -euo pipefail
evidence=$1
cd "$2"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/parts"
for part in ops device samplers bench bench_libraries memcheck racecheck initcheck synccheck; do
  echo 0 >"$folder/parts/$part.status"
  echo fine >"$folder/parts/$part.log"
done
echo '{"op": "cast", "check": "forward", "dtype": "f32", "cells": 3, "failures": 0, "worst": 0.5}' \
  >"$folder/parts/ops.report"
echo '{"context": {"a": 1}, "benchmarks": [{"name": "x", "real_time": 2.5, "GB/s": 7}]}' \
  >"$folder/parts/bench.json"
write() {
  "$evidence" --parts "$folder/parts" --out "$folder/out.json" --gpu G --driver D --commit C \
    --kernels 0123456789abcdef
}
expect() { grep -qF -- "$1" "$folder/out.json" || { echo "missing: $1"; cat "$folder/out.json"; exit 1; }; }

write
expect '"passed": true'
expect '"kernels": "0123456789abcdef"'
expect '"GB/s": 7'
expect '"worst": 0.5'

echo 127 >"$folder/parts/racecheck.status"
echo "compute-sanitizer is not installed" >"$folder/parts/racecheck.log"
write
expect '"verdict": "unavailable"'

echo 1 >"$folder/parts/device.status"
echo "a sample differs" >"$folder/parts/device.log"
if write; then echo "a failed part was accepted"; exit 1; fi
expect '"passed": false'
expect 'a sample differs'
