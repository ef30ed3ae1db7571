#!/usr/bin/env bash
# Installs what is missing, builds and runs every test. FULL=1 adds the large
# matrices and clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install-packages.sh
bash scripts/build.sh
bash scripts/check-style.sh
[ -z "${FULL:-}" ] || bash scripts/tidy.sh
cmake -S . -B build -DLLVM_LIT_ARGS="-sv${FULL:+ -D full=1}" >/dev/null
status=0
ninja -C build check-colo 2>&1 | tee build/test.log || status=$?

# lit's summary in one line.
count() { sed -nE "s/^ *($1) *: *([0-9]+).*/\2/p" build/test.log | awk '{ n += $1 } END { print n + 0 }'; }
echo "$(count Passed) passed, $(count 'Failed|Timed Out|Unresolved|Unexpectedly Passed') failed, $(count 'Unsupported|Skipped|Excluded') skipped"
exit "$status"
