#!/usr/bin/env bash
# convert.sh ITO WORK FILES: ito convert as users run it, on the checkpoints that
# write_torch_files.py left in FILES; exits 77 where there are none.
files=$(realpath -m "$3")
[ -e "$files/other.pth" ] || { echo "skipped: python3-torch is not installed"; exit 77; }
source "$(dirname "$0")/../tools/common.sh"

cat >ve.toml <<'TOML'
[data]
name = "digits"
image_size = 8
channels = 3
centered = false
[sde]
name = "ve"
num_scales = 10
[model]
nf = 8
ch_mult = [1, 2]
num_res_blocks = 1
attn_resolutions = [4]
fir = true
progressive_input = "residual"
embedding_type = "fourier"
scale_by_sigma = true
[sampling]
steps = 4
predictor = "reverse_diffusion"
corrector = "none"
TOML

# The averages and the last weights, both layouts: a file that samples by itself.
for weights in ema model; do
  for layout in pth stream.pth; do
    quiet convert "$ito" convert "$files/ncsnpp.$layout" --config ve.toml --weights $weights \
      --out "$weights.$layout.safetensors"
    grep -q "tensors of step 7, weights $weights" convert.log || die "$(cat convert.log)"
  done
  cmp "$weights.pth.safetensors" "$weights.stream.pth.safetensors" || die "the layouts differ"
done
! cmp -s ema.pth.safetensors model.pth.safetensors || die "the averages are the last weights"
quiet sample "$ito" sample ema.pth.safetensors --seeds 0-1 --grid grid.png
quiet info "$ito" info ema.pth.safetensors
grep -q 'sde.num_scales = 10' info.log || die "the configuration is not in the file"

# refused NUMBER FILE FACT OPTIONS...: one line, the exit code of its kind, nothing written.
refused() {
  local code=0
  "$ito" convert "$2" --out new.safetensors "${@:4}" >out 2>err || code=$?
  [ $code = ${1:0:1} ] || die "exit code $code for $2 ($(cat err))"
  [ "$(wc -l <err)" = 1 ] || die "not one line for $2: $(cat err)"
  [[ $(cat err) == "error[E$1] "*"$3"*"; fix: "* ]] || die "other message for $2: $(cat err)"
  [ ! -e new.safetensors ] && [ ! -e attacked ] || die "$2 left files"
}
ve=(--config ve.toml)
refused 201 "$files/ncsnpp.pth" --preset
refused 301 none.pth 'cannot be opened' "${ve[@]}"
refused 301 "$work" 'cannot be opened' "${ve[@]}"
refused 305 ve.toml 'neither a zip archive nor a pickle' "${ve[@]}"
refused 305 "$files/attack.pth" 'system, which is not allowed,' "${ve[@]}"
refused 304 "$files/ddpmpp.pth" all_modules. "${ve[@]}"
refused 304 "$files/ncsnpp.pth" all_modules. "${ve[@]}" --set model.nf=12
refused 304 "$files/ncsnpp.pth" sde.num_scales "${ve[@]}" --set sde.num_scales=100
refused 304 "$files/ncsnpp.pth" sde.sigma_max "${ve[@]}" --set sde.sigma_max=90
head -c 100000 "$files/ncsnpp.pth" >short.pth
refused 303 short.pth 'damaged or cut short' "${ve[@]}"
head -c 100000 "$files/ncsnpp.stream.pth" >short.pth
refused 302 short.pth 'ends inside storage' "${ve[@]}"
cp "$files/ncsnpp.pth" own.pth
code=0
"$ito" convert own.pth --out own.pth "${ve[@]}" 2>err || code=$?
[ $code = 4 ] && cmp own.pth "$files/ncsnpp.pth" || die "wrote over the checkpoint ($(cat err))"
echo "converted, sampled and refused"
