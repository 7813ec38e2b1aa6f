#!/usr/bin/env bash
# data.sh ITO WORK [SHARED]: ito data on every kind of data set: packed files train as what they were
# made of, damage is named, statistics and noise scales are the known ones, and mistakes are answered
# with one line.
source "$(dirname "$0")/common.sh"
shared=${ITO_SHARED_DIR:-${3:-none}}

# Pictures of 6 x 4 red and 4 x 4 grey pixels, an archive of both with labels, and an array.
decode() { printf '%s' "$1" | base64 -d; }
red=iVBORw0KGgoAAAANSUhEUgAAAAYAAAAECAIAAAAiZtkUAAAAEUlEQVR42mP4z8CAhhjIFQIApNEX6Tiq+V8AAAAASUVORK5CYII=
grey=iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAAAAACMmsGiAAAADklEQVR42mNoAAIGVAIAUBQIAW1N4EkAAAAASUVORK5CYII=
archive=UEsDBBQAAAAIADyTdV0/iYsqRgAAAEoAAAALAAAAMDAwMDAvYS5wbmfrDPBz5+WS4mJgYOD19HAJAtJsQMzCwQQkldJuigApQU8Xx5CKW8k/zh9oaJM4IcrEsOSi+EuLVT/jgZIMnq5+LuucEpoAUEsDBBQAAAAIADyTdV0jI/OKQQAAAEcAAAALAAAAMDAwMDAvYi5wbmfrDPBz5+WS4mJgYOD19HAJAtIsIMwBJBh6Zh1cBKT4PF0cQypuJWcwMLGFMDEEiHAw5vo+8ASp8HT1c1nnlNAEAFBLAwQUAAAACAA8k3Vdnri6XSgAAAA0AAAADAAAAGRhdGFzZXQuanNvbqtWyklMSs0pVrJSiI5WMgAB/US9grx0JR0Fw1gdBZhYElTMIDa2FgBQSwECFAMUAAAACAA8k3VdP4mLKkYAAABKAAAACwAAAAAAAAAAAAAAgAEAAAAAMDAwMDAvYS5wbmdQSwECFAMUAAAACAA8k3VdIyPzikEAAABHAAAACwAAAAAAAAAAAAAAgAFvAAAAMDAwMDAvYi5wbmdQSwECFAMUAAAACAA8k3Vdnri6XSgAAAA0AAAADAAAAAAAAAAAAAAAgAHZAAAAZGF0YXNldC5qc29uUEsFBgAAAAADAAMArAAAACsBAAAAAA==
array=UEsDBBQAAAAIADyTdV0n7zIJUAAAAIwAAAAJAAAAYXJyXzAubnB5m+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjoKRmBkqKmjUKtABuBiAIL/QGAMBABQSwMEFAAAAAgAPJN1XRRHnWRJAAAAmAAAAAoAAABsYWJlbHMubnB5m+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjqaOgq1ChQALgYoYESjAVBLAQIUAxQAAAAIADyTdV0n7zIJUAAAAIwAAAAJAAAAAAAAAAAAAACAAQAAAABhcnJfMC5ucHlQSwECFAMUAAAACAA8k3VdFEedZEkAAACYAAAACgAAAAAAAAAAAAAAgAF3AAAAbGFiZWxzLm5weVBLBQYAAAAAAgACAG8AAADoAAAAAAA=
decode $archive >set.zip
decode $array >set.npz
mkdir -p folder/a folder/b
decode $red | tee folder/a/1.png >folder/a/2.PNG
decode $grey >folder/b/3.png
printf 'x,y\n0,0\n3,4\n1,1\n' >points.csv

run() {  # name, arguments of ito data
  "$ito" data "${@:2}" >"$1.out" 2>"$1.err" || { cat "$1.err"; die "$*"; }
}
has() { grep -q "$2" "$1" || die "no $2 in $(cat "$1")"; }

# Statistics, as text and as JSON.
run stats stats --data set.npz --json
has stats.out '"kind":"images","count":3,"shape":\[2,2,1\],"channels":\[{"mean":0.4,'
has stats.out '"classes":\[1,2\]}$'
has stats.out '"held_out":false'
run stats stats --data folder
has stats.out '^samples      3 images of 4 x 4 x 3$'
has stats.out '^channel 0    mean 0.83399, standard deviation 0.23478, from 0.50196 to 1$'
has stats.out '^class 0      2$'
run stats stats --data set.zip --size 2 --channels 1 --split test
has stats.out '^class 1      1$'
run stats stats --data points.csv
has stats.out '^channel 1    mean 1.66667, standard deviation 1.69967, from 0 to 4$'

