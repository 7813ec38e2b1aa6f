#!/usr/bin/env bash
# run.sh [FOLDER]: plants the faults of faults.txt one by one in a copy of this tree, in FOLDER (a
# temporary one if not given), builds the tests of SDEs and samplers there, and names the first test
# that fails for each. Exit code 1 if a fault is not caught. By hand: about half a minute per fault.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
folder=${1:-$(mktemp -d)}
source "$here/../fresh_folder.sh"
own_folder "$folder"
rsync -rlpc --delete --exclude .made_by_a_test --exclude /build --exclude /runs --exclude .git "$source/" "$folder/"
cd "$folder"
cmake -S . -B build/faults -G Ninja -DCMAKE_BUILD_TYPE=Release -DITO_CUDA=OFF -DITO_EMULATOR=OFF \
  -DITO_BENCH=OFF >/dev/null
tests() {  # builds and runs; prints the first failure, if any
  ninja -C build/faults samplers_test sde_test >build.log 2>&1 || { echo "does not compile"; return; }
  local program
  for program in sde_test samplers_test; do
    { build/faults/bin/$program --gtest_fail_fast --gtest_brief=1 2>&1 || true; } |
      sed -n "s/^\[  FAILED  \] \([^ ,]*\).*/\1/p"
  done | sed -n 1p
}
sound=$(tests)
[ -z "$sound" ] || { echo "the tests fail without a fault: $sound"; exit 1; }
missed=0
while IFS='|' read -r name file fault; do
  case $name in '#'* | '') continue ;; esac
  cp "$file" before
  sed -i "$fault" "$file"
  if cmp -s before "$file"; then
    result="NOT PLANTED: the line has changed"
  else
    result=$(tests)
  fi
  cp before "$file"
  [[ ${result:-} == *[A-Za-z]*.* ]] || missed=$((missed + 1))
  printf '| %s | `%s` | %s |\n' "$name" "$file" "${result:-NOT CAUGHT}"
done <"$here/faults.txt"
exit $((missed > 0))
