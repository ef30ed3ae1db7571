#!/usr/bin/python3
"""Weight decay reaches the parameters that decay_exempt leaves, and no others.

AdamW divides by sqrt(v) + eps. With an eps of 1e60 gradients move nothing, and what is left is weight decay alone: N steps
take p to p (1 - lr wd)^N, and an exempt p stays as it is to the bit. All parameters start away from zero.
"""

import fnmatch
import os
import subprocess
import sys

import numpy

import options
import safetensors_io

STEPS, RATE, DECAY = 3, 0.05, 0.3
EXEMPT = ["*bias", "*ln_*", "wte.*"]  # fused (qkv.bias), of runs of layers, and tied
LAYOUTS = {
    "one rank": ("", 1),
    "two replicas of 1d": ("tensor=dict(size=2, mode='1d')", 4),
    "2d": ("tensor=dict(size=4, mode='2d')", 4),
    "stages": ("pipeline=2", 2),
}


def train(arguments, name, layout, ranks):
    """Parameters before and after."""
    base = os.path.join(arguments.work, name.replace(" ", "-"))
    with open(base + ".cfg", "w") as file:
        file.write(f"parallel = dict({layout})\nBATCH_SIZE = 8\nNUM_MICRO_BATCHES = 2\n")
        file.write(f"optimizer = dict(type='AdamW', lr={RATE}, weight_decay={DECAY}, eps=1e60, decay_exempt={EXEMPT})\n")
        file.write("model = dict(vocab=50, seq=8, hidden=24, heads=4, layers=2)\n")
    source = os.path.join(arguments.examples, "gpt2", "gpt2.colo")
    subprocess.run(["colo-compile", source, "--config", base + ".cfg", "-O1", "-D", "dtype=f64", "-o", base], check=True)
    run = [base, "--data=synthetic:64", f"--ranks={ranks}", "--quiet"]
    subprocess.run([*run, "--steps=0", f"--export={base}.start"], check=True)
    before = {key: array + 0.5 for key, array in safetensors_io.load(base + ".start").items()}
    safetensors_io.save(base + ".init", before)
    subprocess.run([*run, f"--steps={STEPS}", f"--init={base}.init", f"--export={base}.end", "--check-replicas"], check=True)
    return before, safetensors_io.load(base + ".end")


def wrong(key, before, after):
    if any(fnmatch.fnmatchcase(key, pattern) for pattern in EXEMPT):
        return not numpy.array_equal(before, after)
    return not numpy.allclose(after, before * (1 - RATE * DECAY) ** STEPS, rtol=1e-14, atol=0)


def main():
    arguments = options.parse()
    failures = 0
    for name, (layout, ranks) in LAYOUTS.items():
        before, after = train(arguments, name, layout, ranks)
        bad = [key for key in before if wrong(key, before[key], after[key])]
        print(f"{name}: {len(before)} parameters, wrong: {bad}")
        failures += bool(bad) or len(before) != 28
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
