#!/usr/bin/env bash
# bench.sh ITO WORK: ito bench measures something, for networks with and without classes.
source "$(dirname "$0")/common.sh"

"$ito" bench --preset demo --set model.nf=8 --batch 3 --seconds 0.05 >table.txt 2>err
[ "$(wc -l <table.txt)" = 4 ] || die "rows: $(cat table.txt)"
awk 'NR > 1 { n = $1 == "forward" ? 2 : 3; if (!($n > 0) || !($(n + 1) > 0)) exit 1 }' table.txt ||
  die "$(cat table.txt)"
"$ito" bench --preset mnist_conditional --set model.nf=8 --batch 1 --seconds 0 --json >bench.json
[ "$(wc -l <bench.json)" = 1 ] || die "$(cat bench.json)"
for key in device threads convolution_gflops rows median_seconds images_per_second peak_bytes; do
  grep "\"$key\":" bench.json >/dev/null || die "$key is missing"
done
code=0
"$ito" bench --preset classifier/mnist >out 2>err || code=$?
[ $code = 2 ] && [ "$(wc -l <err)" = 1 ] || die "a classifier: $code $(cat err)"
echo "ito bench works"
