#!/usr/bin/env bash
# outputs.sh ITO WORK: what ito sample, edit and likelihood write and say: arrays, pictures, moving
# pictures, JSON; that a run that was killed goes on and ends with the same bytes; that nothing of
# other origin is touched; classes in edit and likelihood.
source "$(dirname "$0")/common.sh"

quiet run "$ito" train "${tiny[@]}" --max-steps 4 --out run
quiet told "$ito" train "${tiny[@]}" --set model.num_classes=10 --max-steps 40 --threads 1 \
  --set train.save_every=40 --set train.sample_every=0 --out told
quiet points "$ito" train "${tiny[@]}" --set data.name=swiss_roll --set data.channels=2 \
  --set data.image_size=0 --set model.name=mlp --max-steps 4 --out points
quiet classifier "$ito" train --preset classifier/demo --set train.batch=8 --set model.nf=8 \
  --set train.sample_every=0 --max-steps 4 --out classifier

sample() { "$ito" sample "$@" --threads 1 2>sample.log || { cat sample.log; die "sample $*"; } >&2; }
same_folder() {
  [ "$(ls "$1")" = "$(ls "$2")" ] || die "$1 and $2 hold other files: $(ls "$1") and $(ls "$2")"
  local file
  for file in "$1"/*; do cmp "$file" "$2/${file##*/}" || die "$file differs"; done
}
bytes() { od -An -v -tx1 "$@" | tr -d ' \n'; }

# Flags are names of keys.
sample run --predictor euler_maruyama --corrector langevin --snr 0.3 --steps 100 --seeds 0-1 >flags
sample run --set sampling.predictor=euler_maruyama --set sampling.corrector=langevin \
  --set sampling.snr=0.3 --steps 100 --seeds 0-1 >keys
sample run --predictor euler_maruyama --corrector langevin --snr 0.2 --steps 100 --seeds 0-1 >weaker
cmp flags keys || die "flags and keys differ"
! cmp -s flags weaker || die "--snr changes nothing"

# Everything at once, and again in parts of other sizes: the same bytes.
outputs() { echo --png "$1" --npz "$1.npz" --raw "$1.raw.npz"; }
sample run --seeds 0-8 $(outputs whole) --grid whole.png --columns 4 >whole.sum
[ "$(png_size whole.png)" = 296x224 ] || die "a grid of $(png_size whole.png)"
[ "$(ls whole | wc -l)" = 10 ] && [ ! -e whole.npz.partial ] || die "$(ls . whole)"
[ "$(bytes -N 4 whole.npz)" = 504b0304 ] || die "whole.npz is no zip"
[ "$(wc -c <whole.npz)" -gt $((9 * 256)) ] && [ "$(wc -c <whole.npz)" -lt $((9 * 256 + 3000)) ] ||
  die "whole.npz has $(wc -c <whole.npz) bytes"
[ "$(wc -c <whole.raw.npz)" -gt $((36 * 256)) ] || die "whole.raw.npz is short"
sample run --seeds 0-8 $(outputs parts) --batch 2 >/dev/null
same_folder whole parts
cmp whole.npz parts.npz && cmp whole.raw.npz parts.raw.npz || die "arrays depend on the batch"
"$ito" eval whole.npz --data parts.npz --metrics swd --json >eval.json 2>eval.log || cat eval.log
grep -q '"swd": *0\.0[,}]' eval.json || die "ito eval reads the array otherwise: $(cat eval.json)"

