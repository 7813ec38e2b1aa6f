#!/usr/bin/env bash
# determinism.sh ITO WORK [ISA]: neither threads nor batches change a bit, in training or in sampling,
# with the instruction set that oneDNN chooses, or with ISA (a value of ONEDNN_MAX_CPU_ISA).
source "$(dirname "$0")/common.sh"

# draw RUN NAME OPTIONS...: single PNGs into NAME, the checksum into NAME.sum.
draw() {
  local run=$1 name=$2
  shift 2
  "$ito" sample "$run" --png "$name" "$@" >"$name.sum" 2>"$name.log" || { cat "$name.log"; die "$name"; }
  grep -q '^checksum [0-9a-f]\{16\}$' "$name.sum" || die "$name has no checksum"
}

check_sampling() {  # run, folder for results
  local run=$1 out=$2 batch threads name seed
  mkdir "$out"
  draw "$run" "$out/whole" --seeds 0-63 --batch 64 --threads 1
  [ "$(ls "$out/whole"/*.png | wc -l)" = 64 ] || die "$out/whole: not 64 images"
  [ "$(cat "$out"/whole/*.png | wc -c)" -gt 64 ] || die "$out/whole: empty images"
  for threads in 1 2; do
    for batch in 1 7 64; do
      name=$out/b${batch}t$threads
      draw "$run" "$name" --seeds 0-63 --batch $batch --threads $threads
      diff -r "$out/whole" "$name" || die "images of $name"
      cmp "$out/whole.sum" "$name.sum" || die "checksum of $name"
    done
  done
  draw "$run" "$out/some" --seeds 40,5 --threads 2
  [ "$(ls "$out/some"/*.png | wc -l)" = 2 ] || die "$out/some: not 2 images"
  for seed in 000005 000040; do
    cmp "$out/whole/seed_$seed.png" "$out/some/seed_$seed.png" || die "seed $seed alone differs"
  done
  # What must differ does: two seeds, and two base seeds.
  ! cmp -s "$out/whole/seed_000005.png" "$out/whole/seed_000040.png" || die "two seeds, one image"
  draw "$run" "$out/other" --seeds 0-63 --seed 1
  ! cmp -s "$out/whole.sum" "$out/other.sum" || die "--seed changes nothing"
}

check_all() {  # folder for results, training options
  local out=$1
  shift
  mkdir "$out"
  quiet "$out/t1" "$ito" train "$@" --max-steps 10 --threads 1 --out "$out/t1"
  quiet "$out/t2" "$ito" train "$@" --max-steps 10 --threads 2 --out "$out/t2"
  same_run "$out/t1" "$out/t2"
  diff -r "$out/t1/samples" "$out/t2/samples" || die "$out: grids"
  quiet "$out/seed" "$ito" train "$@" --max-steps 10 --seed 43 --out "$out/seed"
  ! cmp -s "$out/t1/metrics.jsonl" "$out/seed/metrics.jsonl" || die "$out: train.seed changes nothing"
  check_sampling "$out/t1" "$out/samples"
}

if [ $# -gt 2 ]; then export ONEDNN_MAX_CPU_ISA=$3; fi
check_all vp "${tiny[@]}"
check_all ve "${tiny_ve[@]}"
echo "training and sampling agree for all threads and batches"
