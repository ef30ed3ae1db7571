#!/usr/bin/python3
"""A ring whose turns are a loop trains like whole keys and values, and attention by blocks of rows like attention of all rows.

In f64, with dropout: GPT-2 (causal, rows go round backward), Llama (causal, keys go round) and BERT (full, with padding masks, keys of
other ranks are masked too) on six and seven ranks, once with --algorithm=loop and once with reference, which gathers. Then GPT-2
of 512 positions on one rank, where rows are four blocks of 128, and on eight, where a turn's halves of 32 rows are whole; and of
2560 on one and on five, where each turn's halves are two blocks. Last, rows that no block divides: BERT of 143 positions on one rank,
where zeros fill the second block, and on eleven, where 13 rows are whole; GPT-2 of 1506 on one and on three, whose halves are of 251 rows. Losses and
parameters agree to 1e-10; whether hops run beside work changes no bit.
"""

import json
import os
import subprocess
import sys

import numpy

import options
import planned
import safetensors_io

SMALL = "vocab=60, seq=84, hidden=24, drop=0.1"
# Name, model, sizes, and the two layouts with their algorithms.
CASES = [
    ("gpt2", f"{SMALL}, heads=4, layers=2", *((6, "sequence", algorithm) for algorithm in ("loop", "reference"))),
    ("llama", f"{SMALL}, heads=4, kv_heads=1, inner=20, layers=2", *((7, "sequence", algorithm) for algorithm in ("loop", "reference"))),
    ("bert", f"{SMALL}, heads=4, layers=2", *((6, "sequence", algorithm) for algorithm in ("loop", "reference"))),
    ("gpt2", "vocab=60, seq=512, hidden=12, heads=3, layers=1, drop=0.1", (1, "none", "loop"), (8, "sequence", "loop")),
    ("gpt2", "vocab=60, seq=2560, hidden=6, heads=1, layers=1, drop=0.1", (1, "none", "loop"), (5, "sequence", "loop")),
    ("bert", "vocab=60, seq=143, hidden=12, heads=3, layers=1, drop=0.1", (1, "none", "loop"), (11, "sequence", "loop")),
    ("gpt2", "vocab=60, seq=1506, hidden=6, heads=1, layers=1, drop=0.1", (1, "none", "loop"), (3, "sequence", "loop")),
]


def train(arguments, model, sizes, layout):
    ranks, mode, algorithm = layout
    base = os.path.join(arguments.work, f"{model}-{mode}-{ranks}-{algorithm}")
    planned.write_config(base + ".cfg", f"size={ranks}, mode='{mode}'" if ranks > 1 else "", 2, 1, f"model = dict({sizes})")
    command = planned.compiler(arguments.examples, model, base + ".cfg", "-D", "dtype=f64", f"--algorithm={algorithm}", "-O1")
    subprocess.run([*command, "-o", base], check=True)
    outputs = []
    for overlap in ("on", "off"):
        subprocess.run([base, "--data=synthetic:64", "--steps=2", f"--ranks={ranks}", "--quiet", f"--overlap={overlap}",
                        f"--log={base}.log", f"--export={base}.{overlap}"], check=True)
        with open(f"{base}.{overlap}", "rb") as file:
            outputs.append(file.read())
    assert outputs[0] == outputs[1], "--overlap changes results"
    with open(base + ".log") as file:
        losses = [json.loads(line)["loss"] for line in file]
    return losses, safetensors_io.load(base + ".on")


def main():
    arguments = options.parse()
    failures = 0
    for model, sizes, one, other in CASES:
        losses, parameters = train(arguments, model, sizes, one)
        expected_losses, expected = train(arguments, model, sizes, other)
        assert parameters.keys() == expected.keys() and len(losses) == len(expected_losses) == 2
        worst = max(numpy.abs(value - parameters[name]).max() / max(1, numpy.abs(value).max()) for name, value in expected.items())
        worst_loss = max(abs(a - b) / abs(b) for a, b in zip(losses, expected_losses))
        print(f"{model} {one} and {other}: parameters differ by {worst:.1e}, losses by {worst_loss:.1e}", flush=True)
        failures += not (worst <= 1e-10 and worst_loss <= 1e-10)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
