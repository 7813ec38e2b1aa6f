#!/usr/bin/env bash
# report.sh ITO WORK: the HTML report of runs, alone and compared.
source "$(dirname "$0")/common.sh"

quiet first "$ito" train "${tiny[@]}" --max-steps 12 --out one
quiet second "$ito" train "${tiny[@]}" --max-steps 8 --set optim.lr=1e-3 --out two
"$ito" report one --out one.html >out
[ "$(cat out)" = one.html ] || die "$(cat out)"
"$ito" report one two --out both.html >out

# Markup that only a page with everything in it has.
for part in 'aria-label="loss"' 'one, held-out' 'images per second' 'data:image/png;base64,iVBORw0KGgo' \
            'convolution_gflops' 'optim.lr' 'config.toml of one'; do
  grep "$part" one.html >/dev/null || [ "$part" = optim.lr ] || die "$part is missing"
  grep "$part" both.html >/dev/null || die "$part is missing in the comparison"
done
! grep -i '<script\|http:\|https:' both.html >/dev/null || die "the page needs something else"
# Every element that is opened is closed again.
for tag in table tr figure svg div p details pre; do
  [ "$(grep -o "<$tag[ >]" both.html | wc -l)" = "$(grep -o "</$tag>" both.html | wc -l)" ] ||
    die "<$tag> is not balanced"
done

# fails CODE COMMAND...: exit code, and one line on standard error.
fails() {
  local want=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  [ $code = "$want" ] || die "exit code $code, not $want: $*"
  [ "$(wc -l <err)" = 1 ] || die "$(cat err)"
}
fails 2 "$ito" report
fails 3 "$ito" report nothing
fails 4 "$ito" report one --out missing/report.html
fails 4 "$ito" report one --out one
cp one.html before.html
fails 3 "$ito" report one nothing --out one.html
cmp one.html before.html || die "a failed report changed the file"
echo "reports are whole"
