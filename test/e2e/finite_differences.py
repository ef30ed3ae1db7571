#!/usr/bin/python3
"""Gradients of compiled programs against central differences of their losses, in f64 on one rank.

Comparing layouts cannot see a gradient that every layout computes wrongly alike; this can. A few elements of every
parameter are checked.
"""

import json
import os
import subprocess
import sys

import numpy

import options
import safetensors_io

STEP, ELEMENTS = 1e-5, 2


class Program:
    def __init__(self, arguments, number, source, flags):
        self.exe = os.path.join(arguments.work, str(number))
        with open(self.exe + ".cfg", "w") as file:
            file.write("BATCH_SIZE = 6\nNUM_MICRO_BATCHES = 2\noptimizer = dict(type='SGD', lr=0.1)\n")
        command = ["colo-compile", source, "--config", self.exe + ".cfg", "-D", "dtype=f64", *flags]
        subprocess.run([*command, "-o", self.exe], check=True)

    def run(self, *flags):
        command = [self.exe, "--data=synthetic:32", "--ranks=1", "--threads=1", "--quiet", *flags]
        subprocess.run(command, check=True)

    def loss(self, values):
        safetensors_io.save(self.exe + ".init", values)
        self.run("--steps=1", f"--init={self.exe}.init", f"--log={self.exe}.jsonl")
        with open(self.exe + ".jsonl") as file:
            return json.loads(file.readline())["loss"]

    def failures(self):
        self.run("--steps=0", f"--export={self.exe}.start")
        values = safetensors_io.load(self.exe + ".start")
        self.run("--steps=1", f"--init={self.exe}.start", f"--dump-grads={self.exe}.grads")
        gradients = safetensors_io.load(self.exe + ".grads")
        largest = max(numpy.abs(g).max() for g in gradients.values())
        wrong = 0
        for name, gradient in sorted(gradients.items()):
            # The elements with the largest gradients say most.
            for index in numpy.argsort(-numpy.abs(gradient).ravel())[:ELEMENTS]:
                place = numpy.unravel_index(index, gradient.shape)
                moved = []
                for sign in (1, -1):
                    shifted = {key: array.copy() for key, array in values.items()}
                    shifted[name][place] += sign * STEP
                    moved.append(self.loss(shifted))
                difference = (moved[0] - moved[1]) / (2 * STEP)
                if abs(difference - gradient[place]) > 1e-6 * largest:
                    print(f"{name}{list(place)}: gradient {gradient[place]:.9g}, differences give {difference:.9g}")
                    wrong += 1
        return wrong


def main():
    arguments = options.parse()
    inputs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
    small = ["vocab=11", "seq=6", "hidden=8", "layers=1", "drop=0.1", "smoothing=0.1"]
    defines = lambda *more: [flag for size in (*small, *more) for flag in ("-D", size)]
    example = lambda name: os.path.join(arguments.examples, name, name + ".colo")
    cases = [
        (os.path.join(inputs, "reuse.colo"), []),
        (os.path.join(inputs, "recurrence.colo"), []),
        (example("gpt2"), defines("heads=2", "ignore=3")),
        (example("llama"), defines("heads=4", "kv_heads=2", "inner=6", "ignore=3")),
        (example("bert"), defines("heads=2", "rate=0.5")),
    ]
    wrong = 0
    for number, (source, flags) in enumerate(cases):
        wrong += Program(arguments, number, source, flags).failures()
    print("all gradients agree" if not wrong else f"{wrong} elements differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
