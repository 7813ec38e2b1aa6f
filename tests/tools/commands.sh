#!/usr/bin/env bash
# commands.sh ITO WORK MANUAL: help, manual and completion say what the option table holds; MANUAL
# (docs/commands.md) is what the program prints.
manual=$(realpath "$3")
source "$(dirname "$0")/common.sh"

"$ito" manual markdown >commands.md
diff "$manual" commands.md || die "docs/commands.md is stale: ito manual markdown > docs/commands.md"

# Every command has help that names it, no line of which is wider than a terminal, and that goes
# to standard output whether it is one or not.
"$ito" --help >help.txt
sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' help.txt >commands
[ "$(wc -l <commands)" -ge 12 ] || die "commands in the help: $(tr '\n' ' ' <commands)"
while read -r command; do
  "$ito" "$command" --help >"help_$command.txt"
  grep "^Usage: ito $command" "help_$command.txt" >/dev/null || die "usage of $command"
  grep "^## ito $command" commands.md >/dev/null || die "$command in the manual"
done <commands
wide=$(awk 'length > 80 && !/^  [^ ]* *[^ ]*$/' help*.txt)
[ -z "$wide" ] || die "wide lines: $wide"

# complete WORD...: what bash offers for the last word.
source <("$ito" completion bash)
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _ito
  echo "${COMPREPLY[*]}"
}
has() { case " $1 " in *" $2 "*) ;; *) die "completion offers \"$1\", not $2" ;; esac; }
has "$(complete_words ito tr)" train
has "$(complete_words ito edit inp)" inpaint
has "$(complete_words ito train --max-s)" --max-steps
has "$(complete_words ito edit inpaint --samp)" --samples
has "$(complete_words ito train --preset mni)" mnist
has "$(complete_words ito train --data commands.m)" commands.md
has "$(complete_words ito sample --math "")" exact
[ -z "$(complete_words ito edit --max-st)" ] || die "an option of another command"
[ -z "$(complete_words ito sample --math x)" ] || die "a value that --math does not take"
for shell in zsh fish; do
  "$ito" completion $shell >"$shell.script"
  ! command -v $shell >/dev/null || $shell -n "$shell.script" || die "$shell cannot read it"
  grep max-steps $shell.script >/dev/null || die "$shell"
done

"$ito" manual man >ito.1
grep '^\.TH ITO 1' ito.1 >/dev/null || die "man page"
if command -v groff >/dev/null; then
  groff -man -Tascii -ww ito.1 >man.txt 2>man.log
  [ ! -s man.log ] || die "$(head -n 3 man.log)"
fi
code=0
"$ito" completion tcsh >out 2>err || code=$?
[ $code = 2 ] && [ "$(wc -l <err)" = 1 ] || die "exit code $code for an unknown shell"
echo "help, manual and completion agree with the options"
