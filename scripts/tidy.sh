#!/usr/bin/env bash
# clang-tidy on every C++ file of the build in build/, two at a time. A file that
# was clean is not looked at again until it, a header or the rules change.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/tidy
headers=$(git ls-files '*.h' '*.td' '*.g4' .clang-tidy | xargs sha256sum | sha256sum | cut -c1-16)

tidy() {
  stamp=build/tidy/$(sha256sum "$1" | cut -c1-16)-$headers
  [ -e "$stamp" ] && return 0
  clang-tidy-19 --quiet -p build "$1" 2>/dev/null && touch "$stamp"
}
export -f tidy
export headers
git ls-files 'lib/**/*.cpp' 'tools/**/*.cpp' | xargs -P 2 -I{} bash -c 'tidy {}'