# What is there is not drawn again, and a folder takes more seeds.
mkdir more
sample run --seeds 0-2 --png more >/dev/null
touch -d 2001-01-01 more/*.png
sample run --seeds 0-8 --png more --grid more.png --columns 4 --json >more.json
same_folder whole more
cmp whole.png more.png || die "a grid of old and new pictures"
[ "$(find more -name '*.png' ! -newermt 2002-01-01 | wc -l)" = 3 ] || die "drawn again"
grep -q '"samples":9,"drawn":6,' more.json || die "$(cat more.json)"
grep -q '"checksum":null' more.json || die "a checksum of samples that were not drawn"
sample run --seeds 0-8 $(outputs whole) >again.sum
[ ! -s again.sum ] || die "a finished run says $(cat again.sum)"
grep -q '^0 samples .*9 were there already$' sample.log || die "$(cat sample.log)"
: >more/seed_000004.png
sample run --seeds 0-8 --png more >/dev/null
same_folder whole more
# Where samples depend on their batch, whole batches are drawn again.
company=(run --seeds 0-8 --method ode --tolerance 0.1 --set sampling.control=whole_batch)
sample "${company[@]}" --batch 4 --png company >/dev/null
cp -r company company_again
rm company_again/seed_00000[15].png
sample "${company[@]}" --batch 4 --png company_again --json >company.json
grep -q '"drawn":8,' company.json || die "not two batches of four: $(cat company.json)"
same_folder company company_again
refused 402 company "$ito" sample "${company[@]}" --batch 3 --png company

# Killed, and interrupted: resumable, and the same in the end.
slow=(run --seeds 0-11 --steps 150 --batch 1)
sample "${slow[@]}" $(outputs calm) >/dev/null
pictures_in() { ls "$1" 2>/dev/null | grep -c '^seed_.*png$' || true; }
stop_after() {  # signal, name: once two more pictures are there
  local pid code=0 i wanted
  wanted=$(($(pictures_in "$2") + 2))
  "$ito" sample "${slow[@]}" --threads 1 $(outputs "$2") >stop.out 2>stop.log &
  pid=$!
  for i in $(seq 2000); do
    [ "$(pictures_in "$2")" -lt $wanted ] || break
    sleep 0.01
  done
  kill -"$1" $pid
  wait $pid || code=$?
  echo $code
}
[ "$(stop_after KILL killed 2>/dev/null)" = 137 ] || die "it was over before it was killed"
[ ! -e killed.npz ] && [ -e killed.npz.partial ] || die "no half array: $(ls)"
cp killed.npz.partial torn.partial
sample "${slow[@]}" $(outputs killed) >/dev/null
grep -q ' were there already$' sample.log || die "all drawn again: $(cat sample.log)"
[ "$(stop_after INT broken)" = 75 ] || die "SIGINT: $(cat stop.log)"
[ ! -s stop.out ] && grep -q 'the same command goes on here$' stop.log || die "$(cat stop.log)"
[ "$(stop_after TERM broken)" = 75 ] || die "SIGTERM: $(cat stop.log)"
refused 402 broken.npz.partial "$ito" sample run --seeds 0-11 --steps 149 --npz broken.npz
sample "${slow[@]}" $(outputs broken) >/dev/null
for name in killed broken; do
  same_folder calm $name
  cmp calm.npz $name.npz && cmp calm.raw.npz $name.raw.npz || die "$name differs"
  [ -z "$(ls -d $name*.partial* 2>/dev/null)" ] || die "left over: $(ls -d $name*)"
done

# Other settings, and files of other people.
for change in "--seed 1" "--steps 5" "--snr 0.3" "--reference" "--method ode --tolerance 0.1"; do
  refused 402 more "$ito" sample run --seeds 0-8 --png more $change
  refused 402 whole.npz "$ito" sample run --seeds 0-8 --npz whole.npz $change
done
refused 402 more "$ito" sample told --png more
refused 402 whole.npz "$ito" sample run --seeds 0-7 --npz whole.npz
grep -q '(samples differs)' err.log || die "$(cat err.log)"
same_folder whole more
mkdir foreign
for text in '' '{' '{"ito": 3}' '[]'; do
  echo "$text" >foreign/samples.json
  refused 402 foreign "$ito" sample run --seeds 0 --png foreign
  [ "$(cat foreign/samples.json)" = "$text" ] && [ "$(ls foreign)" = samples.json ] || die "changed"
done
rm foreign/samples.json
echo mine >foreign/seed_000000.png
refused 402 foreign "$ito" sample run --seeds 0 --png foreign
[ "$(cat foreign/seed_000000.png)" = mine ] || die "a foreign picture was replaced"
echo mine >foreign.npz
refused 402 foreign.npz "$ito" sample run --seeds 0 --npz foreign.npz
[ "$(cat foreign.npz)" = mine ] || die "a foreign file was replaced"
sample run --seeds 0-8 --png foreign --npz foreign.npz --overwrite >/dev/null
same_folder whole foreign
cmp whole.npz foreign.npz || die "--overwrite"
sample run --seeds 3 --png foreign --overwrite --steps 5 >/dev/null
[ "$(ls foreign | tr '\n' ' ')" = 'samples.json seed_000003.png ' ] || die "$(ls foreign)"

refused 201 'command line' "$ito" sample run --grid new --columns 0
refused 201 'command line' "$ito" sample run --show --json
refused 203 --animate "$ito" sample run --animate new.gif
refused 203 sampling.predictor "$ito" sample run --predictor leapfrog
refused 203 sampling.corrector "$ito" sample run --corrector best
refused 204 new "$ito" sample run --npz new --raw new
refused 204 --png "$ito" sample points --png new
refused 204 --npz "$ito" sample points --npz new
refused 401 nowhere/a.png "$ito" sample run --grid nowhere/a.png
refused 401 more "$ito" sample run --raw more
refused 401 whole.png "$ito" sample run --png whole.png
refused 401 /proc/nope "$ito" sample run --png /proc/nope
refused 401 /dev/null "$ito" sample run --npz /dev/null
mkdir shut && chmod 555 shut
if ! touch shut/probe 2>/dev/null; then
  refused 401 shut/a.webp "$ito" sample run --animate shut/a.webp
  refused 401 shut "$ito" sample run --png shut
fi

# webp_frames FILE: walks the chunks of an animated WebP file; prints how many frames it has.
webp_frames() {
  od -An -v -tu1 "$1" | awk '
    { for (i = 1; i <= NF; ++i) b[n++] = $i }
    function word(at) { return b[at] + 256 * (b[at + 1] + 256 * (b[at + 2] + 256 * b[at + 3])) }
    function tag(at) { return sprintf("%c%c%c%c", b[at], b[at + 1], b[at + 2], b[at + 3]) }
    END {
      if (tag(0) != "RIFF" || tag(8) != "WEBP" || word(4) + 8 != n || tag(12) != "VP8X") exit 1
      for (at = 12; at < n; at += 8 + word(at + 4) + word(at + 4) % 2) {
        frames += tag(at) == "ANMF"
        loops += tag(at) == "ANIM"
      }
      if (at != n || loops != 1) exit 1
      print frames
    }' || die "$1 is no animated WebP file"
}
sample run --seeds 0-3 --animate a.webp >/dev/null
[ "$(webp_frames a.webp)" = 7 ] || die "a.webp has $(webp_frames a.webp) frames"
sample run --seeds 0-3 --animate b.webp --frames 3 --method ode --tolerance 0.1 >/dev/null
[ "$(webp_frames b.webp)" = 3 ] || die "b.webp has $(webp_frames b.webp) frames"
sample told --class 0-9 --guidance 1 --seeds 0-3 --animate c.webp >/dev/null
sample run --seeds 0-3 --animate again.webp >/dev/null
cmp a.webp again.webp || die "animations are not repeatable"
! cmp -s a.webp c.webp || die "animations of two models are the same"
sample points --seeds 0-99 --steps 100 --animate points.webp --frames 5 --raw points.npz \
  --grid points.png --show >/dev/null
[ "$(webp_frames points.webp)" -ge 2 ] || die "points.webp does not move"

# A picture in the terminal: without one, characters.
COLUMNS=50 sample run --seeds 0-15 --show >shown
sed '$d' shown >picture
[ "$(tail -n 1 shown)" = "$(sample run --seeds 0-15)" ] || die "$(tail -n 1 shown)"
[ "$(LC_ALL=C tr -d ' .:=+*#%@\n-' <picture | wc -c)" = 0 ] || die "other characters: $(cat picture)"
[ "$(awk '{ print length }' picture | sort -u)" = 50 ] || die "not 50 wide: $(cat picture)"
[ "$(wc -l <picture)" = 25 ] || die "not 25 high: $(cat picture)"

# JSON: one line with these keys.
keys_of() {  # file, keys
  local file=$1 key
  shift
  [ "$(wc -l <"$file")" = 1 ] || die "$file is not one line"
  for key in "$@"; do grep -q "[{,] *\"$key\":" "$file" || die "$file lacks $key: $(cat "$file")"; done
}
sample run --seeds 0-4 --json --grid json.png >a.json
keys_of a.json model method steps seeds seed samples drawn evaluations seconds device files \
  checksum classifier_agreements
grep -q '"evaluations":7,.*"files":\["json.png"\],' a.json || die "$(cat a.json)"
[ "checksum $(sed 's/.*"checksum":"\([0-9a-f]*\)".*/\1/' a.json)" = "$(sample run --seeds 0-4)" ] ||
  die "checksums: $(cat a.json)"
