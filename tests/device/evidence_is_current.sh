#!/usr/bin/env bash
# Whether the kernels are those that last ran on a GPU (bench/results/gpu_*.json). Never a failure:
# kernels may change where no GPU is at hand, but nobody shall overlook it.
#   evidence_is_current.sh REPOSITORY
set -euo pipefail
cd "$1"
now=$(tools/kernel_hash.sh)
found=0
for file in bench/results/gpu_*.json; do
  [ -e "$file" ] || continue
  found=1
  then=$(sed -n 's/^ "kernels": "\([0-9a-f]*\)",$/\1/p' "$file")
  [ "$then" = "$now" ] && exit 0
done
if [ $found = 1 ]; then
  echo "skipped: KERNELS CHANGED SINCE THE LAST RUN ON A GPU; run tools/gpu_check.sh on one"
else
  echo "skipped: THESE KERNELS HAVE NEVER RUN ON A GPU; run tools/gpu_check.sh on one"
fi
exit 77
