#!/usr/bin/python3
"""f32 against f64 in every mode, where cancellation and overflow would show: inputs of norms with a mean of 100 standard
deviations, and logits of +-100. The f64 program uses other products and other functions."""

import json
import os
import subprocess
import sys

import numpy

import options
import safetensors_io

LAYOUTS = [
    ("none", 1, ""),
    ("1d", 2, ""),
    ("1d", 2, ", sequence_parallel=True"),
    ("2d", 4, ""),
    ("2.5d", 8, ", depth=2"),
    ("3d", 8, ""),
    ("sequence", 2, ""),
    ("ulysses", 2, ""),
]
SIZES = dict(vocab=50, seq=16, hidden=32, heads=4, layers=1)


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


class Program:
    def __init__(self, arguments, layout, dtype):
        mode, self.ranks, extra = layout
        self.exe = os.path.join(arguments.work, f"{mode}-{self.ranks}{len(extra)}-{dtype}")
        sizes = ", ".join(f"{k}={v}" for k, v in SIZES.items())
        with open(self.exe + ".cfg", "w") as file:
            tensor = f"tensor=dict(size={self.ranks}, mode='{mode}'{extra})" if mode != "none" else ""
            file.write(f"parallel = dict({tensor})\nBATCH_SIZE = 8\n")
            file.write(f"optimizer = dict(type='SGD', lr=1e-6)\nmodel = dict({sizes})\n")
        source = os.path.join(arguments.examples, "gpt2", "gpt2.colo")
        run("colo-compile", source, "--config", self.exe + ".cfg", "-D", f"dtype={dtype}", "-o", self.exe)

    def run(self, *flags):
        run(self.exe, "--data=synthetic:64", f"--ranks={self.ranks}", "--quiet", *flags)

    def train(self, start):
        self.run("--steps=3", f"--init={start}", f"--log={self.exe}.jsonl", f"--dump-grads={self.exe}.grads")
        with open(self.exe + ".jsonl") as file:
            losses = [json.loads(line)["loss"] for line in file]
        return losses, safetensors_io.load(self.exe + ".grads")


def write_start(program, path):
    """The positions lift all inputs of norms to a mean of 100; the last norm's weight makes logits large."""
    program.run("--steps=0", f"--export={path}")
    values = safetensors_io.load(path)
    values["wpe.weight"] += 100
    values["wte.weight"] *= 50
    values["ln_f.weight"] *= 8
    safetensors_io.save(path, {name: array.astype(numpy.float32) for name, array in values.items()})


def worst_difference(ours, theirs):
    largest = max(numpy.abs(g).max() for g in theirs.values())
    return max(numpy.abs(ours[name] - gradient).max() / largest for name, gradient in theirs.items())


def main():
    arguments = options.parse()
    start, failures = os.path.join(arguments.work, "start"), 0
    for layout in LAYOUTS:
        single, double = Program(arguments, layout, "f32"), Program(arguments, layout, "f64")
        if not os.path.exists(start):
            write_start(double, start)
        losses, gradients = single.train(start)
        exact_losses, exact_gradients = double.train(start)
        loss = max(abs(a - b) / abs(b) for a, b in zip(losses, exact_losses, strict=True))
        gradient = worst_difference(gradients, exact_gradients)
        ok = loss <= 3e-6 and gradient <= 2e-4 and exact_losses[0] > 50
        print(f"{layout}: loss {exact_losses[0]:.1f}, relative {loss:.1e}; gradients {gradient:.1e}{'' if ok else ' FAILED'}")
        failures += not ok
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
