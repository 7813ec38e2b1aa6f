# Sourced by scripts that remove what is in their working folder.

# own_folder DIR: DIR is there and ours. A folder that holds something and that no script of ours
# made is refused: a wrong argument must not remove somebody's files.
own_folder() {
  if [ -n "$(ls -A "$1" 2>/dev/null)" ] && [ ! -e "$1/.made_by_a_test" ]; then
    echo "$1 is not empty, and no test made it: name another folder" >&2
    exit 2
  fi
  mkdir -p "$1"
  touch "$1/.made_by_a_test"
}

# fresh_folder DIR: the same, and empty.
fresh_folder() {
  own_folder "$1"
  rm -rf "$1"
  own_folder "$1"
}
