#!/usr/bin/env bash
# Installs Ito to a temporary prefix and uses it from another project in three ways; each must load a
# checkpoint that the tool wrote and print the checksum that the tool prints.
#   run.sh SOURCE WORK find_package|pkg_config|add_subdirectory
set -euo pipefail
source=$1 work=$2 way=$3
prefix=$work/prefix library=$work/library

# One library build and one installation serve all ways; ctest runs them one after another.
if [ ! -e "$work/installed" ]; then
  rm -rf "$prefix"
  cmake -G Ninja -S "$source" -B "$library" -DCMAKE_BUILD_TYPE=Release -DITO_TESTS=OFF -DITO_EMULATOR=OFF \
    -DITO_CUDA=OFF -DCMAKE_INSTALL_PREFIX="$prefix" >/dev/null
  cmake --build "$library" -- -j2 >"$work/library.log" || { tail -50 "$work/library.log"; exit 1; }
  cmake --install "$library" >/dev/null
  rm -rf "$work/run"
  "$prefix/bin/ito" train --preset toy2d --set train.batch=32 --set sampling.steps=10 --max-steps 3 --out "$work/run" 2>/dev/null
  "$prefix/bin/ito" sample "$work/run" --seeds 5-8 | grep checksum >"$work/expected"
  touch "$work/installed"
fi

build=$work/$way
rm -rf "$build"
mkdir -p "$build"
case $way in
  find_package)
    cmake -G Ninja -S "$source/tests/consumer" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
    cmake --build "$build" >/dev/null ;;
  add_subdirectory)
    cmake -G Ninja -S "$source/tests/consumer" -B "$build" -DCMAKE_BUILD_TYPE=Release -DITO_SOURCE_DIR="$source" >/dev/null
    cmake --build "$build" --target consumer -- -j2 >"$build.log" || { tail -50 "$build.log"; exit 1; } ;;
  pkg_config)
    flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name ito.pc)") pkg-config --cflags --libs ito)
    # shellcheck disable=SC2086
    g++ -std=c++20 -O1 "$source/tools/examples/load_and_sample.cpp" $flags -o "$build/consumer" ;;
  *) echo "unknown way: $way"; exit 2 ;;
esac
"$build/consumer" "$work/run" 5 4 | grep checksum >"$build/got"
diff "$work/expected" "$build/got"
echo "$way: $(cat "$build/got")"
