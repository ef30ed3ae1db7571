#!/usr/bin/python3
"""Both expansions of tagged products train the same and send the same, with the number of collectives that SUMMA has.

GPT-2 in f64 under 2d and 2.5d, once with --algorithm=loop and once with reference: losses and parameters agree to 1e-10, every
rank sends the same bytes. In the loop no product gathers, a linear that keeps its result has 2q broadcasts forward and 2q
broadcasts and 2q reductions backward; the one that keeps its input q and q forward, 2q and q backward. The loop's workspace is smaller. Whether collectives run beside
work or in order with it changes no bit. One that keeps its weight has as many as one that keeps its input.
"""

import collections
import json
import os
import subprocess
import sys

import numpy

import options
import safetensors_io

# On two planes each has 36 of 72 rows, fewer than features: weights stay.
LAYOUTS = [(4, "2d", "", 2, False), (9, "2d", "", 3, False), (16, "2d", "", 4, False), (8, "2.5d", ", depth=2", 2, True)]
KEEPS_RESULT = {"attn.qkv", "attn.proj", "mlp.fc"}
KEEPS_INPUT = {"mlp.proj"}
MICRO_BATCHES = 2


def execute(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Case:
    def __init__(self, arguments, size, mode, extra, algorithm):
        self.base = os.path.join(arguments.work, f"{mode}-{size}-{algorithm}")
        with open(self.base + ".cfg", "w") as file:
            file.write(f"parallel = dict(tensor=dict(size={size}, mode='{mode}'{extra}))\n")
            file.write(f"BATCH_SIZE = 24\nNUM_MICRO_BATCHES = {MICRO_BATCHES}\n")
            file.write("model = dict(vocab=60, seq=6, hidden=72, heads=12, layers=2)\n")
        source = os.path.join(arguments.examples, "gpt2", "gpt2.colo")
        command = ["colo-compile", source, "--config", self.base + ".cfg", "-D", "dtype=f64", f"--algorithm={algorithm}"]
        execute([*command, "-o", self.base])
        self.plan = json.loads(execute([*command, "--plan=json"]))
        run = [self.base, "--data=synthetic:200", "--steps=2", f"--ranks={size}", "--quiet"]
        for overlap in ("on", "off"):
            execute([*run, f"--overlap={overlap}", f"--export={self.base}.{overlap}", f"--log={self.base}.log", f"--stats={self.base}.stats"])
        with open(self.base + ".log") as file:
            self.losses = [json.loads(line)["loss"] for line in file]
        with open(self.base + ".stats") as file:
            self.sent = [sum(site["bytes"] for site in rank["sites"]) for rank in json.load(file)["per_rank"]]
        with open(self.base + ".on", "rb") as one, open(self.base + ".off", "rb") as other:
            assert one.read() == other.read(), "--overlap changes results"
        self.parameters = safetensors_io.load(self.base + ".off")

    def collectives(self):
        """Executions in a layer and micro-batch by the model's place and kind."""
        counts = collections.defaultdict(collections.Counter)
        for entry in self.plan["collectives"]:
            place = entry["source"].split()[0].replace("GPT2.h.", "")
            counts[place][entry["kind"]] += entry["executions_per_step"] / MICRO_BATCHES / 2
        return counts


def check(arguments, size, mode, extra, q, keeps_weights):
    loop = Case(arguments, size, mode, extra, "loop")
    reference = Case(arguments, size, mode, extra, "reference")
    assert numpy.allclose(loop.losses, reference.losses, rtol=1e-10, atol=0), (loop.losses, reference.losses)
    for name, value in reference.parameters.items():
        assert numpy.abs(value - loop.parameters[name]).max() <= 1e-10 * max(1, numpy.abs(value).max()), name
    assert loop.sent == reference.sent, (loop.sent, reference.sent)
    counts = loop.collectives()
    moving = {"broadcast", "reduce", "all_gather", "reduce_scatter"}
    for place in KEEPS_RESULT | KEEPS_INPUT:
        got = {kind: count for kind, count in counts[place].items() if kind in moving}
        wanted = {"broadcast": 4 * q, "reduce": 2 * q} if place in KEEPS_RESULT and not keeps_weights else {"broadcast": 3 * q, "reduce": 2 * q}
        assert got == wanted, (place, got, wanted)
    workspaces = loop.plan["memory"]["workspace"], reference.plan["memory"]["workspace"]
    assert workspaces[0] < workspaces[1], workspaces


def main():
    arguments = options.parse()
    for layout in LAYOUTS:
        check(arguments, *layout)
    print(f"{len(LAYOUTS)} layouts agree")


if __name__ == "__main__":
    sys.exit(main())
