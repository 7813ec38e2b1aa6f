#!/usr/bin/env bash
# Gives every parser its seeds and a fixed number of mutations of them, under AddressSanitizer and
# UndefinedBehaviorSanitizer. An input that ends a parser is left in WORK/fuzz/TARGET/crash.bin.
#   run.sh SOURCE WORK FUZZ_TOML [MUTATIONS [SEED]]
set -euo pipefail
source=$1 work=$2 toml=$(realpath "$3") mutations=${4:-} seed=${5:-1}
cmake -G Ninja -S "$source" -B "$work" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" \
  -DITO_SANITIZE=address,undefined -DITO_EMULATOR=OFF -DITO_CUDA=OFF >/dev/null
cmake --build "$work" --target fuzz_targets -- -j2 >"$work/fuzz_build.log" ||
  { tail -50 "$work/fuzz_build.log"; exit 1; }
work=$(realpath "$work")
seeds=$work/fuzz/seeds
rm -rf "$work/fuzz"
mkdir -p "$work/fuzz"
"$work/bin/fuzz_seeds" "$seeds"
# A claim of a size that is only held against the file is no fault; memory that is taken for it is.
export ASAN_OPTIONS=detect_leaks=1:max_allocation_size_mb=512 UBSAN_OPTIONS=print_stacktrace=1
failed=0
for folder in "$seeds"/*; do
  name=${folder##*/}
  program=$work/bin/fuzz_$name
  [ "$name" = toml ] && program=$toml
  case $name in
    planar | diffusers) count=2500 ;;  # readers that begin with 1 MiB of memory
    idx) count=5000 ;;                 # writes files
    *) count=10000 ;;
  esac
  mkdir "$work/fuzz/$name"
  if (cd "$work/fuzz/$name" && "$program" "$folder" "${mutations:-$count}" "$seed" >log 2>&1); then
    printf '%-12s %s\n' "$name" "$(tail -n 1 "$work/fuzz/$name/log")"
  else
    failed=1
    echo "FAILED: $name; run $program $work/fuzz/$name/crash.bin"
    head -n 40 "$work/fuzz/$name/log"
  fi
done
exit $failed
