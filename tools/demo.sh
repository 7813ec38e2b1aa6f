#!/usr/bin/env bash
# From nothing to pictures: installs missing packages, builds the ito program without CUDA and tests,
# trains on built-in digits for about two minutes on two cores, and writes demo/grid.png and
# demo/trajectory.png.
#   tools/demo.sh [options of `ito demo`]
set -euo pipefail
cd "$(dirname "$0")/.."

tools/deps.sh --check 2>/dev/null || tools/deps.sh --install
cmake --preset cpu >/dev/null
cmake --build --preset cpu --target ito
exec build/cpu/bin/ito demo "$@"
