#!/usr/bin/env bash
# Installs what is missing, builds, compiles examples/gpt2 for four ranks and
# trains it on the King James Bible.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install-packages.sh
bash scripts/build.sh
bible -f gen1:1-rev22:21 >build/bible.txt
build/bin/colo-compile examples/gpt2/gpt2.colo --config examples/gpt2/mini-1d.cfg -o build/gpt2
build/gpt2 --data=build/bible.txt --steps="${STEPS:-600}" --ranks=4 --log=build/gpt2.jsonl
