#!/usr/bin/env bash
# Installs what building, testing and running colo needs, from Debian's packages
# (Debian 12 and its LLVM 19). Does nothing where everything is there.
set -euo pipefail

packages=(
  # to build
  cmake ninja-build ccache clang-19 lld-19 llvm-19-dev libmlir-19-dev mlir-19-tools llvm-19-tools
  antlr4 libantlr4-runtime-dev default-jre-headless g++ zlib1g-dev
  # executables: GEMM, message passing
  libdnnl-dev libopenblas-dev libopenmpi-dev openmpi-bin
  # to read and write files
  nlohmann-json3-dev
  # tests and examples
  libgtest-dev clang-format-19 clang-tidy-19 libclang-rt-19-dev python3 python3-numpy
  bible-kjv dataset-fashion-mnist
)
# The independent check against PyTorch is skipped where this is missing.
optional=(python3-torch)

missing() {
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

wanted=$(missing "${packages[@]}")
extra=$(missing "${optional[@]}")
[ -z "$wanted$extra" ] && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
[ -z "$wanted" ] || $sudo apt-get install -y -qq --no-install-recommends $wanted >/dev/null
# shellcheck disable=SC2086
[ -z "$extra" ] || $sudo apt-get install -y -qq --no-install-recommends $extra >/dev/null ||
  echo "not installed: $extra; tests that need it will be skipped" >&2
