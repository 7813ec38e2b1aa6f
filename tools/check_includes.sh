#!/usr/bin/env bash
# Checks which folder includes what (docs/architecture.md, "Folders and arrows"). Runs as a test.
#   tools/check_includes.sh [repository]
# Headers of tools/, which are not installed, may name the type of JSON by its forward declaration.
# Prints each violation as file:line and exits 1 if there is one.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

find engine kernels models sde samplers tools bench tests \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \) -not -path '*/build*' | sort |
xargs awk '
function allowed(file, target,    top) {
  top = target; sub(/\/.*/, "", top)
  if (file ~ /^engine\//) return top == "engine"
  if (file ~ /^kernels\//) return top ~ /^(engine|kernels)$/
  if (file ~ /^models\//) return top ~ /^(engine|kernels|models)$/
  if (file ~ /^sde\/[a-z_]*\.(h|cpp)$/ && file !~ /^sde\/score\./) return target ~ /^(engine\/core\/|sde\/[a-z_]*\.h$)/
  if (file ~ /^sde\/training\//) return top ~ /^(engine|kernels|sde|models)$/
  if (file ~ /^sde\//) return top ~ /^(engine|kernels|sde)$/
  if (file ~ /^samplers\//) return top ~ /^(engine|kernels|sde|samplers)$/ && target !~ /^sde\/training\//
  if (file ~ /^tools\//) return top ~ /^(engine|kernels|models|sde|samplers|tools)$/
  if (file ~ /^bench\//) return top ~ /^(engine|kernels|models|sde|samplers|bench)$/ || target ~ /^(tests\/support\/|tools\/(config|data)\/|tools\/run\/background_loader\.h$)/
  return top ~ /^(engine|kernels|models|sde|samplers|tools|tests|bench)$/
}
function complain(what) { printf "%s:%d: %s: %s\n", FILENAME, FNR, what, $0; bad = 1 }
/^[ \t]*#[ \t]*include/ {
  if (match($0, /"[^"]+"/)) {
    target = substr($0, RSTART + 1, RLENGTH - 2)
    ours = target ~ /^(engine|kernels|models|sde|samplers|tools|bench|tests)\//
    if (target ~ /^\.\.?\// || (!ours && target !~ /^hwy\// && target !~ /^kernels_generated/ && target !~ /\//)) complain("relative include")
    else if (ours && !allowed(FILENAME, target)) complain("forbidden include")
    if (FILENAME ~ /^(models|sde|samplers)\/.*\.h$/ && target ~ /^kernels\// && target !~ /\/(op|op_table|ops|neighbours|segment)\.h$/) complain("header that is not installed (tools/cmake/ItoInstall.cmake)")
    if (target ~ /^hwy\// && FILENAME ~ /\.h$/ && FILENAME !~ /-inl\.h$/ && FILENAME !~ /^tests\//) complain("third-party header in a header")
  } else if (match($0, /<[^>]+>/)) {
    target = substr($0, RSTART + 1, RLENGTH - 2)
    if (target ~ /^(cuda|cublas|cudnn|nccl|cub\/|thrust\/)/ && FILENAME !~ /\.cuh?$/ && FILENAME !~ /^(kernels\/common|engine\/cuda)\//) complain("CUDA header")
    if (target ~ /\// && target !~ /^sys\// && FILENAME ~ /\.h$/ && FILENAME !~ /-inl\.h$/ && FILENAME !~ /^(tests|kernels\/common\/(gpu|emulator))/ && !(FILENAME ~ /^tools\// && target == "nlohmann/json_fwd.hpp")) complain("third-party header in a header")
  }
}
END { exit bad }
'