sample run --seeds 0-4 --json --class 3 --classifier classifier --batch 2 >guided.json
grep -q '"classifier_agreements":[0-5]}' guided.json || die "$(cat guided.json)"

# Edits by a model that knows classes. Its few steps of training tell them apart by strong guidance.
edit() { quiet "edit.$1" "$ito" edit "$@" --threads 1; }
picture=whole/seed_000000.png
edit inpaint told --input $picture --samples 3 --steps 50 --out any.png
edit inpaint told --input $picture --samples 3 --steps 50 --out strong.png --class 3 --guidance 100
edit inpaint told --input $picture --samples 3 --steps 50 --out turns.png --class 3,4,5 --guidance 100
edit inpaint told --input $picture --samples 3 --steps 50 --out classified.png --class 3 \
  --classifier classifier
[ "$(for p in any strong turns classified; do cksum <$p.png; done | sort -u | wc -l)" = 4 ] ||
  die "classes that draw the same"
edit_json() { "$ito" edit "$@" --threads 1 --json >"$1.json" 2>edit.log || die "$(cat edit.log)"; }
edit_json deblur told --input $picture --samples 2 --class 3 --out sharp.png
keys_of deblur.json edit model inputs files seed evaluations error seconds
edit_json inpaint told --input $picture --samples 3 --steps 50 --class 3 --guidance 100 \
  --out json.png
