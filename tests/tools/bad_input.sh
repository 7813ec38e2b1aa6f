#!/usr/bin/env bash
# bad_input.sh ITO WORK: every mistake is answered with one line that names its place, with the exit
# code of its kind, and with nothing written.
source "$(dirname "$0")/common.sh"
cases=0

files() { find . ! -name 'expect.*' \( -type d -printf '%P/\n' -o -printf '%P %s %T@\n' \) | sort; }

# expect NUMBER SUBJECT COMMAND...: error[ENUMBER] SUBJECT..., exit code, no file new or changed.
# SUBJECT is the beginning of what follows the number.
expect() {
  local number=$1 subject=$2 code=0 before line
  shift 2
  before=$(files)
  "$@" >expect.out 2>expect.err || code=$?
  line=$(tail -n 1 expect.err)
  [ $code = ${number:0:1} ] || die "exit code $code instead of ${number:0:1}: $* ($line)"
  [ "$(grep -c '^error' expect.err)" = 1 ] || die "not one line of error: $* ($(cat expect.err))"
  [[ $line == "error[E$number] $subject"* && $line == *": "*"; fix: "* ]] || die "other message: $* ($line)"
  if grep -q '[^[:print:]]' <<<"$line"; then die "control bytes: $*"; fi
  [ "$before" = "$(files)" ] || die "files left: $* ($(diff <(echo "$before") <(files)))"
  cases=$((cases + 1))
}
bad_train() { expect "$1" "$2" "$ito" train "${tiny[@]}" --max-steps 2 --out new "${@:3}"; }
bad_sample() { expect "$1" "$2" "$ito" sample run "${@:3}" --grid grid.png; }

quiet run "$ito" train "${tiny[@]}" --max-steps 8 --out run
quiet wide "$ito" train "${tiny[@]}" --set model.nf=12 --max-steps 1 --out wide
echo 'some lines of text' >file
touch expect.out expect.err

# The command line and the configuration.
expect 201 'command line: names no' "$ito"
expect 201 'command line: ' "$ito" paint
expect 201 'command line: ' "$ito" train --bogus
expect 201 'ito train' "$ito" train --out new
expect 201 --out "$ito" train --preset demo
expect 202 --preset "$ito" train --preset dmeo --out new
expect 301 maybe "$ito" train --preset demo --resume maybe --out new
expect 201 'command line: --on-nonfinite' "$ito" train --preset demo --on-nonfinite hope --out new
expect 203 --device "$ito" train --preset demo --device tpu --out new
expect 501 '--device cuda' env CUDA_VISIBLE_DEVICES= "$ito" train --preset demo --device cuda --out new
for option in --steps --batch; do bad_sample 201 "command line: $option" $option 0; done
bad_sample 201 'command line: --steps' --steps -3
bad_sample 201 'command line: --seed' --seed -1
bad_sample 201 'command line: --threads' --threads -1
for option in --seed --max-minutes; do
  expect 201 "command line: $option" "$ito" train --preset demo --out new $option -4
