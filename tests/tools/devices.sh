#!/usr/bin/env bash
# devices.sh ITO WORK OLD_DRIVER: what the program says and does when a device or its libraries are
# missing, too old, too small or broken: one line, the exit code of its kind, no hang; and that
# training and sampling go through the device interface (on the emulator).
source "$(dirname "$0")/common.sh"
old_driver=$3

# expect EXIT TEXT COMMAND...: exit code, and one line of error that contains TEXT.
expect() {
  local want=$1 text=$2 code=0
  shift 2
  timeout 120 "$@" >out.log 2>err.log || code=$?
  [ $code = "$want" ] || die "exit code $code instead of $want: $* ($(tail -n 1 err.log))"
  [ "$(grep -c '^error' err.log)" = 1 ] || die "not one line of error: $* ($(cat err.log))"
  grep -qF -- "$text" err.log || die "no \"$text\": $* ($(tail -n 1 err.log))"
}

quiet train "$ito" train "${tiny[@]}" --max-steps 2 --out run
emulated=("$ito" sample run --device emulated --seeds 0-1 --steps 200)

# Absent and old drivers, libraries. A build without CUDA has one answer to all of them.
hidden=(env CUDA_VISIBLE_DEVICES= "$ito")
expect 5 'no usable GPU: ' "${hidden[@]}" sample run --device cuda
expect 2 'use auto, cpu, cuda, cuda:N or emulated' "$ito" sample run --device cuda:x
quiet auto "${hidden[@]}" sample run --seeds 0-0 --steps 200 --device auto
quiet doctor env ITO_CUDNN_LIBRARY=/nowhere/libcudnn.so.9 "$ito" doctor
if grep -q '^cuda .*in this build' doctor.log && ! grep -q '^cuda .*not in' doctor.log; then
  mkdir driver
  cp "$old_driver" driver/libcuda.so.1
  expect 5 'the driver serves CUDA 12.4, this program needs' \
    env LD_LIBRARY_PATH="$PWD/driver" "$ito" sample run --device cuda
  grep -q '^cuDNN .*not used: .*nowhere' doctor.log || die "doctor: $(cat doctor.log)"
fi

if grep -q 'for the emulator: 0$' doctor.log; then
  expect 5 'this build has no emulator' "${emulated[@]}"
  exit 0
fi

# A device with too little memory, and one that breaks: at once, in the middle, late.
expect 6 'emulated memory: ' env ITO_EMU_MEMORY=500000 "${emulated[@]}"
expect 6 'emulated memory: ' env ITO_EMU_MEMORY=2000000 "$ito" train "${tiny[@]}" \
  --device emulated --max-steps 1 --out small
for launch in 1 40 300; do
  expect 8 'an illegal memory access was encountered (CUDA error 700)' \
    env ITO_EMU_FAULT_AT=$launch "${emulated[@]}"
  grep -q 'ITO_CUDA_SYNC=1' err.log || die "no advice: $(cat err.log)"
done
expect 8 'please report it' env ITO_CUDA_SYNC=1 ITO_EMU_FAULT_AT=40 "${emulated[@]}"

# Training and sampling on a device whose memory the host cannot touch.
export ITO_EMU_STRICT=1
quiet there "$ito" train "${tiny[@]}" --device emulated --max-steps 2 --out there
quiet here "$ito" train "${tiny[@]}" --device cpu --max-steps 2 --out here
[ "$(cut -c1-30 here/metrics.jsonl)" = "$(cut -c1-30 there/metrics.jsonl)" ] ||
  die "losses differ: $(cat here/metrics.jsonl there/metrics.jsonl)"
quiet resume "$ito" train "${tiny[@]}" --device cpu --max-steps 4 --out there
quiet sample "$ito" sample there --device emulated --seeds 0-1 --steps 3 --grid there.png \
  --set sampling.predictor=euler_maruyama
[ "$(png_size there.png)" != 0x0 ] || die "no picture"
