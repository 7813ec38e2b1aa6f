#!/usr/bin/env bash
# sampling.sh ITO WORK: every sampling method, guidance by a classifier and without, and likelihoods, through the
# program: no sample depends on its batch, evaluations are counted, what does not fit is refused.
source "$(dirname "$0")/common.sh"

quiet vp "$ito" train "${tiny[@]}" --max-steps 4 --out vp
quiet ve "$ito" train "${tiny_ve[@]}" --max-steps 4 --out ve
quiet levels "$ito" train "${tiny_ve[@]}" --max-steps 4 --out levels \
  --set model.embedding_type=positional --set objective.kind=smld --set objective.continuous=false
quiet classifier "$ito" train --preset classifier/demo --set train.batch=8 --set model.nf=8 \
  --set train.sample_every=0 --max-steps 4 --out classifier

draw() {  # name, sample options
  "$ito" sample "${@:2}" --seeds 0-4 >"$1.sum" 2>"$1.log" || { cat "$1.log"; die "$1"; }
}
declare -A evaluations=([ode]= [adaptive]= [stochastic_heun]=13 [sra1]=13 [edm]=13 [dpm_solver]=7
                        [annealed_langevin]=7 [pc]=7)
for run in vp ve; do
  for method in "${!evaluations[@]}"; do
    name=${run}_$method
    options=("$run" --method "$method" --set sampling.corrector=none
             --set sampling.predictor=euler_maruyama)
    [ $method != ode ] || options+=(--tolerance 1e-3)
    [ $method != adaptive ] || options+=(--tolerance 0.2)
    draw "$name" "${options[@]}" --batch 5
    draw "${name}_alone" "${options[@]}" --batch 1
    cmp "$name.sum" "${name}_alone.sum" || die "$name depends on the batch"
    count=$(sed -n 's/.*, \([0-9]*\) evaluations each.*/\1/p' "$name.log")
    [ "${count:-0}" -ge 3 ] || die "$name: no evaluations in $(cat "$name.log")"
    [ -z "${evaluations[$method]}" ] || [ "$count" = "${evaluations[$method]}" ] ||
      die "$name: $count evaluations"
  done
done
[ "$(cat vp_*.sum | sort -u | wc -l)" -ge 8 ] || die "methods that draw the same"
draw rk4 vp --method ode --set sampling.solver=rk4
grep -q ' 25 evaluations each' rk4.log || die "rk4: $(cat rk4.log)"
draw ddim vp --set sampling.predictor=ddim --set sampling.grid=karras

draw guided vp --classifier classifier --class 0-9 --guidance 3
draw guided_alone vp --classifier classifier --class 0-9 --guidance 3 --batch 2
cmp guided.sum guided_alone.sum || die "a class depends on the batch"
grep -q '^classifier agrees on [0-5] of 5$' guided.sum || die "no agreement: $(cat guided.sum)"
draw free vp
! cmp -s <(grep checksum guided.sum) <(grep checksum free.sum) || die "guidance changes nothing"

# A model that knows classes: told one, told none, guided by itself or by a classifier.
train_told() {
  quiet "$1" "$ito" train "${tiny[@]}" --set model.num_classes=10 --set train.micro_batch=3 \
    --out "$@"
}
train_told told --max-steps 9
train_told told_again --max-steps 5
train_told told_again --max-steps 9 --threads 1
same_run told told_again
train_told others --max-steps 9 --set train.label_dropout=0.9
! cmp -s told/metrics.jsonl others/metrics.jsonl || die "train.label_dropout changes nothing"
cmp -s told/samples/step_00000009.png told/samples/step_00000000.png && die "no picture of classes"
ways=(none one each weak strong guided)
draw none told
draw one told --class 3
draw each told --class 0-9
draw weak told --class 0-9 --guidance 0.5
draw strong told --class 0-9 --guidance 4
draw guided told --class 0-9 --classifier classifier
[ "$(sed -n '/^checksum/p' "${ways[@]/%/.sum}" | sort -u | wc -l)" = 6 ] || die "ways that draw alike"
draw each_alone told --class 0-9 --guidance 0 --batch 1
cmp each.sum each_alone.sum || die "a class depends on the batch, or no weight is not 0"
draw strong_alone told --class 0-9 --guidance 4 --batch 2
cmp strong.sum strong_alone.sum || die "guidance depends on the batch"
for method in ode edm dpm_solver; do  # on the host's times and on tables of them
  draw "told_$method" told --class 0-9 --guidance 1 --method $method --tolerance 1e-2
  draw "told_${method}_alone" told --class 0-9 --guidance 1 --method $method --tolerance 1e-2 \
    --batch 1
  cmp "told_$method.sum" "told_${method}_alone.sum" || die "$method depends on the batch"
done

