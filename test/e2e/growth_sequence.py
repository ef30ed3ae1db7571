#!/usr/bin/python3
"""Twice as long a sequence takes at most 2.2 times the workspace, in every mode: no scores of all rows with all keys exist.

Attention of GPT-2 with dropout, causal, on four ranks that cut the sequence (ring and ulysses) or the heads, and on one; of a power of
two rows, and of eight times a prime, which no block of 16 to 128 rows divides. For GPUs, whose attention is one kernel, no value at all has as
many elements as one head has scores.
"""

import itertools
import math
import os
import re
import subprocess
import sys

import options
import planned

LENGTHS = [(2048, 4096), (8 * 251, 8 * 503)]
MODES = {
    "none": "",
    "1d": "size=4, mode='1d'",
    "sequence": "size=4, mode='sequence'",
    "ulysses": "size=4, mode='ulysses'",
    "ring beside 1d": "size=2, mode='1d'), sequence=dict(size=4, mode='ring'",
}


def command(arguments, target, tensor, seq):
    config = os.path.join(arguments.work, "model.cfg")
    planned.write_config(config, tensor, 4, 1, f"model = dict(vocab=128, seq={seq}, hidden=64, heads=4, layers=2, drop=0.1)")
    return [*planned.compiler(arguments.examples, "gpt2", config), f"--target={target}"]


def workspace(arguments, target, tensor, seq):
    return planned.read_json([*command(arguments, target, tensor, seq), "--plan=json"])["memory"]["workspace"]


def largest_value(arguments, target, tensor, seq):
    """Elements of the largest buffer of numbers, but for the rank's flat ones."""
    run = subprocess.run([*command(arguments, target, tensor, seq), "--emit=buffers"], check=True, capture_output=True, text=True)
    shapes = re.findall(r"memref<((?:\d+x)+)f32", run.stdout)
    return max(math.prod(map(int, shape.split("x")[:-1])) for shape in shapes if shape.count("x") > 1)


def main():
    arguments = options.parse()
    failures = 0
    for target, (mode, tensor), lengths in itertools.product(("cpu", "cuda"), MODES.items(), LENGTHS):
        short, long = (workspace(arguments, target, tensor, seq) for seq in lengths)
        print(f"{target} {mode}: {short} bytes for a sequence of {lengths[0]}, {long} for {lengths[1]}", flush=True)
        failures += long > 2.2 * short
        if target == "cuda":
            largest = largest_value(arguments, target, tensor, lengths[1])
            print(f"  the largest value has {largest} elements, a head has {lengths[1] ** 2} scores", flush=True)
            failures += largest >= lengths[1] ** 2
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
