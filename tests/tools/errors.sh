#!/usr/bin/env bash
# errors.sh ITO WORK DOCUMENT: every mistake in the table of DOCUMENT (docs/errors.md) is made, and
# answered as the table says: one line on standard error, nothing on standard output, the exit code of
# its number, and no file new, changed or half written. The table is the list of the calls of `row` and
# `late` below, in their order.
document=$(realpath "$3")
source "$(dirname "$0")/common.sh"
one=(--threads 1)

files() { find . -mindepth 1 ! -name 'expect.*' ! -name table -printf '%P %s %T@\n' | sort; }

# check NUMBER WHAT LINE: the answer in expect.*; <n> in LINE is a number, other <words> are any text.
check() {
  local pattern actual
  pattern=$(sed -E 's/[][\\.*^$+?(){}|]/\\&/g; s/<n>/[0-9]+/g; s/<[a-z ]+>/.+/g' <<<"error[E$1] $3")
  actual=$(tail -n 1 expect.err)
  [[ $actual =~ ^$pattern$ ]] || die "$2: $actual, not error[E$1] $3"
  [[ $actual == error\[E???\]\ *": "*"; fix: "* ]] || die "$2: no subject, fact and fix: $actual"
  [ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <expect.err | wc -c)" = 0 ] || die "$2: control bytes"
  [ "$code" = "${1:0:1}" ] || die "$2: exit code $code"
  [ ! -s expect.out ] || die "$2: on standard output: $(cat expect.out)"
  echo "| $2 | \`$3\` | E$1 | ${1:0:1} |" >>table
}
# row NUMBER WHAT LINE COMMAND...
row() {
  local before code=0
  before=$(files)
  "${@:4}" >expect.out 2>expect.err || code=$?
  [ "$(wc -l <expect.err)" = 1 ] || die "$2: not one line: $(cat expect.err)"
  check "$1" "$2" "$3"
  [ "$before" = "$(files)" ] || die "$2: files: $(diff <(echo "$before") <(files))"
}
# late NUMBER WHAT LINE RUN COMMAND...: after some work, so that lines of progress come before and a
# RUN stays, all of whose checkpoints are whole.
late() {
  local code=0 left
  "${@:5}" >expect.out 2>expect.err || code=$?
  [ "$(grep -c '^error' expect.err)" = 1 ] || die "$2: not one line of error: $(cat expect.err)"
  check "$1" "$2" "$3"
  left=$(find . -name '*tmp-*' -o -name '*.partial*')
  [ -z "$left" ] || die "$2: half written: $left"
  for checkpoint in "$4"/checkpoints/step_*; do
    [ ! -d "$checkpoint" ] || "$ito" info "$checkpoint" >whole.log || die "$2: $checkpoint is not whole"
  done
  rm -rf "$4"
}
ito() { "$ito" "$@"; }
train() { "$ito" train "${tiny[@]}" "${one[@]}" --max-steps 6 --out new "$@"; }
go_on() { "$ito" train "${tiny[@]}" "${one[@]}" --max-steps 6 --out "$@"; }
stats() { "$ito" data stats --data "$1"; }
convert() { "$ito" convert "$1" --preset demo --set model.nf=8 --out new; }
low_memory() { (ulimit -v 300000 && "$@"); }
small_files() { (ulimit -f "$1" && "${@:2}"); }
full() { "$@" >/dev/full; }
closed() { "$@" >&-; }

