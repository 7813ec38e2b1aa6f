#!/usr/bin/env bash
# Every op with a GPU kernel has its line in the evidence table of docs/testing.md, and no other.
#   evidence_table.sh REPOSITORY
set -euo pipefail
cd "$1"
listed=$(sed -n '/^## Evidence/,$ s/^| \([a-z0-9_]*\)\( (CUB)\)\? | .*/\1/p' docs/testing.md | grep -vx kernel | sort)
there=$(ls kernels/*/cuda.cu kernels/*/cub.cu 2>/dev/null | cut -d/ -f2 | sort -u)
diff <(echo "$listed") <(echo "$there") && exit 0
echo "docs/testing.md (<) and kernels (>) differ"
exit 1
