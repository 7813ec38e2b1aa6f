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

# Tensors alone give the same file as the checkpoint that holds them.
ddpmpp=(--config ve.toml --set model.fir=false --set model.progressive_input=none
        --set model.embedding_type=positional --set objective.continuous=false
        --set objective.kind=smld)
quiet convert "$ito" convert "$files/ddpmpp.pth" "${ddpmpp[@]}" --weights model --out a.safetensors
for form in reference module; do
  quiet convert "$ito" convert "$files/$form.safetensors" "${ddpmpp[@]}" --out b.safetensors
  cmp a.safetensors b.safetensors || die "tensors of $form are others"
done
quiet convert "$ito" convert a.safetensors "${ddpmpp[@]}" --out b.safetensors
cmp a.safetensors b.safetensors || die "our own names give other tensors"

# Folders of diffusers carry their configuration; --preset and --set go before it and after it.
for kind in ddpm ncsnpp; do
  quiet convert "$ito" convert "$files/diffusers_$kind" --out $kind.safetensors \
    --set sampling.steps=2
  quiet info "$ito" info $kind.safetensors
  quiet sample "$ito" sample $kind.safetensors --seeds 0-1 --grid $kind.png
done
grep -q 'sde.sigma_max = 380' info.log || die "the scheduler's noise level is not in the file"
quiet convert "$ito" convert "$files/diffusers_ncsnpp" --preset ve/church_ncsnpp_continuous \
  --set sde.sigma_max=90 --out church.safetensors
quiet info "$ito" info church.safetensors
grep -q 'data.image_size = 16' info.log || die "config.json does not describe the images"
grep -q 'sde.sigma_max = 90' info.log || die "--set is not the last word"

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
refused 301 "$work" 'has no config.json' "${ve[@]}"
refused 305 ve.toml 'neither a zip archive nor a pickle' "${ve[@]}"
refused 305 "$files/attack.pth" 'system, which is not allowed,' "${ve[@]}"
refused 304 "$files/ddpmpp.pth" all_modules. "${ve[@]}"
refused 304 "$files/ncsnpp.pth" all_modules. "${ve[@]}" --set model.nf=12
refused 304 "$files/ncsnpp.pth" sde.num_scales "${ve[@]}" --set sde.num_scales=100
refused 304 "$files/ncsnpp.pth" sde.sigma_max "${ve[@]}" --set sde.sigma_max=90
refused 303 "$files/packed.pth" 'has a packed entry data.pkl' "${ddpmpp[@]}"
refused 303 "$files/bomb.pth" 'has a packed entry data.pkl' "${ddpmpp[@]}"
refused 303 "$files/outside.pth" 'has no entry data/../../' "${ddpmpp[@]}"
refused 304 "$files/fewer.safetensors" 'all_modules.0.weight (2 missing)' "${ddpmpp[@]}"
refused 304 "$files/extra.safetensors" 'z.1 (2 unknown)' "${ddpmpp[@]}"
refused 304 "$files/reference.safetensors" 'of another shape)' "${ddpmpp[@]}" --set model.nf=12
refused 201 "$files/reference.safetensors" --preset
head -c 100000 "$files/reference.safetensors" >short.safetensors
refused 302 short.safetensors short.safetensors "${ddpmpp[@]}"
printf '\x00\x00\x00\x00\x00\x00\x00\x10{"a":' >huge.safetensors
refused 303 huge.safetensors 'promises a header' "${ddpmpp[@]}"
head -c 100000 "$files/ncsnpp.pth" >short.pth
refused 303 short.pth 'damaged or cut short' "${ve[@]}"
# PyTorch names storages by their addresses and writes them in the order of these names, so that what
# lies at a byte differs from one writing to the next; the last byte is always inside a storage.
head -c -1 "$files/ncsnpp.stream.pth" >short.pth
refused 302 short.pth 'ends inside storage' "${ve[@]}"

# Folders of diffusers, damaged.
cp -r "$files/diffusers_ddpm" bad
rm bad/scheduler_config.json
refused 201 bad 'neither --preset nor --config is given'
vp=(--preset vp/ddpm/cifar10)
quiet convert "$ito" convert bad "${vp[@]}" --out vp.safetensors
refused 203 bad model.nf "${vp[@]}" --set model.nf=-4
sed -i 's/"freq_shift": 1/"freq_shift": 0/' bad/config.json
refused 305 bad 'freq_shift is 0' "${vp[@]}"
sed -i 's/"freq_shift": 0/"freq_shift": 1/; s/\[32, 64\]/[32, 64000]/' bad/config.json
refused 304 bad 'down_blocks.1.resnets.0.conv2.weight has shape [64,64,3,3]' "${vp[@]}"
sed -i 's/\[32, 64000\]/[32, -64]/' bad/config.json
refused 303 bad 'block_out_channels is [32,-64]' "${vp[@]}"
head -c 100000 /dev/zero | tr '\0' '[' >bad/config.json
refused 303 bad 'is no JSON object' "${vp[@]}"
cp "$files/diffusers_ddpm/config.json" bad
cp "$files/attack.pth" bad/diffusion_pytorch_model.bin
refused 305 bad 'system, which is not allowed,' "${vp[@]}"
head -c 100000 "$files/diffusers_ddpm/diffusion_pytorch_model.bin" >bad/diffusion_pytorch_model.bin
refused 303 bad 'damaged or cut short' "${vp[@]}"
quiet attention "$ito" convert "$files/diffusers_ddpm_attention" "${vp[@]}" --out attention.safetensors
"$ito" info attention.safetensors >attention.txt
grep -q '^up.1.attention.1.query ' attention.txt || die "no attention after each block"

cp "$files/ncsnpp.pth" own.pth
code=0
"$ito" convert own.pth --out own.pth "${ve[@]}" 2>err || code=$?
[ $code = 4 ] && cmp own.pth "$files/ncsnpp.pth" || die "wrote over the checkpoint ($(cat err))"
echo "converted, sampled and refused"
