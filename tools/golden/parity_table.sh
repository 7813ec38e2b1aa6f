#!/usr/bin/env bash
# Prints the table of docs/parity.md: the worst array of every case in fp32, and the largest error
# against fp64 arrays in fp64. Cases of kinds that golden_runner does not know are left out.
#   tools/golden/parity_table.sh GOLDEN_RUNNER FOLDER
set -euo pipefail
runner=$1 folder=$2

# The exit code of golden_runner tells of failed and unknown cases; the table shows failed ones.
fp32=$("$runner" "$folder" 2>/dev/null) || true
fp64=$("$runner" --precision fp64 --verbose "$folder" 2>/dev/null) || true

echo "| case | worst array (fp32) | error | limit | margin | error in fp64 |"
echo "| --- | --- | --- | --- | --- | --- |"
awk '
FNR == NR && /^(PASS|FAIL|UNKNOWN) / { name = $2 }
FNR == NR && /^ .* limit=1e-09$/ {
  error = substr($2, 5) + 0
  if (!(name in worst) || error > worst[name]) worst[name] = error
}
FNR == NR { next }
/^(PASS|FAIL) / {
  error = substr($4, 5)
  limit = substr($5, 7)
  name = $2 ($1 == "FAIL" ? " (fails)" : "")
  margin = (error > 0) ? limit / error : 0
  exact = ($2 in worst) ? sprintf("%.2g", worst[$2]) : "-"
  printf "| %s | `%s` | %s | %s | %.0f | %s |\n", name, $3, error, limit, margin, exact
}' <(echo "$fp64") <(echo "$fp32")
