#!/usr/bin/env bash
# eval.sh ITO WORK [FOLDER]: ito eval on a run, on finished samples and over checkpoints; it resumes,
# chooses the best, does not depend on batch or threads, and answers mistakes with one line.
# FOLDER holds what tests/metrics/write_inception_files.py wrote, if PyTorch is installed.
source "$(dirname "$0")/common.sh"
files=${3:-none}

quiet train "$ito" train "${tiny[@]}" --max-steps 8 --out run
quiet classifier "$ito" train --preset classifier/demo --set train.batch=8 --set model.nf=8 \
  --set train.sample_every=0 --max-steps 4 --out classifier
few=(--samples 20 --reference-images 300 --pairs 100 --directions 50)
evaluate() {  # name, options
  "$ito" eval "${@:2}" >"$1.out" 2>"$1.err" || { cat "$1.err"; die "$1: $*"; }
}
# number FILE METRIC: the value in the first line of JSON that has it.
number() { sed -nE "s/.*\"metrics\":.*\"$2\":([-0-9.e+]+).*/\1/p" "$1" | head -n 1; }

# One checkpoint: every offline metric, and the circumstances beside the numbers.
evaluate text run "${few[@]}" --classifier classifier --allow-small
for word in images swd energy memorization_ratio memorization_near_copies frechet; do
  grep -Eq "^  $word +[-0-9.e]+$" text.out || die "no $word in $(cat text.out)"
done
grep -q '^  reference  *digits, 300 images$' text.out || die "$(cat text.out)"
grep -q '^  sampler .*pc, 6 steps, ancestral_sampling + none, .*weights ema$' text.out ||
  die "$(cat text.out)"

# A series: one line each, the best of them; a second time nothing is computed.
evaluate series run "${few[@]}" --checkpoints all --json --metrics swd,energy,mmd
[ "$(wc -l <series.out)" = 3 ] || die "$(cat series.out)"
grep -q '^{"best":"run/checkpoints/step_0000000[48]/ema.safetensors","by":"energy","value":' \
  <(tail -n 1 series.out) || die "$(cat series.out)"
for step in 4 8; do
  sum=$(sha256sum <run/checkpoints/step_0000000$step/ema.safetensors)
  grep -q "\"checksum\":\"${sum%% *}\"" series.out || die "not the SHA-256 of step $step: $(cat series.out)"
done
lines=$(wc -l <run/eval.jsonl)
evaluate again run "${few[@]}" --checkpoints all --json --metrics swd,energy,mmd
cmp series.out again.out || die "a second time other numbers"
[ "$(grep -c 'in eval.jsonl already' again.err)" = 2 ] || die "$(cat again.err)"
[ "$(wc -l <run/eval.jsonl)" = "$lines" ] || die "eval.jsonl grew"
# Stopped in the middle: the last line is cut off, and that checkpoint alone is computed again.
cp run/eval.jsonl whole
truncate -s -40 run/eval.jsonl
evaluate resumed run "${few[@]}" --checkpoints 4,8 --json --metrics swd,energy,mmd
cmp series.out resumed.out || die "resumed: other numbers"
[ "$(grep -c 'in eval.jsonl already' resumed.err)" = 1 ] || die "$(cat resumed.err)"
evaluate parts run "${few[@]}" --checkpoints all --json --metrics swd,energy,mmd --seed 1
! cmp -s parts.out series.out || die "the seed does not matter"
evaluate best --best swd --checkpoints all "${few[@]}" --metrics swd,energy run
grep -q '^best by swd: run/' best.out || die "$(cat best.out)"
# The same numbers in any batch, on any threads.
for options in '--batch 3' '--threads 1' '--threads 3'; do
  rm run/eval.jsonl
  evaluate alone run "${few[@]}" --checkpoints all --json --metrics swd,energy,mmd $options
  cmp series.out alone.out || die "$options changes the numbers"
done

# Sweeps: the paper's Table 1 has ten cells; a grid is resumed cell by cell.
evaluate table run --samples 4 --reference-images 50 --metrics swd --directions 5 --sweep table1 \
  --set sampling.steps=100
[ "$(grep -c '^| run/.* C200 \|^| run/.* P100 \|^| run/.* P200 \|^| run/.* PC100 ' table.out)" = 10 ] ||
  die "$(cat table.out)"
grep '^| run/.*none C200 | [0-9.e-]* | 201 |$' table.out >/dev/null || die "$(cat table.out)"
grep '^| run/.*probability_flow PC100 | [0-9.e-]* | 201 |$' table.out >/dev/null || die "$(cat table.out)"
few_more=(--samples 4 --reference-images 50 --metrics swd --directions 5)
evaluate half run "${few_more[@]}" --sweep snr=0.1 --sweep steps=2,3
evaluate grid run "${few_more[@]}" --sweep snr=0.1,0.2 --sweep steps=2,3
[ "$(grep -c 'in eval.jsonl already' grid.err)" = 2 ] || die "$(cat grid.err)"
[ "$(grep -c '^| run/.* snr=0.[12] steps=[23] |' grid.out)" = 4 ] || die "$(cat grid.out)"
grep '^best by swd: run/.*snr=' grid.out >/dev/null || die "$(cat grid.out)"

# Finished samples: a data set against itself is at distance 0, and its images are copies.
quiet sample "$ito" sample run --seeds 0-19 --png pictures
evaluate folder pictures --data pictures --metrics swd --json
[ "$(number folder.out swd)" = 0.0 ] || die "$(cat folder.out)"
quiet many "$ito" sample run --seeds 0-219 --png many
evaluate copies many --data many --metrics memorization --json
[ "$(number copies.out memorization_closest_distance)" = 0.0 ] || die "$(cat copies.out)"
awk -v share="$(number copies.out memorization_near_copies)" 'BEGIN { exit !(share > 0.9) }' ||
  die "copies are not seen: $(cat copies.out)"
