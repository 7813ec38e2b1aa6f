#!/usr/bin/env bash
# transcript.sh ITO WORK JSON_CHECK SCHEMA [FILES]: a user's first days, every subcommand from its
# help to its files. Results go to standard output, progress to standard error; neither has control
# bytes where there is no terminal; colours end with NO_COLOR; --json prints one object with the
# keys and types that SCHEMA (docs/json.md) lists. FILES holds Inception networks that PyTorch wrote,
# if it is installed.
json_check=$(realpath "$3") schema=$(realpath "$4") inception=$(realpath -m "${5:-none}/tiny.pth")
source "$(dirname "$0")/common.sh"
unset NO_COLOR
: >driven
mkdir json

# plain FILE: text without a terminal has no control bytes but the ends of lines.
plain() {
  [ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <"$1" | wc -c)" = 0 ] || die "control bytes: $(cat -v "$1")"
  [ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || die "the last line does not end: $(cat "$1")"
}

# What progress looks like: all that may stand on standard error.
progress='(training|resuming) .* at step [0-9]+: .*'
progress+='|step [0-9]+(/[0-9]+)?(  loss [0-9.]+  .* img/s  wait [0-9.]+ %  ETA [0-9:]+)?'
progress+='|(sampling: )?(step|image|samples|images|sample) [0-9]+/[0-9]+.*'
progress+='|[0-9]+ samples in [0-9:]+, [0-9]+ evaluations each, .*'
progress+='|peak memory [0-9.]+ [MG]iB on cpu|(training )?[a-z0-9_]+\.png|step_[0-9]+  samples .*'
progress+='|[^ ]*(\.safetensors|\.npz)( [a-z0-9_.= ]*)?: (metrics|in eval.jsonl already)'

# ran COMMAND...: notes which subcommand was run.
ran() {
  case $1 in
    edit | data) echo "ito $1 $2" >>driven ;;
    *) echo "ito $1" >>driven ;;
  esac
}

# step PATTERN COMMAND...: exit code 0; every line of standard output matches PATTERN, none if that is
# empty; the others are progress.
step() {
  local pattern=$1 code=0
  shift
  ran "$@"
  "$ito" "$@" >out 2>err || code=$?
  [ $code = 0 ] || die "exit code $code: ito $* ($(cat err))"
  plain out
  plain err
  if [ -z "$pattern" ]; then
    [ ! -s out ] || die "ito $* prints $(cat out)"
  else
    [ -s out ] || die "ito $* prints nothing"
    ! grep -Evx "$pattern" out >other || die "ito $* prints: $(cat other)"
  fi
  ! grep -Evx "$progress" err >other || die "ito $* says: $(cat other)"
}

# json SECTION LINES COMMAND...: that many lines, for the schema.
json() {
  local section=$1 lines=$2
  shift 2
  step '\{.*\}' "$@"
  [ "$(wc -l <out)" = "$lines" ] || die "not $lines line(s): $(cat out)"
  cat out >>"json/$section.jsonl"
}

# stopped RUN COMMAND...: stopped by SIGTERM after its first lines of metrics, it still prints its object.
stopped() {
  local run=$1 code=0 pid
  shift
  "$ito" "$@" --json >out 2>err &
  pid=$!
  until [ -s "$run/metrics.jsonl" ]; do kill -0 $pid || die "no step: $(cat err)"; sleep 0.05; done
  kill -TERM $pid
  wait $pid || code=$?
  [ $code = 75 ] || die "exit code $code after SIGTERM: $* ($(cat err))"
  [ "$(wc -l <out)" = 1 ] || die "not one line: $(cat out)"
  grep '"end":"interrupted"' out >/dev/null || die "$(cat out)"
  plain out
}

# wrote FILE...: there, and not empty.
wrote() {
  local file
  for file in "$@"; do [ -s "$file" ] || die "$file was not written"; done
}
one=(--threads 1)

# The program, the machine, help.
step 'ito [0-9.]+' --version
"$ito" manual markdown | sed -n 's/^## //p' | grep -v '^ito \(edit\|data\)$' >commands
step '.+|' --help
while read -r _ command sub; do
  step '.+|' "$command" ${sub:+"$sub"} --help
  grep "^Usage: ito $command${sub:+ $sub} " out >/dev/null || die "usage of $command $sub"
done <commands
: >driven
step '[A-Za-z]+ +.*' doctor
json 'ito doctor' 1 doctor --json
step '([a-z]+)? +.*|ito .*|.*: .*' info
step '.*' info --preset demo
json 'ito info' 1 info --json
json 'ito info, network' 1 info --preset demo --json
json 'ito info, network' 1 info --preset vp/ddpm/cifar10_unconditional --json
json 'ito info, network' 1 train --preset classifier/demo --dry-run --json
step '.+|' completion bash
step '.+|' manual man

