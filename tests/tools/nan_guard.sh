#!/usr/bin/env bash
# nan_guard.sh ITO WORK DOCUMENT: trainings whose numbers overflow stop, skip the step, or roll back;
# and every field that a run writes is described in DOCUMENT.
document=$(realpath "$3")
source "$(dirname "$0")/common.sh"

# train CODE RUN OPTIONS...: must exit with CODE.
train() {
  local wanted=$1 run=$2 code=0
  shift 2
  "$ito" train "$@" --out "$run" >"$run.log" 2>&1 || code=$?
  [ $code = "$wanted" ] || { cat "$run.log"; die "exit code $code, not $wanted: $run"; }
}
# says RUN PATTERN: the last line of the log.
says() { [[ $(tail -n 1 "$1.log") == $2 ]] || die "$1 says: $(tail -n 1 "$1.log")"; }
count() { grep -c "$1" "$2" || true; }
newest() { basename "$(ls -d "$1"/checkpoints/step_* | tail -n 1)"; }

# A rate that makes the weights so large after one update that the network overflows: the loss of the
# next step is named, and the checkpoint before it stays.
wild=("${tiny[@]}" --set optim.lr=1e30 --set optim.warmup=0 --set train.sample_every=0
      --set train.eval_every=0 --max-steps 300)
train 7 stop "${wild[@]}" --save-every 1
says stop 'error\[E701\] training: the loss is not finite at step 1; fix: *'
[ "$(count '^error' stop.log)" = 1 ] || die "more than one line of error"
[ "$(newest stop)" = step_00000001 ] || die "newest checkpoint: $(newest stop)"
"$ito" info stop >info.log || die "the last good checkpoint cannot be read"
train 7 stop "${wild[@]}" --save-every 1  # the same again
[ "$(newest stop)" = step_00000001 ] || die "newest checkpoint: $(newest stop)"

# Weights that are not finite themselves are named, and never saved.
train 7 weights "${wild[@]}" --set optim.lr=1e39 --save-every 1
says weights 'error\[E701\] training: parameter * is not finite at step 1; fix: *'
[ -z "$(ls weights/checkpoints 2>/dev/null)" ] || die "saved: $(ls weights/checkpoints)"

# Skipping does not help here, and ends after a hundred times; neither does going back.
train 7 skip "${wild[@]}" --on-nonfinite skip
says skip 'error\[E701\] training: the loss is not finite at step 101; fix: *'
[ "$(count '"nonfinite": "the loss", "skipped"' skip/metrics.jsonl)" = 100 ] || die "skipped steps"
train 7 rollback "${wild[@]}" --on-nonfinite rollback --save-every 1
says rollback 'error\[E701\] training: the loss is not finite at step 1; fix: *'
[ "$(count 'back to step 1, and on with other draws' rollback.log)" = 10 ] || die "rollbacks"

# Noise levels of which only the largest are too large to be squared in fp32: a few steps fail, by
# their draws.
large=(--preset toy2d --set train.batch=4 --set model.nf=8 --set model.num_res_blocks=1
       --set sde.name=ve --set data.centered=false --set model.embedding_type=fourier
       --set sde.sigma_max=1e10 --set sampling.predictor=reverse_diffusion --set optim.warmup=10
       --set train.sample_every=0 --set train.log_every=4 --set train.save_every=3
       --set train.eval_every=5 --set train.eval_images=10 --set train.keep=100)
train 7 large_stop "${large[@]}" --max-steps 60
for policy in skip rollback; do
  train 0 $policy-whole "${large[@]}" --max-steps 60 --on-nonfinite $policy
  train 0 $policy-parts "${large[@]}" --max-steps 17 --on-nonfinite $policy
  train 0 $policy-parts "${large[@]}" --max-steps 38 --on-nonfinite $policy --threads 1
  train 0 $policy-parts "${large[@]}" --max-steps 60 --on-nonfinite $policy --threads 2
  same_run $policy-whole $policy-parts
done
# Stopped right after a skipped step, between two lines of metrics.
stop=$(awk -F'[ ,]' '/"skipped"/ && ($2 + 1) % 4 { print $2 + 1; exit }' skip-whole/metrics.jsonl)
train 0 skip-at "${large[@]}" --max-steps "$stop" --on-nonfinite skip
train 0 skip-at "${large[@]}" --max-steps 60 --on-nonfinite skip
same_run skip-whole skip-at
skipped=$(count '"skipped"' skip-whole/metrics.jsonl)
rollbacks=$(count '"rollbacks"' rollback-whole/metrics.jsonl)
[ "$skipped" -ge 2 ] || die "$skipped steps skipped: nothing tested"
[ "$rollbacks" -ge 2 ] || die "$rollbacks rollbacks: nothing tested"
[ "$(count ': no update (' skip-whole.log)" = "$skipped" ] || die "skipped steps are not told"
grep -q "\"skipped\": *$skipped[,}]" skip-whole/checkpoints/step_00000060/state.json ||
  die "state.json: $(cat skip-whole/checkpoints/step_00000060/state.json)"
[ -d rollback-whole/checkpoints/step_00000000 ] || die "nothing to go back to at first"
if grep -q 'nan\|inf' ./*/metrics.jsonl ./*/timing.jsonl; then die "lines that are not JSON"; fi

# After a rollback everything is drawn with the seed plus 0x9e3779b97f4a7c15: here 5, modulo 2^64.
far=7046029254386353136
drawn=("${tiny[@]}" --set data.random_flip=true --set model.dropout=0.1 --set train.sample_every=0)
train 0 far "${drawn[@]}" --seed $far --max-steps 4
cp -r far back
sed -i 's/"rollbacks":0/"rollbacks":1/' back/checkpoints/step_00000004/state.json
train 0 back "${drawn[@]}" --seed $far --max-steps 8
train 0 near "${drawn[@]}" --seed 5 --resume far --max-steps 8
train 0 far "${drawn[@]}" --seed $far --max-steps 8
moments=checkpoints/step_00000008/optim.safetensors
cmp back/$moments near/$moments || die "the draws after a rollback"
! cmp -s back/$moments far/$moments || die "a rollback changes nothing"

# What a run folder holds, and every field of it, is documented.
train 0 classifier --preset classifier/demo --set train.batch=8 --set model.nf=8 --max-steps 2 \
  --set train.log_every=1
train 0 first "${tiny[@]}" --max-steps 4
train 0 second "${tiny[@]}" --resume first --max-steps 5
fields=0
for field in $(cat ./*/{metrics,timing,environment}.jsonl ./*/accuracy.json \
                   ./*/checkpoints/*/state.json | grep -o '"[a-z_]*":' | tr -d '":' | sort -u); do
  grep -q "\`$field\`" "$document" || die "the field $field is not in $document"
  fields=$((fields + 1))
done
[ $fields -ge 20 ] || die "only $fields fields found"
for file in $(ls classifier second second/checkpoints/step_00000005 | grep -v : | sort -u); do
  grep -q "$file" "$document" || die "$file is not in $document"
done
echo "$skipped steps skipped, $rollbacks rollbacks, $fields fields documented"
