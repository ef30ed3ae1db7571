#!/usr/bin/python3
"""A 96-layer GPT takes at most 1.2 times the compile work and executable size of a 12-layer one.

Work is counted, not timed: user-mode instructions are not available everywhere, so the number of lines of every dumped
phase stands for it. Each module is compiled once whatever the depth, so hardly more than numbers may differ.
"""

import os
import subprocess
import sys

import options


def compile_layers(examples, work, layers):
    base = os.path.join(work, str(layers))
    command = ["colo-compile", os.path.join(examples, "gpt2", "gpt2.colo")]
    command += ["--config", os.path.join(examples, "gpt2", "mini-1d.cfg"), "-D", f"layers={layers}"]
    subprocess.run([*command, f"--dump-phases={base}.phases", "-o", base], check=True)
    lines = {}
    for name in sorted(os.listdir(base + ".phases")):
        with open(os.path.join(base + ".phases", name)) as file:
            lines[name] = sum(1 for _ in file)
    return lines, os.path.getsize(base)


def main():
    arguments = options.parse()
    small, small_size = compile_layers(arguments.examples, arguments.work, 12)
    large, large_size = compile_layers(arguments.examples, arguments.work, 96)
    print(f"{small_size} and {large_size} bytes")
    for phase, lines in small.items():
        if large[phase] > 1.01 * lines:
            print(f"{phase} grows from {lines} to {large[phase]} lines")
            return 1
    return 0 if large_size <= 1.2 * small_size else 1


if __name__ == "__main__":
    sys.exit(main())