# The first run: no data, no options.
step '.*(grid|trajectory).png .*|Try next:|  ito .*|' demo --minutes 0.001 --out demo "${one[@]}"
wrote demo/grid.png demo/trajectory.png demo/run/checkpoints/LATEST
stopped demo_json/run demo --out demo_json "${one[@]}"
cat out >>'json/ito demo.jsonl'
step '.*' train --preset demo --print-config
step '.*' train --preset demo --dry-run

# Training and going on; what was trained.
train=("${tiny[@]}" --set train.save_every=1000 "${one[@]}")
step '' train "${train[@]}" --max-steps 2 --out run
step '' train --out run --max-steps 4 "${one[@]}"
grep '^resuming run at step 2: ' err >/dev/null || die "not resumed: $(cat err)"
json 'ito train' 1 train "${train[@]}" --set model.num_classes=10 --max-steps 2 --out told --json
json 'ito train' 1 train --out told --json "${one[@]}"
stopped stopped train "${train[@]}" --max-steps 1000000 --out stopped
cat out >>'json/ito train.jsonl'
step '' train --preset classifier/demo --set train.batch=8 --set model.nf=8 --max-steps 2 \
  --set train.sample_every=0 --out classifier "${one[@]}"
wrote run/checkpoints/step_00000004/ema.safetensors run/samples/step_00000000.png run/metrics.jsonl
step '.*' info run
step '.*' info run --memory 20GiB
json 'ito info, network' 1 info run --memory 20GiB --json

# Samples, into every kind of file.
step 'checksum [0-9a-f]{16}' sample run --seeds 0-3 --grid grid.png --png pictures --npz all.npz \
  --raw raw.npz --trajectory way.png --animate way.webp --frames 3 "${one[@]}"
wrote grid.png pictures/seed_000003.png all.npz raw.npz way.png way.webp
step '[ .:=+*#%@-]+|checksum .*' sample run --seeds 0-3 --show "${one[@]}"
json 'ito sample' 1 sample run --seeds 0-4 --png pictures --json "${one[@]}"
json 'ito sample' 1 sample run --seeds 0-1 --class 3 --classifier classifier --json "${one[@]}"

# Edits.
a=pictures/seed_000000.png b=pictures/seed_000001.png
edit() { json 'ito edit' 1 edit "$@" --json "${one[@]}"; }
edit inpaint run --input $a --samples 2 --out inpainted.png
edit deblur run --input $a --sigma 0.7 --samples 2 --out sharp.png
edit encode run --input $a --tolerance 0.01 --out code.safetensors
edit decode run --input code.safetensors --tolerance 0.01 --out decoded.png
edit interpolate run --input $a --input $b --frames 3 --tolerance 0.1 --out between.png
step '' train "${train[@]}" --set data.channels=3 --set data.image_size=32 --max-steps 1 \
  --set train.sample_every=0 --out colours
json 'ito sample' 1 sample colours --seeds 0 --steps 2 --png colour --json "${one[@]}"
edit colorize colours --input colour/seed_000000.png --samples 1 --steps 2 --out coloured.png
edit superres colours --input $a --samples 1 --steps 2 --out large.png
wrote inpainted.png sharp.png code.safetensors decoded.png between.png coloured.png large.png
step 'evaluations [0-9]+, measurement error [0-9.e-]+ \(root mean square\)' \
  edit inpaint run --input $a --samples 1 --out again.png "${one[@]}"

# How good: likelihoods, metrics, all checkpoints and samplers.
likely=(--images 2 --tolerance 0.1 "${one[@]}")
step '(bits/dim|images|evaluations|conventions) .*' likelihood run "${likely[@]}" --csv bits.csv
[ "$(wc -l <bits.csv)" = 3 ] || die "bits.csv: $(cat bits.csv)"
json 'ito likelihood' 1 likelihood run "${likely[@]}" --json
json 'ito likelihood' 1 likelihood told "${likely[@]}" --class labels --json
few=(--samples 4 --reference-images 50 --directions 5 --pairs 50 "${one[@]}")
step '.*/ema.safetensors|  [a-z_]+ .*' eval run "${few[@]}"
evaluate() {  # lines, options
  local lines=$1
  json 'ito eval' "$lines" eval "${@:2}" --json
  [ "$lines" = 1 ] && return
  tail -n 1 out >>'json/ito eval, best.jsonl'
  sed -i '$d' 'json/ito eval.jsonl'
}
evaluate 1 run "${few[@]}" --classifier classifier --allow-small
evaluate 3 run "${few[@]}" --checkpoints all --metrics swd
evaluate 1 all.npz --data pictures --metrics energy
torch=(conditions.reference conditions.statistics conditions.inception conditions.resize)
unseen=("${torch[@]}" step weights 'failed[].data' 'failed[].objective' 'failed[].fact')
if [ -e "$inception" ]; then
  unseen=("${unseen[@]:${#torch[@]}}")
  step 'Inception network with [0-9]+ outputs' convert --inception "$inception" --out inception
  wanted=(--inception inception --reference-images 20 --samples 4 --allow-small "${one[@]}")
  quiet stats "$ito" eval run "${wanted[@]}" --metrics is --stats-out statistics.npz
  evaluate 1 run "${wanted[@]}" --metrics fid --statistics statistics.npz
  evaluate 1 all.npz --inception inception --metrics is --allow-small "${one[@]}"
