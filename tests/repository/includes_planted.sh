#!/usr/bin/env bash
# Plants one violation of each kind in a copy and expects tools/check_includes.sh to name it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$1
source "$root/tests/fresh_folder.sh"
fresh_folder "$copy"
mkdir -p "$copy"/{engine/core,kernels/x,models,sde/training,samplers,tools,bench,tests}
for folder in engine/core kernels/x models sde samplers tools bench tests; do
  echo '#include <vector>' >"$copy/$folder/fine.cpp"
done
"$root/tools/check_includes.sh" "$copy"

plant() {  # file, include line, expected words
  echo "$2" >"$copy/$1"
  if out=$("$root/tools/check_includes.sh" "$copy"); then
    echo "not noticed: $1: $2"
    exit 1
  fi
  grep -q "^$1:1: $3" <<<"$out" || { echo "other message: $out"; exit 1; }
  rm "$copy/$1"
}
plant engine/core/a.cpp '#include "kernels/x/op.h"' 'forbidden include'
plant kernels/x/a.cpp '#include "models/network.h"' 'forbidden include'
plant models/a.cpp '#include "sde/sde.h"' 'forbidden include'
plant sde/b.cpp '#include "kernels/x/op.h"' 'forbidden include'
plant samplers/a.cpp '#include "models/network.h"' 'forbidden include'
plant samplers/b.cpp '#include "sde/training/trainer.h"' 'forbidden include'
plant tools/a.cpp '#include "tests/support/samples.h"' 'forbidden include'
plant bench/a.cpp '#include "tools/run/pictures.h"' 'forbidden include'
plant engine/core/b.cpp '#include "check.h"' 'relative include'
plant engine/core/c.cpp '#include <cuda_runtime.h>' 'CUDA header'
plant engine/core/d.h '#include <nlohmann/json.hpp>' 'third-party header in a header'
echo "11 planted violations noticed"