# A run, others beside it, and files of all kinds, whole and damaged.
quick=("${tiny[@]}" "${one[@]}" --set train.sample_every=0)
quiet run "$ito" train "${quick[@]}" --max-steps 4 --out run
quiet wide "$ito" train "${quick[@]}" --set model.nf=12 --max-steps 1 --out wide
quiet told "$ito" train "${quick[@]}" --set model.num_classes=10 --max-steps 1 --out told
quiet pictures "$ito" sample run --seeds 0-1 --steps 1 --png pictures "${one[@]}"
quiet packed "$ito" data pack --data pictures --out packed.ito
quiet array "$ito" sample run --seeds 0-1 --steps 1 --npz set.npz "${one[@]}"
picture=pictures/seed_000000.png
weights=run/checkpoints/step_00000004/ema.safetensors
decode() { printf '%s' "$1" | base64 -d; }
decode iVBORw0KGgoAAAANSUhEUgAAAAYAAAAECAIAAAAiZtkUAAAAEUlEQVR42mP4z8CAhhjIFQIApNEX6Tiq+V8AAAAASUVORK5CYII= >red.png
mkdir -p png jpeg texts empty idx cifar diffusers kept taken/metrics.jsonl
head -c 45 red.png >png/cut.png
{ printf '\377\330\377\340\0\20JFIF\0' && head -c 40 /dev/zero; } >jpeg/bad.jpg
echo text | tee texts/a.txt >text
head -c 300 set.npz | tee cut.npz >cut.zip
printf '1,2\n3\n' >short.csv
printf '\0\0\10\1\0\0\0\2\1\2' >idx/train-labels-idx1-ubyte
printf '\0\0\10\3\0\0\0\2\0\0\0\34\0\0\0\34only this' >idx/train-images-idx3-ubyte
head -c 5000 /dev/zero | tee cifar/data_batch_{1,2,3,4}.bin >cifar/data_batch_5.bin
head -c -5 packed.ito >cut.ito
printf '[model\nnf = 8\n' >syntax.toml
printf '[model]\nnff = 8\n' >key.toml
head -c -7 "$weights" >cut.safetensors
{ head -c 8 "$weights" && printf 'x' && tail -c +10 "$weights"; } >header.safetensors
sed 's/nf\\":8/nf\\":7/' "$weights" >config.safetensors
printf '\200\2cos\nsystem\nX\16\0\0\0touch attacked\205R.' >attack.pth
head -c 3000 /dev/zero >zeros.pth
echo '{' >diffusers/config.json
echo '{}' >kept/samples.json
mkfifo pipe
damaged() { cp -r run "$1" && cat >"$1/checkpoints/step_00000004/$2"; }
head -c -1 run/checkpoints/step_00000004/optim.safetensors | damaged torn optim.safetensors
echo '{}' | damaged nostep state.json
damaged mixed model.safetensors <wide/checkpoints/step_00000001/model.safetensors
touch expect.out expect.err

