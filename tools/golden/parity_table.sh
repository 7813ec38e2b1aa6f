#!/usr/bin/env bash
# Prints the table of docs/parity.md: of every case the worst array in fp32, the array whose error
# is the largest multiple of the reference's own fp32 error, and the largest error in fp64 against
# fp64 arrays. Cases of kinds that golden_runner does not know are left out.
#   tools/golden/parity_table.sh GOLDEN_RUNNER FOLDER
set -euo pipefail
runner=$1 folder=$2

# The exit code of golden_runner tells of failed and unknown cases; the table shows failed ones.
fp32=$("$runner" --verbose "$folder" 2>/dev/null) || true
fp64=$("$runner" --precision fp64 --verbose "$folder" 2>/dev/null) || true

echo "| case | worst array (fp32) | error | limit | margin |" \
  "largest multiple | error | reference's | fp64 |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
awk '
function finish() {
  if (row == "") return
  if (ratio > 0) printf "%s `%s` %.1f | %s | %s |", row, ratio_array, ratio, ratio_error, ratio_own
  else printf "%s - | - | - |", row
  printf " %s |\n", (name in worst) ? sprintf("%.2g", worst[name]) : "-"
}
FNR == NR && /^(PASS|FAIL|UNKNOWN) / { name = $2 }
FNR == NR && /^ / && $3 == "limit=1e-09" && $1 != "output.lrs" {
  error = substr($2, 5) + 0
  if (!(name in worst) || error > worst[name]) worst[name] = error
}
FNR == NR { next }
/^(PASS|FAIL|UNKNOWN|[0-9]+ passed)/ { finish(); row = ""; ratio = 0 }
/^(PASS|FAIL) / {
  name = $2
  error = substr($4, 5)
  limit = substr($5, 7)
  row = sprintf("| %s | `%s` | %s | %s | %.0f |", $2 ($1 == "FAIL" ? " (fails)" : ""), $3, error,
                limit, (error > 0) ? limit / error : 0)
}
/^ / && $4 ~ /^reference=/ {
  error = substr($2, 5) + 0
  own = substr($4, 11) + 0
  floor = own > 6e-8 ? own : 6e-8  # one rounding of fp32
  if (error / floor > ratio) {
    ratio = error / floor
    ratio_array = $1
    ratio_error = substr($2, 5)
    ratio_own = substr($4, 11)
  }
}' <(echo "$fp64") <(echo "$fp32")
