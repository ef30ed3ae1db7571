#!/usr/bin/env bash
# Configures and builds into build/; tools land in build/bin. Arguments are
# targets (default: all).
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build/build.ninja ] || cmake -S . -B build -G Ninja >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
rm -f build-configure.log
ninja -C build "${@:-all}"