# 2: usage and configuration.
usage='command line: '
help='; fix: see ito --help'
row 201 'no subcommand' "${usage}names no subcommand$help" ito
row 201 'a subcommand that does not exist' "${usage}The following argument was not expected: <word>$help" ito paint
row 201 'two subcommands' "${usage}The following arguments were not expected: <words>$help" ito train sample run
row 201 'an option that does not exist' "${usage}The following argument was not expected: <option>$help" train --bogus
row 201 'an option that is missing' "$usage<option> is required$help" ito edit inpaint run --input $picture
row 201 'an option given twice' "$usage<option>: At Most 1 required but received <n>$help" ito sample run --steps 3 --steps 4
row 201 'options that exclude one another' "$usage<option> excludes <option>$help" train --max-images 9
row 201 'a number out of range' "$usage<option>: Value <value> not in range <n> to <n>$help" ito sample run --steps 0
row 201 'no configuration' 'ito train: neither --preset nor --config is given; fix: start with --preset demo' ito train --out new
row 201 'classes asked of a model that knows none' '--class: is given, but this model knows no classes; fix: give a model trained with model.num_classes, or --classifier PATH where there is one' ito sample run --class 3
row 202 'a preset that does not exist' '--preset: there is no preset "<name>"; fix: use <name> (the nearest), or another of those that ito info lists' ito train --preset dmeo --out new
row 202 'a key that does not exist' '--set: there is no key "<key>"; fix: use <key> (the nearest), or see --print-config' train --set model.nff=16
row 202 'such a key in a file' '<file>: there is no key "<key>"; fix: use <key> (the nearest), or see --print-config' train --config key.toml
row 202 'a metric that does not exist' '--metrics: there is no metric "<name>"; fix: use <name> (the nearest), or another of <names>' ito eval run --metrics fit
row 203 'a value of another type' '--set: <key> = <value> is not an integer; fix: give an integer (<meaning>)' train --set model.nf=many
row 203 'a value out of range' '<key>: is <value>; fix: use a multiple of 4, at most <n>' train --set model.nf=7
row 203 'an empty text' '<option>: "" is no value; fix: give one, or leave it out' ito sample run --grid ''
row 203 'not a number' '<option>: is nan; fix: give a number' ito sample run --tolerance nan
row 203 'no list of numbers' '--seeds: "<text>" is not a list of indices; fix: write numbers and ranges such as 0-63 or 1,4,9-12, below <n>' ito sample run --seeds 5-
row 203 'a class that the model does not know' '--class: names class <n>; fix: the model has classes 0 to <n>' ito sample told --class 10
row 203 'a mask that is none' '--mask: is "<text>"; fix: write box:top,left,height,width with shares of the picture, random:0.5, or a PNG' ito edit inpaint run --input $picture --mask box:a,b,c,d --out new
row 203 'a device that does not exist' '--device: is "<name>"; fix: use auto, cpu, cuda, cuda:N or emulated' ito sample run --device tpu
row 203 'a name that is no text' 'data.path: "<name>" is not valid UTF-8; fix: rename the file or folder, or give a link to it' train --data $'a\xff'
row 203 'no data named' 'data.path: is empty; fix: set it to the folder or file of <data set>' ito train --preset mnist --out new
row 204 'values that exclude one another' 'data.centered: is false with sde.name = "<name>"; fix: set data.centered = true: <reason>' train --set data.centered=false
row 204 'two outputs with one name' '<file>: is the name of two outputs; fix: give each its own' ito sample run --grid new.png --trajectory ./new.png
row 204 'a metric without what it needs' '--metrics fid: needs the Inception network; fix: give --inception FILE.safetensors' ito eval run --metrics fid
row 204 'colours from a grey model' '<run>: draws grey pictures; fix: give a model of colours' ito edit colorize run --input $picture --out new
row 205 'a file that is not TOML' '<file>: line <n>: <what is wrong>; fix: correct the TOML' train --config syntax.toml

