#!/usr/bin/env bash
# classifier.sh ITO WORK [full]: training a classifier, going on with it, what it reports and what
# it refuses. `full`, by hand: the preset classifier/demo learns its digits (half a minute).
source "$(dirname "$0")/common.sh"

tiny=(--preset classifier/demo --set train.batch=8 --set model.nf=8 --set train.log_every=2
      --set train.save_every=4 --set train.sample_every=8 --set train.keep=100)
train() {  # run, options
  local run=$1
  shift
  quiet "$run" "$ito" train "${tiny[@]}" --out "$run" "$@"
}

train whole --max-steps 11
for stop in 3 8; do
  train "at_$stop" --max-steps $stop
  train "at_$stop" --max-steps 11 --threads $((stop % 2 + 1))
  same_run whole "at_$stop"
  cmp whole/accuracy.json "at_$stop/accuracy.json" || die "accuracies of at_$stop differ"
done
# Other noise, other weights: the comparison above can fail.
train other --max-steps 11 --seed 7
! cmp -s whole/accuracy.json other/accuracy.json || die "the seed does not matter"

grep -q '"loss": [0-9.]*, "accuracy": [01]' whole/metrics.jsonl || die "no accuracy in metrics.jsonl"
grep -q '"step": 11' whole/accuracy.json || die "accuracy.json is not of the last step"
[ "$(grep -c '"sigma": .*"accuracy": .*"images": 1024' whole/accuracy.json)" = 11 ] ||
  die "accuracy.json lacks levels"
[ "$(grep -c '^  sigma .* accuracy' whole.log)" = 22 ] || die "no table of accuracies"
[ -z "$(ls whole/samples)" ] || die "samples of a classifier"
train ve --max-steps 2 --set sde.name=ve --set data.centered=false --set model.fourier_scale=16
grep -q '"sigma": 49.9*' ve/accuracy.json || grep -q '"sigma": 50,' ve/accuracy.json ||
  die "VE is not reported up to sigma_max"
"$ito" info whole >info.log
grep -q 'objective.kind = "classifier"' info.log || die "ito info does not say what it is"
grep -q '^head.linear .*\[1,10\]' info.log || die "ito info shows no head"

bad() { refused "$1" "$2" "$ito" train "${tiny[@]}" --max-steps 2 --out new "${@:3}"; }
refused 204 whole/checkpoints/step_00000011/ema.safetensors "$ito" sample whole --grid grid.png
grep -q 'is a classifier of 10 classes' err.log || die "it is not said what a classifier is"
bad 204 'data.name: "swiss_roll" has no labels' --set data.name=swiss_roll --set data.channels=2 \
  --set data.image_size=0
bad 204 model.num_classes --set model.num_classes=7
bad 203 model.num_classes --set model.num_classes=-1
bad 203 data.image_size --set data.image_size=18
bad 203 model.depth --set model.depth=12
bad 203 model.widen_factor --set model.widen_factor=0
bad 203 model.embedding_type --set model.embedding_type=positional
bad 203 model.conditional --set model.conditional=false
bad 204 model.name --set model.name=ncsnpp --set model.num_classes=0
bad 204 model.name --set objective.kind=dsm
bad 204 objective.kind --set objective.continuous=false
bad 204 objective.likelihood_weighting --set objective.likelihood_weighting=true
bad 203 objective.kind --set objective.kind=classify
# Labelled images to train on, none to be tested with.
mkdir half
{ printf '\3'; head -c 3072 /dev/zero; } >half/data_batch_1.bin
bad 301 half --set data.name=cifar10 --set data.path=half --set data.image_size=32 \
  --set data.channels=3

if [ "${3:-}" = full ]; then
  quiet full "$ito" train --preset classifier/demo --out full
  cat full/accuracy.json
  awk -F'[:,]' '/"sigma"/ { exit !($6 > 0.9) }' full/accuracy.json || die "it has not learnt"
fi
echo "a classifier trains, goes on, reports and refuses"
