#!/usr/bin/env bash
# Installs what is missing, builds and runs every test. FULL=1 adds the large
# matrices.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install-packages.sh
bash scripts/build.sh
bash scripts/check-style.sh
if [ -n "${FULL:-}" ]; then
  cmake -S . -B build -DLLVM_LIT_ARGS="-sv -D full=1" >/dev/null
fi
ninja -C build check-colo