# --json: one object with these keys; the same per image in any batch.
bits() { "$ito" likelihood vp --images 3 --tolerance 1e-3 "$@" 2>likelihood.log; }
bits --json --csv a.csv >a.json || { cat likelihood.log; die "likelihood"; }
bits --json --csv b.csv --batch 1 --threads 1 >b.json
cmp a.csv b.csv && cmp a.json b.json || die "likelihoods depend on the batch"
[ "$(wc -l <a.csv)" = 4 ] || die "a.csv: not three images"
for key in bits_per_dim standard_error images evaluations offset eps tolerance divergence probes; do
  grep -q "\"$key\":" a.json || die "a.json lacks $key"
done
grep -q '"images": *3,.*"offset": *7\.0,' a.json || die "$(cat a.json)"
mean=$(awk -F, 'NR > 1 { sum += $2 } END { printf "%.9f", sum / (NR - 1) }' a.csv)
printed=$(sed -n 's/.*"bits_per_dim": *\([0-9.]*\),.*/\1/p' a.json)
[ "$mean" = "$(printf %.9f "$printed")" ] || die "mean $mean, printed $printed"
bits --divergence gaussian --probes 2 >text || die "gaussian probes"
grep -q '^bits/dim  *[0-9.]* +- [0-9.]* (standard error)$' text || die "$(cat text)"

refused 203 sampling.method "$ito" sample vp --method od
refused 203 sampling.solver "$ito" sample vp --method ode --set sampling.solver=rk5
refused 204 sampling.method "$ito" sample vp --method edm --reference
refused 204 sampling.method "$ito" sample levels --method ode
refused 204 sampling.method "$ito" likelihood levels
refused 201 --class "$ito" sample vp --class 3
grep -q 'this model knows no classes' err.log || die "$(cat err.log)"
refused 201 --classifier "$ito" sample vp --classifier classifier
refused 201 --guidance "$ito" sample told --guidance 2
refused 203 --class "$ito" sample vp --classifier classifier --class 3,11
refused 203 --class "$ito" sample told --class 3,10
bad() { refused "$1" "$2" "$ito" train "${tiny[@]}" --max-steps 2 --out new "${@:3}"; }
bad 204 model.num_classes --set model.num_classes=7
bad 204 data.name --set data.name=swiss_roll --set data.channels=2 --set data.image_size=0 \
  --set model.name=mlp --set model.num_classes=10
bad 203 model.num_classes --set model.num_classes=-1
bad 203 model.conditional --set model.num_classes=10 --set model.conditional=false
bad 203 train.label_dropout --set train.label_dropout=1.5
[ ! -e new ] || die "something was written"
refused 204 classifier/ "$ito" sample ve --classifier classifier --class 3
refused 204 vp/ "$ito" sample vp --classifier vp --class 3
refused 204 classifier/ "$ito" likelihood classifier
# bf16: the same bytes with any number of threads and after a resume, other ones than in fp32.
low=("${tiny[@]}" --precision bf16 --set train.sample_every=0 --set train.early_grids=false)
quiet low2 "$ito" train "${low[@]}" --max-steps 8 --threads 2 --out low2
quiet low1 "$ito" train "${low[@]}" --max-steps 4 --threads 1 --out low1
quiet low1 "$ito" train "${low[@]}" --max-steps 8 --threads 1 --out low1
same_run low1 low2
"$ito" sample low1 --seeds 0-3 --precision bf16 >low.out 2>low.log
"$ito" sample low1 --seeds 0-3 --precision bf16 --batch 3 --threads 1 >again.out 2>low.log
cmp low.out again.out || die "bf16 samples depend on batch or threads"
"$ito" sample low1 --seeds 0-3 >full.out 2>low.log
! cmp -s low.out full.out || die "--precision changes nothing"
# tf32 is fp32 wherever nothing computes in TF32, which is said once; only the configuration differs.
whole=("${tiny[@]}" --set train.sample_every=0 --max-steps 4)
quiet fp32 "$ito" train "${whole[@]}" --out fp32
quiet tf32 "$ito" train "${whole[@]}" --precision tf32 --out tf32
[ "$(grep -c 'tf32: computed as fp32' tf32.log)" = 1 ] || die "tf32 says: $(cat tf32.log)"
! grep tf32 fp32.log || die "fp32 speaks of tf32"
cmp fp32/metrics.jsonl tf32/metrics.jsonl || die "tf32 is not fp32"
diff <("$ito" sample fp32 --seeds 0-1 2>low.log) <("$ito" sample tf32 --seeds 0-1 2>low.log) ||
  die "tf32 trained other weights"
diff fp32/config.toml tf32/config.toml | grep '^[<>]' >low.log || true
[ "$(sed 's/^. //; s/ *#.*//' low.log | tr '\n' ' ')" = 'precision = "fp32" precision = "tf32" ' ] ||
  die "other configurations: $(cat low.log)"
echo "all methods sampled"
