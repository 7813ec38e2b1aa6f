#!/usr/bin/env bash
# Runs golden_runner on the shared golden files; exit 77 (ctest: skipped) where they are absent.
#   run.sh GOLDEN_RUNNER SHARED_DIR_IF_NOT_SET [options of golden_runner]
set -euo pipefail
runner=$1
folder=${ITO_SHARED_DIR:-$2}/golden
shift 2
if [ ! -d "$folder" ]; then
  echo "skipped: the shared golden files are absent (set ITO_SHARED_DIR)"
  exit 77
fi
exec "$runner" "$@" "$folder"