done
expect 201 'command line: --max-steps' "$ito" train --preset demo --out new --max-steps 0
bad_train 202 '--set: there is no key "model.nff"' --set model.nff=16
bad_train 202 '--set: there is no key "a\x0Ab"' --set $'a\nb=1'
bad_train 203 '--set: model.nf' --set model.nf=many
bad_train 203 '--set: optim.lr' --set optim.lr=nan
bad_train 203 '--set: model.ch_mult' --set 'model.ch_mult=[1,x]'
bad_train 201 '--set: "model.nf" has no =' --set model.nf
bad_train 203 model.nf --set model.nf=7
bad_train 203 'model.nf: makes a norm of 144 channels' --set model.nf=24 --set 'model.ch_mult=[1,3,3]'
bad_train 203 train.batch --set train.batch=0
bad_train 204 data.centered --set data.centered=false
bad_train 204 data.image_size --set data.image_size=18
bad_train 204 objective.continuous --set sde.name=ve --set data.centered=false --set model.scale_by_sigma=true
bad_train 202 data.name --set data.name=photos
bad_train 203 train.on_nonfinite --set train.on_nonfinite=hope
toml() { printf "$1" >bad.toml; bad_train "$2" "bad.toml: $3" --config bad.toml; }
toml '[model\nnf = 8\n' 205 'line 1'
toml '[model]\nnf = 8\nnf = 12\n' 205 'line 3'
toml '[model]\nnff = 8\n' 202 'there is no key "model.nff"'
toml '[model]\nnf = "wide"\n' 203 'model.nf'
toml '[model]\nnf = 2020-01-01\n' 203 'model.nf'
toml '[model]\nnf = [[1]]\n' 203 'model.nf'
toml '\xff\xfe' 205 'line 1'
toml '[data]\npath = "a\xff"\n' 205 'line 2'
# Which would be missed only when the first checkpoint is written.
for name in $'a\xff' $'a\xc0\xaf' $'a\xed\xa0\x80'; do
  bad_train 203 'data.path: "a\x' --data "$name"
  bad_train 203 'data.path: "a\x' --set "data.path=$name"
done
bad_train 301 none.toml --config none.toml
bad_train 301 run --config run
expect 201 'ito info' "$ito" info run --preset demo
expect 201 'ito info' "$ito" info --set model.nf=8

