#!/usr/bin/env bash
# The Debian packages that Ito needs.
#   tools/deps.sh            names them
#   tools/deps.sh --check    exits 1 and names those that are missing
#   tools/deps.sh --install  installs what is missing (as root, or through sudo)
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config
  libdnnl-dev                        # oneDNN: convolutions
  libhwy-dev                         # vectorised CPU kernels
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  libpng-dev libturbojpeg0-dev zlib1g-dev
  libwebp-dev                        # moving pictures
  libzip-dev                         # import of PyTorch checkpoints
  libgtest-dev libbenchmark-dev      # tests and benchmarks
  valgrind                           # counts of instructions
)

missing() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

case "${1:-}" in
  "") printf '%s\n' "${packages[@]}" ;;
  --check)
    need=$(missing)
    [ -z "$need" ] && exit 0
    echo "missing packages:" $need "(install them with tools/deps.sh --install)" >&2
    exit 1 ;;
  --install)
    need=$(missing)
    [ -z "$need" ] && exit 0
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    $root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $need ;;
  *) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