cmp json.png strong.png || die "--json changes the picture"
awk -F'"error":' '{ exit !($2 + 0 < 1e-5) }' inpaint.json ||
  die "what was known is not in the answer: $(cat inpaint.json)"
edit_json encode run --input $picture --tolerance 1e-3 --out a.safetensors
grep -q '"error":[0-9]' encode.json || die "$(cat encode.json)"
edit_json decode run --input a.safetensors --tolerance 1e-3 --out decoded.png
grep -q '"error":null' decode.json || die "$(cat decode.json)"
refused 201 --class "$ito" edit inpaint run --input $picture --out new --class 3
refused 203 --class "$ito" edit inpaint told --input $picture --out new --class 10
refused 201 --guidance "$ito" edit inpaint told --input $picture --out new --guidance 2
refused 201 'command line' "$ito" edit encode told --input $picture --out new --class 3
refused 201 'command line' "$ito" edit interpolate told --input $picture --out new --guidance 3

# Likelihoods given a class.
bits() {  # csv, options
  "$ito" likelihood told --images 4 --tolerance 1e-3 --threads 1 --csv "$@" --json >likelihood.json \
    2>likelihood.log || { cat likelihood.log; die "likelihood $*"; }
}
bits free.csv
bits labels.csv --class labels
keys_of likelihood.json bits_per_dim split class
grep -q '"class": *"labels"' likelihood.json || die "$(cat likelihood.json)"
bits alone.csv --class labels --batch 1
bits zero.csv --class 0
cmp labels.csv alone.csv || die "the class of an image depends on the batch"
! cmp -s labels.csv free.csv && ! cmp -s labels.csv zero.csv || die "--class changes nothing"
# The digits come in turn: the first image is a 0, the others are not.
[ "$(sed -n 2p labels.csv)" = "$(sed -n 2p zero.csv)" ] || die "image 0 is no 0"
[ "$(sed -n 3p labels.csv)" != "$(sed -n 3p zero.csv)" ] || die "image 1 is a 0"
refused 201 --class "$ito" likelihood run --class labels
refused 201 --class "$ito" likelihood run --class 3
refused 203 --class "$ito" likelihood told --class 10
refused 203 --class "$ito" likelihood told --class 1,2
refused 203 --class "$ito" likelihood told --class label
refused 201 'command line' "$ito" likelihood told --class 3 --guidance 2
echo "all outputs as they should be"