# Check: what can be read, sizes, duplicates, and every file that cannot.
run check check --data folder
has check.out '^readable     3$'
has check.out '^size         4 x 6 x 3: 2$'
has check.out '^duplicate    folder/a/1.png = folder/a/2.PNG$'
echo 'no picture' >folder/a/0.png
head -c 45 folder/b/3.png >folder/b/4.png
code=0
"$ito" data check --data folder --json >check.out 2>check.err || code=$?
[ $code = 3 ] || die "exit code $code"
[ "$(wc -l <check.err)" = 2 ] || die "$(cat check.err)"
has check.err '^error\[E303\] folder/a/0.png: .*; fix: '
has check.err '^error\[E303\] folder/b/4.png: .*; fix: '
has check.out '"readable":3,"unreadable":\[{"file":"folder/a/0.png","error":303,'
has check.out '"duplicates":\[\["folder/a/1.png","folder/a/2.PNG"\]\]'
rm folder/a/0.png folder/b/4.png

# Packed files: sizes, splits, the same bytes again, in the place of what they were made of.
run pack pack --data set.zip --size 2 --channels 3 --out zip.ito
has pack.out '^zip.ito: 2 images of 2 x 2 x 3, 2 classes, '
has pack.out '^no images held out'
run third pack --data set.npz --out third.ito --test-fraction 0.34
run stats stats --data third.ito --split test
has stats.out '^channel 0    mean 0.20000, standard deviation 0.00000, '
has stats.out '^class 1      1$'
run stats stats --data third.ito
has stats.out '^channel 0    mean 0.50000, '
run pack pack --name digits --size 16 --out digits.ito --json
has pack.out '"name":"digits","shape":\[16,16,1\],"classes":10,"train":8192,"test":1024,"held_out":true'
run pack pack --data digits.ito --out again.ito
for split in train test; do
  run a stats --name digits --size 16 --split $split --json
  run b stats --data again.ito --split $split --json
  cmp <(sed 's/"digits"/"packed"/' a.out) b.out || die "other statistics of $split"
done
run pack pack --data digits.ito --out digits.ito --overwrite --test-fraction 0.1
has pack.out '^train 8295, test 921$'
run pack pack --data again.ito --out digits.ito --overwrite
cmp again.ito digits.ito || die "packing a packed file changes it"
run check check --data digits.ito
has check.out '^readable     9216$'
train() { quiet "$1" "$ito" train "${tiny[@]}" --set train.sample_every=0 --max-steps 4 --out "$@"; }
train plain
train packed --set data.name=packed --data digits.ito
train recognised --set data.name=auto --data digits.ito
for other in packed recognised; do
  cmp plain/metrics.jsonl $other/metrics.jsonl || die "$other: other losses"
done
# A byte changed in the middle; a byte short; a byte too many.
cp digits.ito changed.ito
printf 'x' | dd of=changed.ito bs=1 seek=500000 conv=notrunc status=none
head -c -1 digits.ito >short.ito
{ cat digits.ito; printf x; } >long.ito

# Other ways to see pixels: training runs, on logits with the SDE that they need.
train gaussian --set data.gaussian_dequantization=true
cmp -s plain/metrics.jsonl gaussian/metrics.jsonl && die "no Gaussian noise"
quiet logit "$ito" train "${tiny_ve[@]}" --set data.logit_transform=true \
  --set data.uniform_dequantization=true --set train.sample_every=0 --max-steps 2 --out logit
# Under a VE model with sigma_min 0.01 and hardly any training, densities of logits are finite.
quiet bits "$ito" likelihood logit --images 2 --tolerance 0.1 --json
grep -Eq '"bits_per_dim": *-?[0-9.]+,' bits.log || die "$(cat bits.log)"

# Noise scales: the largest distance of three points is 5; of all digits what of a subset is not.
run noise noise-scales --data points.csv
has noise.out '^sigma_max    5: '
has noise.out 'no advice'
run noise noise-scales --name digits --size 16 --samples 300 --json
has noise.out '"name":"digits","samples":300,"of":8192,"dimension":256,'
run all noise-scales --name digits --size 16 --samples 600 --json
number() { sed -nE "s/.*\"$2\":([-0-9.e+]+).*/\1/p" "$1"; }
awk -v a="$(number noise.out sigma_max)" -v b="$(number all.out sigma_max)" \
  -v o="$(number noise.out overlap)" -v v="$(number noise.out variance_ratio)" \
  'BEGIN { exit !(a > 5 && a <= b && b < 16 && o >= 0.5 && o < 0.55 && v > 1 && v < 1.2) }' ||
  die "$(cat noise.out all.out)"
