#!/usr/bin/env bash
# edit.sh ITO WORK: pictures changed by a model, through the program: what comes out, that it does
# not depend on chance beyond the seed, and what is refused.
source "$(dirname "$0")/common.sh"

quiet run "$ito" train "${tiny[@]}" --max-steps 4 --out run
quiet colours "$ito" train "${tiny[@]}" --set data.channels=3 --max-steps 2 --out colours
for model in run colours; do
  quiet "$model.png" "$ito" sample $model --seeds 0-1 --png $model.pictures
done
a=run.pictures/seed_000000.png b=run.pictures/seed_000001.png
edit() { quiet "edit.$1" "$ito" edit "$@"; }

edit inpaint run --input $a --samples 3 --out inpaint.png
edit inpaint run --input $a --samples 3 --out again.png
cmp inpaint.png again.png || die "inpainting is not repeatable"
edit inpaint run --input $a --samples 3 --seed 1 --out other.png
! cmp -s inpaint.png other.png || die "--seed changes nothing"
# Nothing unknown: the picture comes back.
edit inpaint run --input $a --samples 1 --mask random:1 --out same.png
edit encode run --input $a --out a.safetensors --tolerance 1e-4
edit decode run --input a.safetensors --out decoded.png --tolerance 1e-4
grep -q '^evaluations [0-9]*, reconstruction error [0-9.e-]* ' edit.encode.log || die "$(cat edit.encode.log)"
"$ito" sample run --seeds 0 --grid whole.png >/dev/null 2>&1
cmp same.png whole.png || die "a picture that is wholly known changes"
edit interpolate run --input $a --input $b --frames 5 --tolerance 1e-3 --out between.png
edit deblur run --input $a --sigma 0.7 --samples 2 --out sharp.png
edit colorize colours --input $a --samples 2 --out coloured.png
for size in 12 24; do
  quiet of_$size "$ito" train "${tiny[@]}" --set data.image_size=$size --max-steps 2 --out of_$size
done
quiet little "$ito" sample of_12 --seeds 0 --png little
edit superres of_24 --input little/seed_000000.png --factor 2 --samples 2 --out large.png
# Grids: 16 x 16 pixels four times as large and 24 x 24 twice, with margins.
for picture in inpaint:152x152 same:80x80 decoded:80x80 between:224x152 sharp:152x80 \
               coloured:152x80 large:108x56; do
  [ "$(png_size ${picture%:*}.png)" = ${picture#*:} ] ||
    die "$picture is $(png_size ${picture%:*}.png)"
done

bad() { refused "$1" "$2" "$ito" edit "${@:3}" --out new; }
bad 203 --mask inpaint run --input $a --mask box:0.5,0.5,0.6,0.1
bad 203 --mask inpaint run --input $a --mask box:0.5
bad 203 --mask inpaint run --input $a --mask random:2
bad 301 nothing.png inpaint run --input $a --mask nothing.png
bad 301 nothing.png inpaint run --input nothing.png
bad 304 $a superres run --input $a --factor 4
bad 203 --factor superres run --input $a --factor 3
bad 204 run colorize run --input $a
bad 201 'ito edit interpolate' interpolate run --input $a
bad 304 run/ decode run --input run/checkpoints/step_00000004/ema.safetensors
refused 201 'command line' "$ito" edit
refused 201 'command line' "$ito" edit inpaint run --input $a
echo "all edits done"
