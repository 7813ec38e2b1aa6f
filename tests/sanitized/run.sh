#!/usr/bin/env bash
# Builds the engine core and everything that parses files with AddressSanitizer and
# UndefinedBehaviorSanitizer, and runs their tests. The presets asan, ubsan and tsan cover the rest.
#   run.sh SOURCE WORK
set -euo pipefail
source=$1 work=$2
cmake -G Ninja -S "$source" -B "$work" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" \
  -DITO_SANITIZE=address,undefined -DITO_EMULATOR=OFF -DITO_CUDA=OFF >/dev/null
mkdir -p "$work"
cmake --build "$work" --target engine_test data_test import_reader_test -- -j2 >"$work/build.log" || { tail -50 "$work/build.log"; exit 1; }
# The allocator test asks for a petabyte and expects to be refused.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
"$work/bin/engine_test" --gtest_brief=1
"$work/bin/data_test" --gtest_brief=1
# Files as PyTorch writes them, where it is installed; without them some tests skip and say so.
/usr/bin/python3 "$source/tests/import/write_torch_files.py" "$work/tests/import/files" >/dev/null || true
"$work/bin/import_reader_test" --gtest_brief=1
