#!/usr/bin/env bash
# The exit codes and the last line of golden_runner.
#   exit_codes.sh GOLDEN_RUNNER FOLDER_OF_GOOD_CASES SCRATCH_FOLDER
set -euo pipefail
runner=$1 cases=$2 scratch=$3
source "$(dirname "$0")/../fresh_folder.sh"
fresh_folder "$scratch"

expect() {  # wanted exit code, wanted text of the output's last line, command...
  local wanted=$1 text=$2 status=0 output
  shift 2
  output=$("$@" 2>&1) || status=$?
  if [ "$status" != "$wanted" ] || [[ "$(tail -n 1 <<<"$output")" != *"$text"* ]]; then
    echo "$*: exit code $status, wanted $wanted and \"$text\"; output:"
    echo "$output"
    exit 1
  fi
}

expect 0 "3 passed, 0 failed, 0 unknown" "$runner" "$cases"
expect 0 "1 passed, 0 failed, 0 unknown" "$runner" --filter '*_own_ncsnpp_*' "$cases"
expect 2 "error[E201]" "$runner" --precision fp16 "$cases"
expect 2 "error[E201]" "$runner"
expect 2 "error[E201]" "$runner" --filter 'nothing*' "$cases"
expect 3 "error[E301]" "$runner" "$scratch/absent"
expect 3 "error[E301]" "$runner" "$scratch"

# Symbolic links are followed. A case of a kind that is not known is neither passed nor failed.
ln -s "$(realpath "$cases/model_own_ddpmpp_vp.safetensors")" "$scratch/"
expect 0 "1 passed, 0 failed, 0 unknown" "$runner" "$scratch"
echo '{"category": "weather"}' >"$scratch/model_own_ddpmpp_vp.json"
expect 1 "0 passed, 0 failed, 1 unknown" "$runner" "$scratch"
echo '{"category": ' >"$scratch/model_own_ddpmpp_vp.json"
expect 3 "0 passed, 1 failed, 0 unknown" "$runner" "$scratch"
rm "$scratch/model_own_ddpmpp_vp.json"

# One sub-case of a layer file that is not known makes the file unknown.
ln -s "$(realpath "$cases/layer_own.safetensors")" "$scratch/"
echo '{"cases": {"AttnBlockpp_4": {"module": "layers.Whatever"}}}' >"$scratch/layer_own.json"
expect 1 "0 passed, 0 failed, 1 unknown" "$runner" --filter 'layer_*' "$scratch"
rm "$scratch/layer_own.json"
expect 0 "1 passed, 0 failed, 0 unknown" "$runner" --filter 'layer_*' "$scratch"
rm "$scratch/layer_own.safetensors"

# A file that ends early is a failure, and the others still run.
head -c 20000 "$cases/model_own_ncsnpp_ve.safetensors" >"$scratch/model_short.safetensors"
expect 3 "1 passed, 1 failed, 0 unknown" "$runner" "$scratch"