else
  echo "no files of PyTorch: keys of fid not seen"
fi
step 'report.html' report run told --out report.html
wrote report.html
: >told/metrics.jsonl
json 'ito report' 1 report run told --out report.html --json

# Networks of others, speed, data sets, points of the plane.
step '[0-9]+ tensors' convert run/checkpoints/step_00000004/ema.safetensors --config run/config.toml \
  --out converted.safetensors
json 'ito convert' 1 convert run/checkpoints/step_00000004/ema.safetensors --config run/config.toml \
  --out converted.safetensors --json
step 'checksum .*' sample converted.safetensors --seeds 0 "${one[@]}"
bench=(--preset demo --set model.nf=8 --batch 1 --seconds 0 "${one[@]}")
step ' +images .*|(forward|training step) .*' bench "${bench[@]}"
json 'ito bench' 1 bench "${bench[@]}" --json
printf 'x,y\n0,0\n3,4\n1,1\n' >points.csv
cp $a pictures/twin.png
json 'ito data stats' 1 data stats --data pictures --json
json 'ito data check' 1 data check --data pictures --json
json 'ito data pack' 1 data pack --data pictures --out packed.ito --json
json 'ito data noise-scales' 1 data noise-scales --data packed.ito --json
json 'ito data noise-scales' 1 data noise-scales --data points.csv --json
step '[a-z]+ .*' data stats --data packed.ito
step '[a-z]+ .*' data check --data packed.ito
step '.*' data pack --data pictures --test-fraction 0.3 --out split.ito
step '.*' data noise-scales --data packed.ito
echo 'no picture' >pictures/torn.png
code=0
"$ito" data check --data pictures --json >>'json/ito data check.jsonl' 2>err || code=$?
[ $code = 3 ] && [ "$(grep -c '^error\[E303\] pictures/torn.png: ' err)" = 1 ] || die "check: $(cat err)"
json 'ito toy' 1 toy --data two_moons --objective dsm --steps 1 --out toy --json "${one[@]}"
wrote toy/two_moons_dsm.png toy/pitfall_mixing.png toy/pitfall_low_density.png

# Every subcommand was there; every --json has a schema, and holds to it.
diff <(sort -u commands) <(grep -v ' -' driven | sort -u) || die "subcommands that are not driven"
"$ito" manual markdown |
  awk '/^## /{ name = substr($0, 4) } /^\| `--json`/{ sub(/^ito edit .*/, "ito edit", name); print name }' |
  sort -u >with_json
diff with_json <(ls json | sed 's/\.jsonl$//; /, /d' | sort) || die "--json without a schema"
if grep '"gpus":\[\]' 'json/ito doctor.jsonl' >/dev/null; then
  for key in name compute_capability multiprocessors total_bytes free_bytes; do
    unseen+=("gpus[].$key")
  done
fi
"$json_check" "$schema" json "${unseen[@]}" || die "docs/json.md and the program differ"

# In a terminal: progress in one line, pictures in colours, and none of these with NO_COLOR.
escape=$(printf '\033')
if ! command -v script >/dev/null; then
  echo "no pseudo-terminal here (script, of util-linux): terminal and NO_COLOR not tested"
elif ! script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
  echo "no pseudo-terminal can be had: terminal and NO_COLOR not tested"
else
  in_terminal() { script -qec "$*" /dev/null </dev/null >typescript || die "in a terminal: $(cat -v typescript)"; }
  in_terminal "'$ito' sample run --seeds 0-1 --show --threads 1"
  grep "$escape\[38;2;" typescript >/dev/null || die "no colours in a terminal"
  grep "$escape\[K" typescript >/dev/null || die "no progress line in a terminal"
  in_terminal "NO_COLOR=1 '$ito' sample run --seeds 0-1 --show --threads 1"
  ! grep "$escape\[[0-9;]*m" typescript >/dev/null || die "colours in spite of NO_COLOR"
  in_terminal "'$ito' train --out run --max-steps 6 --threads 1"
  ! grep "$escape\[[0-9;]*m" typescript >/dev/null || die "training is coloured"
  in_terminal "'$ito' sample run --seeds 0-1 --json --threads 1 2>err >out"
  plain out
  plain err
  in_terminal "'$ito' sample run --seeds 0-1 --show --threads 1 >out"
  plain out
fi
NO_COLOR=1 "$ito" sample run --seeds 0-1 --show "${one[@]}" >out 2>err
plain out
plain err
echo "$(sort -u driven | wc -l) subcommands, all as their documents say"
