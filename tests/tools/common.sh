# Sourced by the tests of the ito program. Needs $ito (the binary) and $work (an empty folder).
set -euo pipefail
ito=$(realpath "$1")
work=$2
source "$(dirname "${BASH_SOURCE[0]}")/../fresh_folder.sh"
fresh_folder "$work"
cd "$work"
unset ONEDNN_MAX_CPU_ISA

# A network of eight channels on the built-in digits: a step takes a few milliseconds.
tiny=(--preset demo --set train.batch=8 --set model.nf=8 --set sampling.steps=6
      --set train.log_every=2 --set train.save_every=4 --set train.sample_every=8
      --set train.eval_every=3 --set train.eval_images=10 --set train.keep=100)
# The same with everything that is special to the variance-exploding SDE.
tiny_ve=("${tiny[@]}" --set sde.name=ve --set data.centered=false
         --set model.embedding_type=fourier --set model.scale_by_sigma=true
         --set sampling.predictor=reverse_diffusion --set sampling.corrector=langevin)

die() { echo "FAILED: $*"; exit 1; }

# same_run A B: weights, averages, optimizer state, counters of the last step, and all metrics.
same_run() {
  local a b file
  a=$(ls -d "$1"/checkpoints/step_* | tail -n 1)
  b=$(ls -d "$2"/checkpoints/step_* | tail -n 1)
  [ "${a##*/}" = "${b##*/}" ] || die "$1 ends with ${a##*/}, $2 with ${b##*/}"
  for file in model.safetensors ema.safetensors optim.safetensors state.json; do
    cmp "$a/$file" "$b/$file" || die "$file of $1 and $2 differ"
  done
  cmp "$1/metrics.jsonl" "$2/metrics.jsonl" || die "metrics of $1 and $2 differ"
  [ "$(wc -l <"$1/metrics.jsonl")" -ge 4 ] || die "$1 has too few metrics to compare"
}

# quiet NAME COMMAND...: output into NAME.log, shown if it fails.
quiet() {
  local log=$1.log
  shift
  "$@" >"$log" 2>&1 || { cat "$log"; die "$*"; }
}

# refused NUMBER SUBJECT COMMAND...: one line on standard error that begins so, the exit code that
# goes with it, and no file or folder "new".
refused() {
  local number=$1 subject=$2 code=0
  shift 2
  "$@" >out.log 2>err.log || code=$?
  [ $code = "${number:0:1}" ] || die "exit code $code: $* ($(cat err.log))"
  [ "$(wc -l <err.log)" = 1 ] || die "not one line: $* ($(cat err.log))"
  [[ $(cat err.log) == "error[E$number] $subject"*"; fix: "* ]] || die "$*: $(cat err.log)"
  [ ! -e new ] || die "something was written: $*"
}

# png_size FILE: "width x height" from the header, after a check of the signature.
png_size() {
  local head
  head=$(od -An -v -tx1 -N24 "$1" | tr -d ' \n')
  [ "${head:0:32}" = 89504e470d0a1a0a0000000d49484452 ] || die "$1 is no PNG"
  echo "$((16#${head:32:8}))x$((16#${head:40:8}))"
}