# 3: what is read.
again='; fix: copy the file again'
row 301 'a configuration file that is not there' '<file>: cannot be read; fix: check the path given to --config' train --config none.toml
row 301 'data that is not there' '<file>: cannot be opened: No such file or directory; fix: check data.path, or copy the file there' ito train --preset mnist --data none --out new
row 301 'a folder without pictures' '<folder>: holds no .png, .jpg or .jpeg file; fix: give a folder of images' stats texts
row 301 'a model that is not there' '<run>: does not exist; fix: check the path' ito sample none
row 301 'a folder without a checkpoint' '<folder>: holds no complete checkpoint; fix: train for at least one checkpoint, or name a .safetensors file' ito sample empty
row 301 'a report on what is no run' '<folder>/config.toml: is not there, so this is no run; fix: name the folder given to ito train --out' ito report empty --out new
row 302 'an idx file cut short' "<file>: has <n> bytes, needs <n>$again" ito train --preset mnist --data idx --out new
row 302 'a CIFAR-10 file cut short' "<file>: has <n> bytes, needs <n> for <n> records of <n> bytes$again, or check data.image_size" ito data stats --name cifar10 --data cifar
row 302 'a packed file cut short' "<file>: has <n> bytes, needs <n>$again" stats cut.ito
row 302 'weights cut short' '<file>: ends inside tensor <name> (<n> bytes of data, <n> needed); fix: write or copy the file again' ito sample cut.safetensors
row 302 'a checkpoint cut short' '<file>: ends inside tensor <name> (<n> bytes of data, <n> needed); fix: write or copy the file again' go_on torn
row 303 'a damaged PNG' '<file>: is no valid PNG: <reason>; fix: give another PNG file' stats png
row 303 'a damaged JPEG' '<file>: is no valid JPEG: <reason>; fix: give another JPEG file' stats jpeg
row 303 'a damaged zip archive' '<file>: is no zip archive, or is damaged or cut short; fix: copy the archive again' stats cut.zip
row 303 'a damaged npz file' '<file>: is no zip archive, or is damaged or cut short; fix: copy the archive again' stats cut.npz
row 303 'a line of a CSV file without two numbers' '<file>: line <n> is "<text>"; fix: write one point a line: two finite numbers with a comma between' stats short.csv
row 303 'weights with a damaged header' '<file>: its header is not a JSON object; fix: write or copy the file again' ito sample header.safetensors
row 303 'weights with a configuration that does not hold' '<file>: its configuration is not valid: <key> is <value>; fix: use a file written by ito' ito sample config.safetensors
row 303 'a checkpoint with a damaged state' '<file>: has no step number; fix: use another checkpoint' go_on nostep
row 303 'a damaged folder of diffusers' '<file>: is no JSON object of at most 1 MiB; fix: write or copy the file again' convert diffusers
row 304 'a picture of another size' '<file>: has <n> x <n> pixels, needed are <n> x <n>; fix: cut or scale it' ito edit inpaint run --input red.png --out new
row 304 'data of another shape' '<file>: npz has <n> rows, data.image_size asks for <n>; fix: set data.image_size = <n>' ito data stats --data set.npz --size 3
row 304 'the weights of another network in a checkpoint' '<file>: <tensor> has shape <shape>, the network needs <shape>; fix: use a file written for this network, or the configuration that it was trained with' go_on mixed
row 304 'another network for --resume' '<checkpoint>: <key> is <value> there and <value> here; fix: resume with the configuration of that run: leave out --preset and --config' train --resume wide
row 304 'the optimizer state for the weights' '<file>: carries no configuration; fix: use model.safetensors or ema.safetensors of a checkpoint written by ito' ito sample run/checkpoints/step_00000004/optim.safetensors
row 304 'tensors of another network to convert' '<file>: <tensor> has shape <shape>, the network needs <shape> (<n> of another shape); fix: give the --preset, or --config and --set, that the checkpoint was trained with' convert wide/checkpoints/step_00000001/ema.safetensors
row 304 'something else for a code' '<file>: has no tensor code; fix: use a file written for this network' ito edit decode run --input $weights --out new
row 305 'a file of no known kind for data' '<file>: is neither <kinds>; fix: name the kind of data set (data.name)' stats text
row 305 'a file of no known kind for a checkpoint' '<file>: is neither a zip archive nor a pickle; fix: use a checkpoint written by torch.save' convert zeros.pth
row 305 'a checkpoint that would run programs' '<file>: <place> asks for os.system, which is not allowed, at byte <n>; fix: use a checkpoint of tensors, numbers and dictionaries written by torch.save' convert attack.pth
row 305 'an archive that is no checkpoint' '<file>: is a zip archive with 0 entries NAME/data.pkl; fix: use a file written by torch.save' convert set.npz

# 4: what is written.
row 401 'a folder that is not there' '<file>: its folder does not exist; fix: name a file in a folder that exists' ito sample run --grid none/grid.png
row 401 'a folder that cannot be written to' '<folder>: cannot be created: <reason>; fix: check free space and permissions' go_on /proc/ito
row 401 'a file in the place of a folder' '<file>: cannot be created: Not a directory; fix: check free space and permissions' go_on text
row 401 'a folder in the place of what a run writes' '<file>: is no file; fix: check free space and permissions' go_on taken
row 401 'a folder in the place of a file' '<folder>: is a folder; fix: name a file in a folder that exists' ito report run --out empty
row 401 'a device or pipe in the place of a file' '<file>: is a device or a pipe; fix: name a file in a folder that exists' ito report run --out pipe
row 401 'no space for a file' '<file>: cannot write: <reason>; fix: check the disk, or choose another folder' small_files 1 ito report run --out new
late 401 'no space for a checkpoint' '<file>: cannot write: <reason>; fix: check the disk, or choose another folder' new small_files 100 train
row 401 'standard output that is full' 'standard output: takes no more text; fix: free space, or send it elsewhere' full ito info run
row 401 'standard output that is closed' 'standard output: takes no more text; fix: free space, or send it elsewhere' closed ito --help
row 402 'a run in the place of a new one' '<run>: holds a run already; fix: give another --out, or --resume auto to go on with it' go_on run --resume never
row 402 'a run that began otherwise' '<run>: holds a run already, which did not begin with <run>; fix: give another --out, or --resume auto to go on with it' ito train --out run --resume wide
row 402 'a file in the place of a packed one' '<file>: exists already; fix: name another file, or --overwrite' ito data pack --data pictures --out packed.ito
row 402 'samples of other settings' '<folder>: holds samples of other settings (<key> differs in samples.json); fix: give another folder, or --overwrite' ito sample run --seeds 0 --png kept
flock run/run.lock sleep 60 &
locker=$!
until ! flock -n run/run.lock true; do sleep 0.02; done
row 403 'a run that another process is writing' '<run>: another process is writing this run; fix: wait for it to end, or give another --out' go_on run
pkill -P $locker
wait $locker || true

