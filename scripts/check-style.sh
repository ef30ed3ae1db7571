#!/usr/bin/env bash
# clang-format on every C++ file, and the length of files (docs/contributing.md).
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t sources < <(git ls-files '*.h' '*.cpp')
clang-format-19 --dry-run -Werror "${sources[@]}"
long=$(git ls-files '*.h' '*.cpp' '*.td' '*.g4' '*.py' '*.colo' | xargs wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines; docs/contributing.md allows 600" }')
[ -z "$long" ] || { echo "$long" >&2; exit 1; }