# The folder has rounded bytes, the run cut off ones: not far apart.
evaluate near run "${few[@]}" --data pictures --set data.name=folder --metrics swd --json
awk -v d="$(number near.out swd)" 'BEGIN { exit !(d > 0 && d < 0.01) }' || die "$(cat near.out)"

# Statistics of the data set in both layouts, in features of the classifier.
for layout in edm score_sde; do
  evaluate stats --set data.name=digits --set data.image_size=16 --set data.channels=1 \
    --reference-images 50 --classifier classifier --stats-out $layout.npz --stats-layout $layout
  [ "$(head -c 2 $layout.npz)" = PK ] || die "$layout.npz is no zip archive"
done

bad() { refused "$1" "$2" "$ito" eval "${@:3}"; }
head -c 300 edm.npz >cut.npz
echo text >text.npz
bad 201 'ito eval: names nothing'
bad 201 'ito eval: there is nothing to compare pictures with' pictures
bad 201 '--checkpoints: classifier/checkpoints' classifier/checkpoints --checkpoints all
bad 201 '--seeds: pictures' pictures --data pictures --seeds 0-3
bad 201 '--set: "model.nf=8"' run --set model.nf=8
bad 201 'command line: --samples excludes --seeds' run --seeds 0-3 --samples 9
bad 201 '--sweep: "steps"' run --sweep steps
bad 201 '--sweep: table1 comes after' run --sweep steps=3 --sweep table1
bad 201 '--sweep: pictures' pictures --data pictures --sweep steps=2,3
bad 202 '--sweep' run --sweep stepz=2
bad 203 '--sweep' run --sweep steps=two
bad 203 sampling.steps run --sweep steps=0,1
bad 202 --metrics run --metrics swd,fidd
bad 203 --seeds run --seeds 9-3
bad 203 --resize run --metrics swd --resize nearest
bad 203 --best run "${few[@]}" --metrics swd --best fid
bad 204 '--metrics fid: needs the Inception' run --metrics fid
bad 204 '--metrics frechet: needs a classifier' run --metrics frechet
bad 204 '--metrics frechet: has 20 samples' run "${few[@]}" --metrics frechet --classifier classifier
bad 204 run/ run --metrics frechet --classifier run
bad 204 classifier/ classifier --metrics swd
bad 204 classifier/ pictures --data pictures --metrics frechet --classifier classifier \
  --set data.image_size=8 --allow-small
bad 204 folder pictures --data pictures --metrics swd --set data.image_size=8
bad 204 --stats-out --stats-out new
bad 204 '--metrics memorization: needs held-out' run --data pictures --set data.name=folder \
  --metrics memorization
bad 301 none none
bad 301 run/checkpoints/step_00000005 run --checkpoints 4,5
bad 301 none.npz none.npz --data pictures
bad 303 cut.npz cut.npz --data pictures
bad 303 text.npz text.npz --data pictures
bad 303 text.npz run --statistics text.npz
bad 304 edm.npz edm.npz --data pictures
bad 304 run/checkpoints/step_00000008/ema.safetensors run --metrics is \
  --inception run/checkpoints/step_00000008/ema.safetensors
bad 401 none/new run --stats-out none/new --classifier classifier
refused 304 run/checkpoints/step_00000008/ema.safetensors "$ito" convert --inception --out new \
  run/checkpoints/step_00000008/ema.safetensors
refused 201 --inception "$ito" convert --inception --out new --preset demo text

# The Inception network, where PyTorch wrote one.
if [ ! -e "$files/tiny.pth" ]; then
  echo "no files of PyTorch: fid, is and kid not run"
  exit 0
fi
quiet convert "$ito" convert --inception "$files/tiny.pth" --out inception.safetensors
inception=(--inception inception.safetensors --reference-images 30)
evaluate fid run "${inception[@]}" --samples 10 --allow-small --metrics fid,is,kid
for word in fid is kid kid_standard_deviation; do
  grep -Eq "^  $word +[-0-9.e+]+$" fid.out || die "no $word in $(cat fid.out)"
done
sum=$(sha256sum <inception.safetensors)
grep -Eq "^  inception +${sum%% *}, resize tf1\$" fid.out || die "$(cat fid.out)"
# Reference statistics from a file give what the images give.
for layout in edm score_sde; do
  evaluate stats --set data.name=digits --set data.image_size=16 --set data.channels=1 \
    "${inception[@]}" --stats-out $layout.npz --stats-layout $layout
  evaluate stored run "${inception[@]}" --samples 10 --allow-small --metrics fid --json \
    --statistics $layout.npz
  awk -v a="$(number stored.out fid)" -v b="$(sed -nE 's/^  fid +//p' fid.out)" \
    'BEGIN { exit !(a > 0 && (a - b) ^ 2 < (1e-4 * b) ^ 2) }' || die "$layout: $(cat stored.out)"
done
bad 204 '--metrics fid, is, kid: has 10 samples, fewer than the 2048' run "${inception[@]}" \
  --samples 10 --metrics is
bad 204 '--metrics kid: needs features' run "${inception[@]}" --metrics kid --statistics edm.npz
head -c 2000 inception.safetensors >short.safetensors
bad 302 short.safetensors run --inception short.safetensors --metrics is
echo "everything evaluated"
