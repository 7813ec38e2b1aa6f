#!/usr/bin/env bash
# One number for everything that decides what runs on a GPU: kernel sources, their headers, and the
# CUDA runtime. Evidence carries it (tools/gpu_check.sh), so that a later change shows.
set -euo pipefail
cd "$(dirname "$0")/.."
find kernels engine/cuda engine/random -type f \
  \( -name '*.cu' -o -name '*.cuh' -o -name 'params.h' -o -path 'kernels/common/gpu*.h' \
     -o -path 'engine/cuda/*' -o -path 'engine/random/*.h' -o -name 'cublas.*' -o -name 'cudnn.*' \) |
  LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16