# 5, 6, 7: the machine and the numbers.
row 501 'no GPU' '--device cuda: no usable GPU: <reason>; fix: use --device cpu' env CUDA_VISIBLE_DEVICES= "$ito" sample run --device cuda
row 601 'too little memory' 'cpu memory: <op>: cannot allocate <n> bytes, <n> in use; fix: use a smaller batch or a device with more memory' low_memory "$ito" sample run --seeds 0-8191 --batch 8192 --grid new.png "${one[@]}"
late 701 'a loss that is not finite' 'training: the loss is not finite at step <n>; fix: go on from the last checkpoint with a smaller optim.lr or optim.grad_clip = 1, or with --on-nonfinite skip or rollback' new train --set optim.lr=1e30 --set optim.warmup=0 --save-every 1 --sample-every 0 --set train.eval_every=0

# Careless use. A file that cannot be written is refused before the work, whoever writes it, and a pipe
# (a device, for the superuser) is not replaced.
for place in none/new pipe empty "$(printf 'n%.0s' {1..300})"; do
  for writer in "sample run --grid" "sample run --animate" "sample run --npz" "report run --out" \
      "likelihood run --csv" "edit inpaint run --input $picture --out" "eval run --stats-out" \
      "convert $weights --config run/config.toml --out"; do
    before=$(files) code=0
    "$ito" $writer "$place" >expect.out 2>expect.err || code=$?
    [ $code = 4 ] && [ "$(wc -l <expect.err)" = 1 ] && [[ $(cat expect.err) == "error[E401] $place: "* ]] ||
      die "$writer $place: $(cat expect.err)"
    [ "$before" = "$(files)" ] || die "$writer $place: files"
  done
done
# Names with blanks, of other languages, of bytes that are no text; links; without standard error.
odd=$(printf 'odd \303\274 \377\nname')
mkdir "$odd"
ln -s . link
go_on "$odd/run" 2>&- || die "training without standard error"
[ ! -s "$odd/run/run.lock" ] || die "standard error went into a file: $(cat "$odd/run/run.lock")"
quiet odd "$ito" sample "link/$odd/run" --seeds 0 --png "$odd/png" --grid "link/../${PWD##*/}/$odd/g.png"
odd_json() { "$ito" "$@" --json >expect.out 2>expect.err && [ "$(wc -l <expect.out)" = 1 ] || die "$1: $(cat expect.err)"; }
odd_json eval "$odd/run" --samples 2 --reference-images 9 --metrics swd "${one[@]}"
odd_json edit encode "$odd/run" --input "$odd/png/seed_000000.png" --tolerance 0.1 --out "$odd/code"
odd_json data check --data "$odd/png"
"$ito" info "$odd/run" >expect.out
[[ $(head -n 1 expect.out) == *'\xFF\x0Aname/run/'* ]] || die "info: $(head -n 2 expect.out)"

[ ! -e attacked ] || die "a checkpoint ran a program"
[ "$(wc -l <table)" -ge 40 ] || die "only $(wc -l <table) mistakes"
diff <(sed -n '/^| mistake | /,/^$/p' "$document" | sed '1,2d; /^$/d') table ||
  die "the table of docs/errors.md (<) is not what the program says (>, also in $PWD/table)"
echo "$(wc -l <table) mistakes answered as documented"
