#!/usr/bin/env bash
# Everything that a GPU can tell about this commit, in one JSON file.
#   tools/gpu_check.sh [FILE]        default: bench/results/gpu_<name of the GPU>.json
# Builds the tests for the GPU of this machine and runs: every op on the GPU; normals, a training
# step and a sampler against the CPU, a recorded step against the same step piece by piece, runs
# against their repetition; compute-sanitizer on a choice of ops; and the benchmarks of the ops.
# Needs a GPU, nvcc, and the packages of tools/deps.sh (where the system lacks them, unpack them
# somewhere and set CMAKE_PREFIX_PATH, CPATH, LIBRARY_PATH and LD_LIBRARY_PATH). About 9 minutes on
# 16 cores. Exits 1 if a check failed (the file is written all the same), 5 without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/gpu_check
parts=$build/parts
name=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1) || true
[ -n "$name" ] || { echo "no GPU: nvidia-smi names none" >&2; exit 5; }
out=${1:-bench/results/gpu_$(tr -cs 'A-Za-z0-9\n' '_' <<<"$name").json}
start=$SECONDS
mkdir -p build

cmake -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DITO_CUDA=ON -DITO_EMULATOR=OFF -DITO_TESTS=ON \
  -DITO_TOOLS=ON -DITO_BENCH=ON -DITO_INSTALL=OFF >$build.configure.log 2>&1 ||
  { cat $build.configure.log; exit 1; }
cmake --build $build --target ops_test device_test device_samplers_test ops_bench evidence ito
bin=$build/bin
mkdir -p $parts && rm -f $parts/*
echo "built in $((SECONDS - start)) s"

run() {  # name seconds command...: the command's output and exit code become parts
  local part=$1 limit=$2 status=0
  shift 2
  timeout "$limit" "$@" >"$parts/$part.log" 2>&1 || status=$?
  echo "$status" >"$parts/$part.status"
  echo "$part: exit $status after $((SECONDS - start)) s"
}

run ops 120 $bin/ops_test --device=cuda --report=$parts/ops.report --gtest_brief=1
run device 90 $bin/device_test --device=cuda
run samplers 90 $bin/device_samplers_test --device=cuda
run bench 120 $bin/ops_bench --device=cuda --benchmark_min_time=0.05 \
  --benchmark_out=$parts/bench.json --benchmark_out_format=json
# The same products and convolutions by cuBLASLt and cuDNN.
run bench_libraries 60 env ITO_CUDA_LIBRARIES=on ITO_CACHE_DIR=$PWD/$parts \
  $bin/ops_bench --device=cuda --benchmark_min_time=0.05 --benchmark_filter='matmul|conv2d' \
  --benchmark_out=$parts/bench_libraries.json --benchmark_out_format=json

# The vendor's checkers on ops whose kernels share memory or copy asynchronously; every block of
# memory in its exact size, so that an overrun is seen.
chosen='group_norm_silu*:attention*:matmul*:conv2d*:softmax*:reduce*:fir_resample*:langevin_step*'
for tool in memcheck racecheck initcheck synccheck; do
  if command -v compute-sanitizer >/dev/null; then
    run $tool 60 env ITO_ALLOCATOR=direct ITO_CUDA_LIBRARIES=off compute-sanitizer --tool $tool \
      --error-exitcode 9 $bin/ops_test --device=cuda --gtest_brief=1 --gtest_filter="$chosen"
  else
    echo "compute-sanitizer is not installed" >$parts/$tool.log
    echo 127 >$parts/$tool.status
  fi
done

$bin/ito doctor >$parts/doctor.log 2>&1 || true
$bin/evidence --parts $parts --out "$out" --gpu "$name" --kernels "$(tools/kernel_hash.sh)" \
  --commit "$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
  --driver "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)"
