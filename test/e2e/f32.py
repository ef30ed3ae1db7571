#!/usr/bin/python3
"""f32 losses of every layout stay within 1e-4 of one rank's over 50 steps."""

import json
import os
import subprocess
import sys

import options

LAYOUTS = [
    ("", 2),
    ("size=2, mode='1d'", 2),
    ("size=4, mode='1d'", 8),
    ("size=4, mode='1d', sequence_parallel=True", 4),
    ("size=4, mode='sequence'", 4),
    ("size=4, mode='ulysses'", 4),
]


def losses(arguments, model, sizes, data, layout, ranks, rows):
    base = os.path.join(arguments.work, f"{model}-{len(layout)}-{ranks}-{rows}")
    with open(base + ".cfg", "w") as file:
        file.write(f"parallel = dict({f'tensor=dict({layout})' if layout else ''})\nBATCH_SIZE = {rows}\n")
        file.write(f"optimizer = dict(type='AdamW', lr=1e-3)\nclip_grad_norm = 1.0\nmodel = dict({sizes})\n")
    source = os.path.join(arguments.examples, model, model + ".colo")
    subprocess.run(["colo-compile", source, "--config", base + ".cfg", "-D", "drop=0.1", "-o", base], check=True)
    run = [base, f"--data={data}", "--steps=50", f"--ranks={ranks}", "--quiet", f"--log={base}.jsonl"]
    subprocess.run(run, check=True)
    with open(base + ".jsonl") as file:
        return [json.loads(line)["loss"] for line in file if line.strip()]


def main():
    arguments = options.parse()
    models = {
        "gpt2": ("vocab=101, seq=32, hidden=64, heads=4, layers=2", "synthetic:512"),
        "vit": ("hidden=64, heads=4, layers=2", "synthetic:512"),
    }
    failures = 0
    for model, (sizes, data) in models.items():
        reference = losses(arguments, model, sizes, data, "", 1, 16)
        for layout, ranks in LAYOUTS:
            tensor = int(layout.split("=")[1].split(",")[0]) if layout else 1
            ours = losses(arguments, model, sizes, data, layout, ranks, 16 * tensor // ranks)
            worst = max(abs(a - b) for a, b in zip(ours, reference, strict=True))
            print(f"{model} {layout or 'data parallel'} on {ranks} ranks: {worst:.1e}")
            failures += worst > 1e-4
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