run centred noise-scales --name digits --size 16 --samples 300 --json --centered
awk -v a="$(number noise.out sigma_max)" -v b="$(number centred.out sigma_max)" \
  'BEGIN { exit !((b - 2 * a) ^ 2 < 1e-8) }' || die "$(cat centred.out)"
run toml noise-scales --name digits --size 16 --samples 300 --toml
quiet config "$ito" train "${tiny_ve[@]}" --config toml.out --set sampling.steps=6 --max-steps 1 \
  --set train.sample_every=0 --out config
has config/config.toml "^num_scales = $(number noise.out levels) "

# A signal while packing leaves nothing behind.
"$ito" data pack --name digits --size 64 --channels 3 --out stopped.ito >stop.out 2>stop.err &
packer=$!
sleep 0.2
kill -TERM $packer 2>/dev/null || true
code=0
wait $packer || code=$?
case $code in
  0) [ -e stopped.ito ] || die "packed, but where?" ;;
  75 | 143) [ ! -e stopped.ito ] || die "stopped with $code, but there is a file" ;;
  *) die "exit code $code: $(cat stop.err)" ;;
esac
rm -f stopped.ito
[ -z "$(find . -name '*.tmp-*')" ] || [ $code = 143 ] || die "left: $(find . -name '*.tmp-*')"
rm -f ./*.tmp-*

# refused NUMBER SUBJECT ARGUMENTS...: one line that begins so, no file "new".
refused() {
  local code=0
  "$ito" data "${@:3}" >out.log 2>err.log || code=$?
  [ $code = "${1:0:1}" ] || die "exit code $code: ${*:3} ($(cat err.log))"
  [ "$(grep -c '^error' err.log)" = 1 ] || die "not one line of error: ${*:3} ($(cat err.log))"
  [[ $(tail -n 1 err.log) == "error[E$1] $2"*"; fix: "* ]] || die "${*:3}: $(cat err.log)"
  [ ! -e new ] || die "something was written: ${*:3}"
}
head -c 300 set.zip >cut.zip
head -c 300 set.npz >cut.npz
mkdir empty
printf '1,2\n3\n' >broken.csv
echo text >file.txt
refused 201 'command line' paint
refused 201 'command line' pack --data set.zip
refused 201 'command line' pack --data set.zip --out new --test-fraction 0.9
refused 202 data.name pack --name photos --data set.zip --out new
refused 203 data.path pack --out new
refused 203 data.path check
refused 204 'ito data pack: "csv" holds points' pack --data points.csv --out new
refused 204 --sigma-min noise-scales --data points.csv --sigma-min 7
refused 301 none stats --data none
refused 301 empty pack --data empty --out new
refused 302 short.ito stats --data short.ito
refused 302 short.ito check --data short.ito
refused 303 changed.ito check --data changed.ito
refused 303 cut.zip check --data cut.zip
refused 303 cut.npz pack --data cut.npz --out new
refused 303 'broken.csv: line 2' stats --data broken.csv
refused 303 set.npz stats --name packed --data set.npz
refused 304 long.ito check --data long.ito
refused 304 set.npz pack --data set.npz --size 3 --out new
refused 304 zip.ito pack --data zip.ito --channels 1 --out new
refused 305 file.txt stats --data file.txt
refused 401 none/new pack --data set.zip --out none/new
refused 402 zip.ito pack --data set.zip --out zip.ito
refused 402 folder pack --data set.zip --out folder
refused 401 folder pack --data set.zip --out folder --overwrite
echo 'no picture' >folder/b/9.png
refused 303 folder/b/9.png pack --data folder --out new
rm folder/b/9.png

# Real sets, where there are some.
if [ -d "$shared/data/cifar10-jpeg-small" ]; then
  run cifar pack --data "$shared/data/cifar10-jpeg-small" --out cifar.ito
  has cifar.out '^train 10000, test 2000$'
  run cifar noise-scales --data cifar.ito --samples 1000
  has cifar.out '^sigma_max    4[0-9]'
fi
if [ -d "$shared/data/mnist" ]; then
  run mnist stats --data "$shared/data/mnist" --split test --json
  has mnist.out '"classes":\[980,1135,1032,1010,982,892,958,1028,974,1009\]'
fi
echo "every data set read"
