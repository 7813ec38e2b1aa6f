#!/usr/bin/env bash
# examples.sh ITO WORK EXAMPLES: the example programs (EXAMPLES/example_*) do what they promise.
source "$(dirname "$0")/common.sh"
examples=$3

"$examples/example_tensor_and_gradient" >tensor.out
head -n 3 tensor.out >first
for x in 1 2 3; do echo "x $x  gradient $((3 * x * x))  second derivative $((6 * x))"; done >wanted
diff wanted first || die "gradients"
grep -q 'shapes do not broadcast.*\[3\].*\[2\]' <(tail -n +4 tensor.out) || die "$(tail -n +4 tensor.out)"
[ "$(wc -l <tensor.out)" = 4 ] || die "lines of tensor_and_gradient"

"$examples/example_train_points" >points.out
radius=$(sed -n 's/^mean distance from the centre \([0-9.]*\) .*/\1/p' points.out)
awk -v r="$radius" 'BEGIN { exit !(r > 1.1 && r < 1.6) }' || die "mean distance $radius"

# Every sampler brings the custom SDE back to the circle of radius 1.41.
"$examples/example_custom_sde" >custom.out
[ "$(wc -l <custom.out)" = 9 ] || die "$(cat custom.out)"
sed -n 's/.*mean distance from the centre \([0-9.]*\)$/\1/p' custom.out >radii
[ "$(wc -l <radii)" = 8 ] || die "$(cat custom.out)"
awk '!($1 > 1.3 && $1 < 1.52) { exit 1 }' radii || die "$(cat custom.out)"
grep '^log-likelihood of the data -*[0-9.]* nats$' custom.out >/dev/null || die "$(cat custom.out)"

quiet train "$ito" train "${tiny[@]}" --max-steps 3 --out run
for first in 0 11; do
  "$examples/example_load_and_sample" run $first 5 >library.out
  "$ito" sample run --seeds $first-$((first + 4)) >program.out 2>sample.log
  diff <(grep '^checksum [0-9a-f]' library.out) program.out || die "library and program differ"
done
code=0
"$examples/example_load_and_sample" none >library.out 2>error.log || code=$?
[ $code = 3 ] || die "exit code $code without a model"
echo "the examples work"
