#!/usr/bin/python3
"""Bytes that ranks send in one step of GPT-2 under 2d, 2.5d and 3d equal the closed forms, to the byte.

As in counted_bytes.py, summed over a tensor group. T tokens of a micro-batch, h hidden, V vocabulary (a multiple of its
shards), S positions, L layers. Elements a rank sends in a micro-batch:

2D, q*q ranks, and 2.5D, d*q*q ranks, with T/d for T: (q-1)/q^2 (11Th + 36h^2) a layer, one Th less than three times
4Th + 12h^2 because the gradient that the last product needs travels once for its input and its weight; the head
3(q-1)/q^2 (Th + Vh); the lookup and its gradient each a scatter, (q-1)/q^2 Th, and an exchange of the
plane's axes, which is a permute or, where that sends no more, an all_to_all. Statistics of norms (two sums of T/q forward,
two backward) and the loss (3T/q) are all-reduced over col.
3D, l^3 ranks: (l-1)/l^3 (39Th + 36h^2) a layer, inputs and weights being gathered again backward; head, lookup and
its gradient (l-1)/l^3 (4Th + 2TV + 3Vh), the table being gathered once for all. Statistics and loss are of T/l^2.
Once a step: vectors and positions over the axes that cut the batch, (13L + 2 + S)h; in 2.5D weights over depth; both with
the gaps of flat buffers.
"""

import argparse
import json
import os
import subprocess
import sys
from fractions import Fraction

ELEMENT = 4
SHAPES = [  # rows, seq, hidden, heads, layers, vocab, micro-batches
    (12, 16, 48, 12, 1, 96, 1),
    (24, 24, 72, 12, 2, 60, 2),
    (36, 12, 96, 12, 3, 132, 3),
    (12, 48, 24, 12, 2, 120, 1),
]
LAYOUTS = [("2d", 2, 1), ("2d", 3, 1), ("2.5d", 2, 2), ("2.5d", 2, 3), ("2.5d", 1, 3), ("3d", 2, 1)]


def all_reduce(elements, ranks):
    """Elements that one rank sends."""
    return Fraction(2 * (ranks - 1), ranks) * elements


def in_buffer(elements):
    """A parameter starts at a multiple of 64 bytes of its flat buffer."""
    return -(-elements * ELEMENT // 64) * 64 // ELEMENT


def vectors(shape, parts):
    """Elements in one rank's buffer of what is cut over features only."""
    _, seq, h, _, layers, _, _ = shape
    layer = [3 * h, 4 * h, *[h] * 6]
    return sum(in_buffer(n // parts) for n in [*layer * layers, h, h, seq * h])


def weights(shape, parts):
    _, _, h, _, layers, vocab, _ = shape
    return sum(in_buffer(n // parts) for n in [*[3 * h * h, h * h, 4 * h * h, 4 * h * h] * layers, vocab * h])


def grid_elements(q, depth, shape):
    rows, seq, h, _, layers, vocab, micro = shape
    tokens = Fraction(rows // micro * seq, depth)
    moved = Fraction(q - 1, q * q)
    # A permute of the square leaves the diagonal where it is; on four ranks an all_to_all is as cheap.
    exchange = moved * tokens * h if q < 3 else Fraction(q - 1, q) * tokens * h / (q * q)
    products = moved * layers * (11 * tokens * h + 36 * h * h) + 3 * moved * (tokens + vocab) * h
    lookups = 2 * (moved * tokens * h + exchange)
    sums = all_reduce((4 * (2 * layers + 1) + 3) * tokens / q, q)
    once = all_reduce(weights(shape, q * q), depth) + all_reduce(vectors(shape, q), depth * q)
    return micro * (products + lookups + sums) + once


def cube_elements(l, shape):
    rows, seq, h, _, layers, vocab, micro = shape
    tokens = rows // micro * seq
    moved = Fraction(l - 1, l**3)
    products = moved * layers * (39 * tokens * h + 36 * h * h)
    edges = moved * (4 * tokens * h + 2 * tokens * vocab + 3 * vocab * h)
    sums = all_reduce(Fraction((4 * (2 * layers + 1) + 3) * tokens, l * l), l)
    return micro * (products + edges + sums) + all_reduce(vectors(shape, l), l * l)


def group_bytes(mode, side, depth, shape):
    if mode == "3d":
        return ELEMENT * side**3 * cube_elements(side, shape)
    return ELEMENT * depth * side**2 * grid_elements(side, depth, shape)


def counted_bytes(arguments, mode, side, depth, index):
    rows, seq, hidden, heads, layers, vocab, micro = SHAPES[index]
    base = os.path.join(arguments.work, f"{mode}-{side}-{depth}-{index}")
    size = side**3 if mode == "3d" else depth * side**2
    with open(base + ".cfg", "w") as file:
        extra = f", depth={depth}" if mode == "2.5d" else ""
        file.write(f"parallel = dict(tensor=dict(size={size}, mode='{mode}'{extra}))\n")
        file.write(f"BATCH_SIZE = {rows}\nNUM_MICRO_BATCHES = {micro}\n")
        file.write(f"model = dict(vocab={vocab}, seq={seq}, hidden={hidden}, heads={heads}, layers={layers})\n")
    source = os.path.join(arguments.examples, "gpt2", "gpt2.colo")
    command = ["colo-compile", source, "--config", base + ".cfg"]
    subprocess.run([*command, "-o", base], check=True)
    plan = json.loads(subprocess.run([*command, "--plan=json"], check=True, capture_output=True).stdout)
    subprocess.run([base, "--data=synthetic:64", "--steps=1", "--quiet", f"--stats={base}.stats"], check=True)
    with open(base + ".stats") as file:
        stats = json.load(file)
    # The gradient norm, counts and metrics are scalars of eight bytes; they have no place in the closed form.
    return sum(
        site["bytes"]
        for rank in stats["per_rank"]
        for site, planned in zip(rank["sites"], plan["collectives"], strict=True)
        if planned["payload"] > 8
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--shapes", type=int, default=len(SHAPES))
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    failures = 0
    for mode, side, depth in LAYOUTS:
        for index in range(arguments.shapes):
            counted = counted_bytes(arguments, mode, side, depth, index)
            wanted = group_bytes(mode, side, depth, SHAPES[index])
            if counted != wanted:
                print(f"{mode} side={side} depth={depth} shape={SHAPES[index]}: counted {counted}, the formula gives {wanted}")
                failures += 1
    print("all equal" if not failures else f"{failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
