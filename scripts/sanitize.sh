#!/usr/bin/env bash
# Builds with address and undefined-behaviour sanitizers into build-asan/ and runs
# the tests of frontends, passes, tools and units, and executables of every mode.
# An argument is another filter of lit.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install-packages.sh
cmake -S . -B build-asan -G Ninja -DCOLO_SANITIZE=ON -DCMAKE_CXX_FLAGS_RELEASE=-O1 >/dev/null
export LIT_FILTER="${1:-Frontend|Dialect|Conversion|Plan|tools|unit|e2e/(counted-bytes|decay-exempt|launch-errors)\.test}"
# LLVM's own libraries are not instrumented and hand out what our half of an inlined allocator has poisoned.
export ASAN_OPTIONS="allow_user_poisoning=0:detect_stack_use_after_return=1" UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
ninja -C build-asan check-colo
