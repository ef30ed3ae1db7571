#!/usr/bin/python3
"""Chains of elementwise ops, and such as are four times as long. LLVM's work grows with the square of a body's length, so the longest nest of any kernel is as long for
both, and so that nothing else grows faster than the chain, neither does any phase. Work is counted, not timed, as in growth.py."""

import os
import re
import subprocess
import sys

import options

# Links, and of how many the shorter chain is: more than one kernel holds.
CHAINS = {
    "gelu": (["gelu(x)"], 200),
    "biased": (["gelu(x + b{i})"], 200),
    "mixed": (["gelu(x)", "relu(x)", "x * 1.01", "x + 0.1"], 400),
    "sums": (["x * x + 0.1"], 400),
}
TARGETS = {"cpu": [], "cuda": ["--target=cuda"]}
TIMES = 4


def model(links, length):
    biases = [f"    b{i} = Parameter([64], init=Normal(0.02))\n" for i in range(length) if "b{i}" in links[0]]
    chain = [f"        x = {links[i % len(links)].format(i=i)}\n" for i in range(length)]
    text = "class M(Model):\n    up = Linear(8, 64)\n" + "".join(biases)
    return text + "    def forward(x: float32[batch, 16, 8]):\n        x = up(x)\n" + "".join(chain) + "        return mean(x * x)\n"


def measure(arguments, kind, links, length, target):
    base = os.path.join(arguments.work, f"{kind}-{length}")
    for ending, content in ((".colo", model(links, length)), (".cfg", "BATCH_SIZE = 2\n")):
        with open(base + ending, "w") as file:
            file.write(content)
    lines = {}
    for phase in ("linalg", "rt"):
        command = ["colo-compile", base + ".colo", "--config", base + ".cfg", *TARGETS[target], f"--emit={phase}"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines[phase] = text.count("\n")
        if phase == "linalg":
            bodies = re.findall(r"linalg\.generic.*?\n(.*?)linalg\.yield", text, re.DOTALL)
            longest = max(body.count("\n") for body in bodies)
    return longest, lines


def main():
    arguments = options.parse()
    failures = 0
    for kind, (links, length) in CHAINS.items():
        for target in TARGETS:
            (few, short), (many, long) = (measure(arguments, kind, links, size, target) for size in (length, TIMES * length))
            grown = {phase: (short[phase], long[phase]) for phase in short if long[phase] > 1.15 * TIMES * short[phase]}
            print(f"{kind} of {length} for {target}: the longest body has {few} ops, of the longer {many}; lines {short}, {long}", flush=True)
            if many > 1.3 * few or grown:
                print(f"{kind} for {target}: grows {grown}")
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
