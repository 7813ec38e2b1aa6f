#!/usr/bin/env bash
# resume.sh ITO WORK: however a run is stopped, going on ends with the files of a run never stopped.
source "$(dirname "$0")/common.sh"

train() {  # run, options
  local run=$1
  shift
  quiet "$run" "$ito" train "${tiny[@]}" --out "$run" "$@"
}

train whole --max-steps 17

# At lines of metrics and between them, at checkpoints and between them, one step before the end.
for stop in 1 4 5 8 16; do
  train "at_$stop" --max-steps $stop
  [ -d "at_$stop/checkpoints/step_$(printf %08d $stop)" ] || die "no checkpoint of step $stop"
  train "at_$stop" --max-steps 17 --threads $((stop % 2 + 1))
  same_run whole "at_$stop"
done
# Several stops of one run, and going on with a run that is done.
for stop in 3 7 7 13 17 17; do train often --max-steps $stop; done
same_run whole often
train minutes --max-steps 17 --max-minutes 0.00001
[ "$(ls minutes/checkpoints | head -n 1)" != step_00000017 ] || die "--max-minutes did not stop"
train minutes --max-steps 17
same_run whole minutes

# Going on in another folder, with a run or with one of its checkpoints, gives the bytes of going on
# in place; the lines of metrics are those of the steps that are left.
same_end() {
  local last=checkpoints/step_00000017 file
  for file in model.safetensors ema.safetensors optim.safetensors state.json; do
    cmp "whole/$last/$file" "$1/$last/$file" || die "$file of $1"
  done
  tail -n "$(wc -l <"$1/metrics.jsonl")" whole/metrics.jsonl | cmp - "$1/metrics.jsonl" ||
    die "metrics of $1"
}
train begun --max-steps 9
train elsewhere --resume begun --max-steps 17
same_end elsewhere
grep -q 'at step 9:' elsewhere.log || die "elsewhere: $(cat elsewhere.log)"
[ "$(cat elsewhere/origin)" = "$PWD/begun" ] || die "origin: $(cat elsewhere/origin)"
train later --resume whole/checkpoints/step_00000012 --max-steps 17
same_end later
[ "$(wc -l <later/metrics.jsonl)" -ge 3 ] || die "later has too few metrics to compare"
# The same command again goes on with what it has begun.
train twice --resume begun --max-steps 13
train twice --resume begun --max-steps 17
same_end twice
# The checkpoint has the configuration, in another folder and in place.
quiet bare "$ito" train --resume begun --out bare --max-steps 17
same_end bare
quiet begun "$ito" train --out begun --max-steps 17
same_run whole begun

# long RUN: starts a training of $steps steps in the background and waits until it has saved once.
steps=400
long() {
  "$ito" train "${tiny[@]}" --set train.save_every=50 --set train.sample_every=1000 \
    --max-steps $steps --threads 1 --out "$1" >"$1.log" 2>&1 &
  process=$!
  until [ -s "$1/checkpoints/LATEST" ] || ! kill -0 $process 2>/dev/null; do sleep 0.02; done
}
finish() { long "$1"; wait $process || { cat "$1.log"; die "$1 did not go on"; }; }

finish long

for signal in INT TERM; do
  long $signal
  # While it runs, nobody else writes.
  code=0
  "$ito" train "${tiny[@]}" --max-steps 3 --out $signal >second.log 2>&1 || code=$?
  [ $code = 4 ] || die "exit code $code of a second writer: $(cat second.log)"
  [[ $(cat second.log) == "error[E403] $signal: "*'; fix: '* ]] || die "second: $(cat second.log)"
  kill -$signal $process
  code=0
  wait $process || code=$?
  [ $code = 75 ] || die "exit code $code after SIG$signal"
  grep -q 'interrupted and saved' $signal.log || die "SIG$signal: nothing said"
  last=$(basename "$(ls -d $signal/checkpoints/step_* | tail -n 1)")
  [ "$last" != "step_$(printf %08d $steps)" ] || die "SIG$signal came too late to test anything"
  [ "$last" = "$(cat $signal/checkpoints/LATEST)" ] || die "LATEST is not $last"
  finish $signal
  same_run long $signal
done

long killed
for _ in 1 2 3; do
  sleep 0.1
  kill -KILL $process 2>/dev/null || true
  wait $process 2>/dev/null || true
  "$ito" info killed >info.log || die "no readable checkpoint after SIGKILL"
  printf '{"step": 99' >>killed/metrics.jsonl  # what a crash in a write leaves
  long killed
done
wait $process || { cat killed.log; die "the killed run did not go on"; }
same_run long killed

# A damaged newest checkpoint gives way to the one before it, for sampling and for training.
for file in model ema optim; do
  rm -rf damaged
  cp -r at_8 damaged
  truncate -s -5 "damaged/checkpoints/step_00000017/$file.safetensors"
  "$ito" info damaged >info.log
  grep -q 'step_00000016/ema' info.log || die "damaged $file: another checkpoint is taken"
  train damaged --max-steps 17
  grep -q 'at step 16' damaged.log || die "damaged $file: resumed elsewhere"
  same_run whole damaged
done
# A crash between the rename of the last checkpoint and what follows it is mended by going on.
train tidied --max-steps 17 --set train.keep=1
cp -r tidied/checkpoints/step_00000017 tidied/checkpoints/step_00000016
echo step_00000016 >tidied/checkpoints/LATEST
train tidied --max-steps 17 --set train.keep=1
[ "$(ls tidied/checkpoints | tr '\n' ' ')" = 'LATEST step_00000017 ' ] || die "too many checkpoints are left"
[ "$(cat tidied/checkpoints/LATEST)" = step_00000017 ] || die "LATEST is not the newest"

# Stopped before the place of damaged checkpoints, a run keeps what it has just saved.
cp -r at_16 branch
for step in 00000012 00000016 00000017; do echo x >branch/checkpoints/step_$step/state.json; done
train branch --max-steps 9 --set train.keep=1
[ -d branch/checkpoints/step_00000009 ] || die "the checkpoint just saved is gone"
"$ito" info branch >info.log
grep -q 'step_00000009/ema' info.log || die "the checkpoint just saved is not taken"

# What --math fast chose for each convolution is written beside the run; exact mode chooses nothing.
ITO_CACHE_DIR=$PWD/plans "$ito" train "${tiny[@]}" --set model.nf=16 --max-steps 1 --math fast --out fast 2>/dev/null
grep -o '"conv2d_dw 3x3 f32, [^"]*": *{"kernel": *"[a-zA-Z]*"' fast/algorithms.json >/dev/null ||
  die "algorithms.json: $(cat fast/algorithms.json)"
[ -s plans/cpu_convolutions.txt ] || die "the choices are not kept"
[ -d whole ] && [ ! -e whole/algorithms.json ] || die "exact mode chose an algorithm"
echo "every stop goes on to the same end"
