#!/usr/bin/python3
"""Twice as long a sequence takes at most 2.2 times the workspace, in every mode: no scores of all rows with all keys exist.

Attention of GPT-2 with dropout, causal, on four ranks that cut the sequence (ring and ulysses) or the heads, and on one; of a power of
two rows, and of eight times a prime, which no block of 16 to 128 rows divides.
"""

import os
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


def workspace(arguments, tensor, seq):
    config = os.path.join(arguments.work, "model.cfg")
    planned.write_config(config, tensor, 4, 1, f"model = dict(vocab=128, seq={seq}, hidden=64, heads=4, layers=2, drop=0.1)")
    command = planned.compiler(arguments.examples, "gpt2", config)
    return planned.read_json([*command, "--plan=json"])["memory"]["workspace"]


def main():
    arguments = options.parse()
    failures = 0
    for mode, tensor in MODES.items():
        for lengths in LENGTHS:
            short, long = (workspace(arguments, tensor, seq) for seq in lengths)
            print(f"{mode}: {short} bytes for a sequence of {lengths[0]}, {long} for {lengths[1]}", flush=True)
            failures += long > 2.2 * short
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
