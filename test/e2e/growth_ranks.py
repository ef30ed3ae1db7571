#!/usr/bin/python3
"""A 96-layer GPT for 65536 ranks takes at most 1.2 times the compile work and object size of the same for 8 ranks.

Every rank runs one program, so nothing in it may grow with their number. Work is counted, not timed, as in growth.py: lines of
all dumped phases, and bytes of the last one and of the object, which a table with an entry a rank would make larger. (Up
to phase rt a permute names the source of every member of its group in one attribute.) Two rounds of a product of 2d need no
loop, three or more are one, so each phase by itself is compared from the second size on, their sum from the first.
"""

import os
import shutil
import subprocess
import sys

import options
import planned

WORLDS = [8, 64, 512, 4096, 65536]
SIZES = "dict(vocab=65536, seq={seq}, hidden=65536, heads=65536, layers=96)"
# Modes that cut the sequence, which then is as long as the batch is large elsewhere.
CUT_SEQUENCE = ["1d-sp", "ulysses", "sequence"]
SIDES = {8: 2, 64: 8, 512: 16, 4096: 64, 65536: 256}
EDGES = {8: 2, 64: 4, 512: 8, 4096: 16, 65536: 32}
PLANES = {8: (2, 2), 64: (4, 4), 512: (8, 8), 4096: (16, 16), 65536: (16, 64)}

# Tensor groups that are the world, or as much of it as a square or a cube may be; replicas are the rest.
MODES = {
    "none": lambda world: "",
    "1d": lambda world: f"size={world}, mode='1d'",
    "1d-sp": lambda world: f"size={world}, mode='1d', sequence_parallel=True",
    "2d": lambda world: f"size={SIDES[world] ** 2}, mode='2d'",
    "2.5d": lambda world: "size={}, mode='2.5d', depth={}".format(PLANES[world][0] * PLANES[world][1] ** 2, PLANES[world][0]),
    "3d": lambda world: f"size={EDGES[world] ** 3}, mode='3d'",
    "ulysses": lambda world: f"size={world}, mode='ulysses'",
    "sequence": lambda world: f"size={world}, mode='sequence'",
}


def measure(arguments, mode, world):
    base = os.path.join(arguments.work, f"{mode}-{world}")
    shutil.rmtree(base + ".phases", ignore_errors=True)
    rows, seq = (2, 131072) if mode in CUT_SEQUENCE else (4096, 32)
    planned.write_config(base + ".cfg", MODES[mode](world), rows, 1, "model = " + SIZES.format(seq=seq))
    flags = [f"--world-size={world}", "-O1"]
    command = planned.compiler(arguments.examples, "gpt2", base + ".cfg", *flags)
    subprocess.run([*command, f"--dump-phases={base}.phases", "--emit=obj", "-o", base + ".o"], check=True)
    measures = {"object bytes": os.path.getsize(base + ".o"), "lines": 0}
    phases = {}
    for name in sorted(os.listdir(base + ".phases")):
        with open(os.path.join(base + ".phases", name)) as file:
            text = file.read()
        phases[name + " lines"] = text.count("\n")
        if name.endswith("llvm.mlir"):
            measures[name + " bytes"] = len(text)
    measures["lines"] = sum(phases.values())
    return measures, phases


def main():
    parser = options.Parser()
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--worlds", default=",".join(map(str, WORLDS)))
    arguments = parser.parse_args()
    failures = 0
    for mode in arguments.modes.split(","):
        first, second, *others = [int(world) for world in arguments.worlds.split(",")]
        small, _ = measure(arguments, mode, first)
        loops = None
        for world in (second, *others):
            large, phases = measure(arguments, mode, world)
            loops = loops or phases
            grown = {name: (small[name], size) for name, size in large.items() if size > 1.2 * small[name]}
            grown |= {name: (loops[name], lines) for name, lines in phases.items() if lines > 1.2 * loops[name]}
            print(f"{mode}: object {small['object bytes']} bytes for {first} ranks, {large['object bytes']} for {world}", flush=True)
            if grown:
                print(f"{mode}: from {first} to {world} ranks grow {grown}")
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
