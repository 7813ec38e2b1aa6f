#!/usr/bin/env bash
# Checks that docs/errors.md lists exactly the numbers of engine/core/error_codes.h, and that each is
# used somewhere. Runs as a test.
#   tools/check_errors.sh [repository]
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

codes=$(sed -nE 's/^  ([a-z_]+) = ([0-9]+),.*/\1 \2/p' engine/core/error_codes.h | sort -k2)
documented=$(sed -nE 's/^\| E([0-9]+) \|.*/\1/p' docs/errors.md | sort)
status=0
if [ -z "$codes" ]; then echo "no codes found in engine/core/error_codes.h"; status=1; fi
for number in $documented; do
  grep -q " $number\$" <<<"$codes" || { echo "docs/errors.md lists E$number, which no code has"; status=1; }
done
while read -r name number; do
  grep -qx "$number" <<<"$documented" || { echo "docs/errors.md lacks E$number ($name)"; status=1; }
  grep -rqE "ErrorCode::$name\b" --include='*.cpp' --include='*.h' engine kernels models sde samplers tools ||
    { echo "E$number ($name) is never used"; status=1; }
done <<<"$codes"
exit "$status"