# Data.
idx() { printf "$1" >data/train-images-idx3-ubyte; }
mnist=(--preset mnist --set model.nf=8)
bad_data() { expect "$1" "$2" "$ito" train "${mnist[@]}" --data data --out new; }
bad_data 301 data
mkdir data
bad_data 301 data
printf '\0\0\10\1\0\0\0\2\1\2' >data/train-labels-idx1-ubyte
idx '\0\0\10\3\0\0\0\2\0\0\0\34\0\0\0\34only this'
bad_data 302 data/train-images
gzip -k data/train-images-idx3-ubyte
rm data/train-images-idx3-ubyte
truncate -s -9 data/train-images-idx3-ubyte.gz
bad_data 302 data/train-images
rm data/*.gz
idx '\0\0\10\1\0\0\0\2\0\0\0\34\0\0\0\34'
bad_data 303 data/train-images
idx ''
bad_data 302 data/train-images
expect 203 data.path "$ito" train "${mnist[@]}" --out new
expect 301 data/none "$ito" train "${mnist[@]}" --set data.name=cifar10 --data data/none --out new

# Output.
bad_out() { expect "$1" "$2" "$ito" train "${tiny[@]}" --max-steps 9 --out "${@:2}"; }
bad_out 401 file/new
bad_out 401 file
bad_out 402 run --resume never
bad_sample 401 none/grid.png --trajectory none/grid.png
bad_sample 401 run --trajectory run
bad_sample 401 file --png file
bad_sample 401 file/png --png file/png
# Noticed before the work: nothing is said but the error, and data that is not there is not missed yet.
early() { expect 401 "$@"; [ "$(wc -l <expect.err)" = 1 ] || die "late: $* ($(cat expect.err))"; }
mkdir pictures folder folder/{grid,two_moons_dsm}.png
cp run/samples/step_00000008.png pictures
for place in file/new /proc/ito; do
  early $place "$ito" train --preset mnist --data none --out $place
  early $place "$ito" demo --out $place
  early $place "$ito" toy --out $place
  for writer in "data pack --data pictures --out" "sample run --grid" "sample run --npz" "sample run --png" \
      "edit encode run --input none --out" "eval run --data none --stats-out" "likelihood run --csv" \
      "report none --out" "convert none --out"; do
    early $place "$ito" $writer $place
  done
done
early folder/grid.png "$ito" demo --out folder
early folder/two_moons_dsm.png "$ito" toy --out folder
for name in samples checkpoints events; do
  mkdir taken && touch taken/$name
  early "taken/$name: cannot be created" "$ito" train --preset mnist --data none --out taken
  rm -r taken
done
for name in run.lock config.toml metrics.jsonl timing.jsonl environment.jsonl checkpoints/LATEST; do
  mkdir -p taken/$name
  early "taken/$name: is no file" "$ito" train --preset mnist --data none --out taken
  rm -r taken
done
mkdir run/eval.jsonl
early run/eval.jsonl "$ito" eval run --data none --metrics swd
rmdir run/eval.jsonl
flock run/run.lock sleep 60 &
locker=$!
until ! flock -n run/run.lock true; do sleep 0.02; done
bad_out 403 run
pkill -P $locker
wait $locker || true

expect_full() { "$@" >/dev/full; }
expect 401 'standard output' expect_full "$ito" info run

# Weights and checkpoints.
for seeds in '' x 5- -5 3-1 1,,2 ' 1' 1-2-3 0-99999999 4294967296 99999999999999999999; do
  bad_sample 203 "--seeds: \"$seeds\"" --seeds "$seeds"
done
bad_sample 201 '--set: "model.nf=8"' --set model.nf=8
bad_sample 202 '--set: there is no key' --set sampling.stepps=8
bad_sample 204 sampling.steps --set sampling.corrector=langevin
bad_sample 204 sampling.steps --reference
bad() { expect "$1" "$2" "$ito" sample "$3" --grid grid.png; }
mkdir empty
bad 301 none none
bad 301 "$(printf 'n%.0s' {1..300})" "$(printf 'n%.0s' {1..300})"
bad 301 empty empty
bad 303 file file
cp run/checkpoints/step_00000008/ema.safetensors good
optim=run/checkpoints/step_00000008/optim.safetensors
bad 304 $optim $optim
head -c 100 good >short
bad 302 short short
head -c -7 good >shorter
bad 302 shorter shorter
{ head -c 8 good; printf 'x'; tail -c +10 good; } >header
bad 303 header header
{ printf '\xff\xff\xff\xff\xff\xff\xff\xff'; tail -c +9 good; } >length
bad 303 length length
# A checkpoint of another network, by its file or by the configuration.
cp -r run mixed
cp wide/checkpoints/step_00000001/model.safetensors mixed/checkpoints/step_00000008/
bad_out 304 mixed
bad_out 304 run --set model.nf=12
# Beginning with another run: none there, another network though all its tensors fit, a run of one's
# own already there.
bad_train 301 empty --resume empty
bad_train 301 file --resume file
wide=wide/checkpoints/step_00000001
bad_train 304 "$wide: model.nf is 12 there and 8 here" --resume wide
bad_train 304 "$wide: model.nonlinearity is" --resume $wide --set model.nf=12 \
  --set model.nonlinearity=elu
bad_out 402 run --resume wide --set model.nf=12
cp -r wide torn
truncate -s -5 torn/checkpoints/step_00000001/optim.safetensors
bad_train 302 torn/checkpoints/step_00000001/optim.safetensors --resume torn --set model.nf=12
rm -r torn
# Checkpoints that are all damaged are not trained over.
cp -r run broken
for step in broken/checkpoints/step_*; do truncate -s -1 "$step/optim.safetensors"; done
bad_out 302 broken
bad 302 broken broken
echo '{}' >broken/checkpoints/step_00000008/state.json
bad_out 303 broken
# Weights whose configuration does not hold: the same length, so that the header stays whole.
for change in 's/nf\\":8/nf\\":7/' 's/nf\\":8/nf\\":0/' 's/nf\\":8/nf\\":-/' \
    's/"num_scales\\":1000/"num_scales\\":-999/' 's/name\\":\\"vp/name\\":\\"vq/'; do
  sed "$change" good >changed
  ! cmp -s good changed || die "nothing changed by $change"
  bad 303 changed changed
done
echo "$cases mistakes answered"
