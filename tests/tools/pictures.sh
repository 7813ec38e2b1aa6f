#!/usr/bin/env bash
# pictures.sh ITO WORK SHARED: what a run and the commands leave: grids, single images, trajectories,
# the printed configuration; the data sets in files if SHARED has them.
source "$(dirname "$0")/common.sh"
shared=${ITO_SHARED_DIR:-$3}

is_png() {  # file, size
  [ "$(png_size "$1")" = "$2" ] || die "$1 is $(png_size "$1"), not $2"
}
# distinct FILES: no two are equal.
distinct() { [ "$(sha256sum "$@" | cut -d' ' -f1 | sort -u | wc -l)" = $# ] || die "equal: $*"; }

# A run: grids at step 0, every sample_every steps, and at the end: 4 x 4 images, magnified from 16 to
# 64 pixels, with gaps between them.
quiet train "$ito" train "${tiny[@]}" --max-steps 10 --out run
for step in 0 8 10; do
  grids+=("run/samples/step_$(printf %08d $step).png")
done
[ "$(ls run/samples | wc -l)" = 3 ] || die "grids: $(ls run/samples)"
size=$(png_size "${grids[0]}")
for grid in "${grids[@]}"; do is_png "$grid" "$size"; done
distinct "${grids[@]}"
[ "${size%x*}" -ge 256 ] && [ "${size%x*}" -le 300 ] || die "grid of $size"
[ -z "$(find . -name '*.tmp-*' -o -name '.tmp-*')" ] || die "temporary files left"
[ "$(ls run/checkpoints/ | wc -l)" = 4 ] || die "checkpoints: $(ls run/checkpoints)"
awk '/"loss"/ && !/eval_loss/ { n++
       if ($0 !~ /^{"step": [0-9]+, "loss": [0-9.e-]+, "grad_norm": [0-9.e-]+, "lr": [0-9.e-]+, "images": [0-9]+}$/) bad = 1
       if ($2 != 2 * n - 1 "," || $NF != 16 * n "}") bad = 1; next }
     /"eval_loss"/ { m++; if ($0 !~ /^{"step": [0-9]+, "eval_loss": [0-9.e-]+}$/ || $2 != 3 * m - 1 ",") bad = 1; next }
     { bad = 1 }
     END { exit bad || n != 5 || m != 3 }' run/metrics.jsonl || die "metrics: $(cat run/metrics.jsonl)"

# Early grids, at 10, 20, 50, ... as far as they are cheap; while the average holds a good part of the
# starting weights, the network's own samples stand to the left: 0.9^20 is more than a twentieth,
# 0.9^50 is not.
early() {  # run, grids, options
  quiet "$1" "$ito" train "${tiny[@]}" --set sampling.steps=1 --set train.trajectory=0 --max-steps 60 --out "$1" "${@:3}"
  [ "$(ls "$1/samples" | tr -dc '1-9\n' | tr '\n' ' ')" = "$2" ] || die "$1: $(ls "$1/samples")"
}
cold=(--set optim.ema_warmup=false --set optim.ema_rate=0.9)
early early ' 1 2 5 6 ' --sample-every 100 "${cold[@]}"
double=$((2 * ${size%x*}))x${size#*x}
for step in 10 20; do is_png early/samples/step_000000$step.png $double; done
for step in 00 50 60; do is_png early/samples/step_000000$step.png "$size"; done
early warm ' 1 2 5 6 ' --sample-every 100
is_png warm/samples/step_00000010.png "$size"
early costly ' 5 6 ' --sample-every 100 --set sampling.steps=3 "${cold[@]}"
early regular ' 6 ' --sample-every 100 --set train.early_grids=false
early silent '' --sample-every 0

# The way from noise: four samples of two rows each, in as many columns as the sampler has steps and one
# more, at most nine; where it costs at most 4 % of the steps; once.
way() {  # run, size in tiles or nothing, options
  quiet "$1" "$ito" train "${tiny[@]}" --max-steps 100 --set train.early_grids=false \
    --set train.sample_every=100 --out "$1" "${@:3}"
  local file=$1/samples/trajectory_00000100.png tile=$((16 * 4)) gap=$((2 * 4))
  if [ -z "$2" ]; then
    [ ! -e "$file" ] || die "$file is there"
  else
    is_png "$file" $((${2%x*} * (tile + gap) + gap))x$((${2#*x} * (tile + gap) + gap))
  fi
}
way way 7x8
cp way/samples/trajectory_00000100.png first.png
touch -d 2020-01-01 way/samples/trajectory_00000100.png
way way 7x8
[ first.png -nt way/samples/trajectory_00000100.png ] || die "a run that had ended draws again"
rm first.png
way way_of_two 9x4 --set sampling.steps=20 --set train.trajectory=2
way way_dear '' --set sampling.steps=25
way way_none '' --set train.trajectory=0
way way_silent '' --set train.sample_every=0
grep -a trajectory way/events/* >/dev/null || die "no trajectory for TensorBoard"
"$ito" report way --out way.html >report.out
[ "$(grep -c 'alt="trajectory"' way.html)" = 1 ] || die "the report has no trajectory"
[ "$(grep -c 'alt="samples"' way.html)" = 2 ] || die "the report takes the trajectory for a grid"
rm way.html

# Samples of the run.
"$ito" sample run --seeds 3,7-9 --grid grid.png --png single --trajectory way.png >sample.out 2>sample.log
[ "$(cd single && ls *.png)" = "$(printf 'seed_%06d.png\n' 3 7 8 9)" ] || die "single images: $(ls single)"
for image in single/*.png; do is_png "$image" 16x16; done
distinct single/*.png
# Four rows of the six steps and the final sample; nine columns where there are enough steps.
columns() { local size=$(png_size "$1"); echo $(((4 * ${size%x*} + ${size#*x} / 2) / ${size#*x})); }
[ "$(columns way.png)" = 7 ] || die "$(columns way.png) columns in way.png"
"$ito" sample run --seeds 0-3 --steps 20 --trajectory long.png >long.out 2>long.log
[ "$(columns long.png)" = 9 ] || die "$(columns long.png) columns in long.png"
rm long.png
[ "$(ls | grep -c png)" = 2 ] || die "files: $(ls)"
grep -qx 'checksum [0-9a-f]\{16\}' sample.out || die "sample.out"
# Every way to name the same weights gives the same samples.
for name in run/checkpoints/step_00000010 run/checkpoints/step_00000010/ema.safetensors; do
  "$ito" sample $name --seeds 3,7-9 2>sample.log | cmp - sample.out || die "$name differs from run"
done
! "$ito" sample run/checkpoints/step_00000010/model.safetensors --seeds 3,7-9 2>sample.log |
  cmp -s - sample.out || die "the averaged weights are the weights"

# Points become a scatter plot.
quiet toy "$ito" train --preset toy2d --set train.batch=16 --set sampling.steps=4 --max-steps 2 --out toy
is_png toy/samples/step_00000002.png 512x512

# ito info, and configurations that go round.
says() {  # pattern, options of info; through a file, for grep -q does not read to the end
  "$ito" info "${@:2}" >info.out
  grep -q "$1" info.out || die "ito info ${*:2}"
}
says '^\(presets\)\? *demo$'
says '^trained 317121, frozen 0$' --preset demo
says '^model.nf = 8$' run
for preset in demo mnist toy2d; do
  "$ito" info --preset $preset --print-config >a.toml
  "$ito" info --config a.toml --print-config >b.toml
  "$ito" train --config a.toml --print-config >c.toml
  cmp a.toml b.toml && cmp a.toml c.toml || die "configuration of $preset"
done
"$ito" train --config run/config.toml --print-config | cmp - run/config.toml || die "run/config.toml"
quiet again "$ito" train --config run/config.toml --out again
same_run run again
# A later source wins: preset, file, --set, own option.
printf '[train]\nbatch = 9\nseed = 9\nmax_steps = 9\n' >some.toml
"$ito" train --preset demo --config some.toml --set train.seed=8 --set train.max_steps=8 \
  --max-steps 7 --print-config >order.toml
for line in 'batch = 9 ' 'seed = 8 ' 'max_steps = 7 ' 'nf = 16 '; do
  grep -q "^$line" order.toml || die "no '$line' in the configuration"
done

# Data sets in files.
try_data() {  # name, folder, options
  local name=$1 folder=$2
  shift 2
  if [ ! -e "$folder" ]; then
    echo "skipped: $name, there is no $folder"
    return
  fi
  quiet $name "$ito" train "${tiny[@]}" --set data.name=$name --data "$folder" --max-steps 3 \
    --out $name "$@"
  [ -s $name/samples/step_00000003.png ] || die "no samples of $name"
}
try_data mnist "$shared/data/mnist" --set data.image_size=28
try_data cifar10 "$shared/data/cifar10-lossless-4000/data_batch_1_first4000.bin" \
  --set data.image_size=32 --set data.channels=3 --set data.random_flip=true
echo "pictures and configurations are as they should be"
