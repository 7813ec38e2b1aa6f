# Sourced by scripts that work in a folder which they empty first.

# fresh_folder DIR: DIR is there and empty. A folder that holds something and that no script of ours
# made is left alone: a wrong argument must not remove somebody's files.
fresh_folder() {
  if [ -n "$(ls -A "$1" 2>/dev/null)" ] && [ ! -e "$1/.made_by_a_test" ]; then
    echo "$1 is not empty, and no test made it: name another folder" >&2
    exit 2
  fi
  rm -rf "$1"
  mkdir -p "$1"
  touch "$1/.made_by_a_test"
}
