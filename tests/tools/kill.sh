#!/usr/bin/env bash
# kill.sh ITO WORK [KILLS [TERMS [SEED]]]: a training killed at random times, with checkpoints every
# one to three steps, ends with the files of one that was left alone; SIGTERM at random times saves
# and exits with 75. By hand: kill.sh ITO WORK 50 20.
source "$(dirname "$0")/common.sh"
kills=${3:-8} terms=${4:-4} seed=${5:-1}

steps=40
options=("${tiny[@]}" --max-steps $steps --threads 1 --set train.keep=2 --set train.sample_every=20
         --set data.random_flip=true)
start() {  # run, steps per checkpoint: in the background
  "$ito" train "${options[@]}" --save-every "$2" --out "$1" >>"$1.log" 2>&1 &
  process=$!
}
now() { date +%s%N; }
at() { awk -v n="$1" -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i <= n; ++i) x = rand(); print x }'; }
attempt=0
# nap: a random part of $span nanoseconds, about what a whole run takes.
nap() {
  attempt=$((attempt + 1))
  sleep "$(awk -v x="$(at $attempt)" -v span="$span" 'BEGIN { printf "%.3f", x * span / 1e9 }')"
}
# The speed of the machine may change: a run that ended before the signal makes the span shorter, one
# that has saved nothing new makes it longer.
shorter() { span=$((span * 3 / 4)); }
longer() { span=$((span * 5 / 4)); }
newest() { cat "$1/checkpoints/LATEST" 2>/dev/null || echo none; }
# check_whole RUN EVERY: the run is over, and as it should be.
check_whole() {
  same_run "whole_$2" "$1"
  diff -r "whole_$2/samples" "$1/samples" || die "grids of $1"
  [ "$(ls "$1/checkpoints" | wc -l)" = 3 ] || die "checkpoints of $1: $(ls "$1/checkpoints")"
  [ -z "$(temporaries "$1")" ] || die "left behind: $(temporaries "$1")"
}
temporaries() { find "$1" -name '*.tmp-*' 2>/dev/null || true; }
# readable RUN: if it has a checkpoint, one can be read.
readable() {
  if ls -d "$1"/checkpoints/step_* >checkpoints.log 2>&1; then
    "$ito" info "$1" >info.log 2>&1 || die "no readable checkpoint in $1: $(cat info.log)"
  fi
}

for every in 1 2 3; do
  began=$(now)
  start whole_$every $every
  wait $process || { cat whole_$every.log; die "whole_$every"; }
  span=$(($(now) - began))
done
! cmp -s whole_1/checkpoints/step_000000$steps/model.safetensors \
  whole_1/checkpoints/step_000000$((steps - 1))/model.safetensors || die "nothing is learnt"

run=0 landed=0 half_written=0
next() { run=$((run + 1)) every=$((run % 3 + 1)); }
next
while [ $landed -lt "$kills" ]; do
  before=$(newest killed_$run)
  start killed_$run $every
  nap
  kill -KILL $process 2>/dev/null || true
  code=0
  wait $process 2>/dev/null || code=$?
  if [ $code = 137 ]; then
    landed=$((landed + 1))
    [ -z "$(temporaries killed_$run)" ] || half_written=$((half_written + 1))
    readable killed_$run
    [ "$(newest killed_$run)" != "$before" ] || longer
  else
    [ $code = 0 ] || { cat killed_$run.log; die "exit code $code of killed_$run"; }
    check_whole killed_$run $every
    next
    shorter
  fi
done
start killed_$run $every
wait $process || { cat killed_$run.log; die "killed_$run does not go on"; }
check_whole killed_$run $every
killed_runs=$run

saved=0 run=0
next
while [ $saved -lt "$terms" ]; do
  start ended_$run $every
  until [ -e ended_$run/run.lock ]; do sleep 0.01; done
  nap
  kill -TERM $process 2>/dev/null || true
  code=0
  wait $process 2>/dev/null || code=$?
  if [ $code = 75 ]; then
    saved=$((saved + 1))
    [ "$(tail -n 1 ended_$run.log)" = 'interrupted and saved; go on with the same command' ] ||
      die "after SIGTERM: $(tail -n 1 ended_$run.log)"
    [ -z "$(temporaries ended_$run)" ] || die "left behind: $(temporaries ended_$run)"
    [ -e ended_$run/checkpoints/LATEST ] || die "nothing was saved"
    readable ended_$run
  else
    [ $code = 0 ] || { cat ended_$run.log; die "exit code $code after SIGTERM"; }
    check_whole ended_$run $every
    next
    shorter
  fi
done
start ended_$run $every
wait $process || { cat ended_$run.log; die "ended_$run does not go on"; }
check_whole ended_$run $every

echo "$landed kills in $killed_runs runs, $half_written of them in the middle of writing;" \
  "$saved times SIGTERM in $run runs: every run ended as if left alone"
