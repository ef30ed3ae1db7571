#!/usr/bin/python3
"""Bytes that ranks send in one step of GPT-2 equal the closed forms, and what --plan said, to the byte.

Counted are the bytes that leave a rank, summed over a tensor group: an all-reduce of N bytes over P ranks is 2(P-1)N, an
all-gather or reduce-scatter of N bytes in all is (P-1)N (docs/communication.md). T tokens of a micro-batch, h hidden, L
layers, e = 4 bytes.

1D: four all-reduces of Th a layer, two forward and two backward; one of the embedding forward, one of the head backward;
the loss 3T (maximum; sum of exponentials and target logit). Nothing for parameters.
1D + sequence_parallel: each all-reduce becomes an all-gather and a reduce-scatter; the input of the two column products of
a layer is gathered again for the weight gradient (that of the head is kept); 6Lh + 2h vector gradients are all-reduced
once a step.
Sequence: keys and values take P-1 hops forward and P-1 backward, their gradients P-1: 6(P-1)Th a layer. Ulysses: four
all-to-alls of Th forward and eight backward, (P-1)/P Th each. Both all-reduce the gradients of all parameters but the
position table once a step.
1D beside a sequence in P parts: both, as products and lookups move the tokens of a part and attention the heads of a rank;
gradients of what 1D cuts are all-reduced over the parts, those of what it holds whole too, or with sequence_parallel over
all ranks.
"""

import argparse
import json
import os
import subprocess
import sys

ELEMENT = 4
SHAPES = [  # rows, seq, hidden, heads, layers, vocab, micro-batches
    (4, 16, 48, 12, 1, 96, 1),
    (4, 24, 72, 12, 2, 60, 2),
    (6, 12, 96, 12, 3, 132, 3),
    (2, 48, 24, 12, 2, 120, 1),
]
SP = ", sequence_parallel=True"
# mode, size, what else the config says of the tensor group; parts of a sequence beside it and how attention joins them
LAYOUTS = [
    *(("1d", size, "", 1, "") for size in (2, 3, 4, 6)),
    *(("1d", size, SP, 1, "") for size in (2, 3, 4)),
    *(("sequence", size, "", 1, "") for size in (2, 3, 4)),
    *(("ulysses", size, "", 1, "") for size in (2, 3, 4)),
    *(("1d", size, "", parts, "ring") for parts, size in ((2, 2), (3, 2), (2, 3))),
    *(("1d", size, SP, parts, "ring") for parts, size in ((2, 2), (3, 2))),
    ("1d", 3, "", 2, "ulysses"),
    ("1d", 2, SP, 2, "ulysses"),
]

CELLS = 75  # of LAYOUTS x SHAPES, those that are legal


def is_legal(mode, size, extra, parts, shape):
    """Whether the sequence divides where it is cut."""
    return shape[1] % (parts * (1 if mode == "1d" and not extra else size)) == 0


def in_buffer(elements):
    """Bytes of a parameter in its flat buffer, which starts each at a multiple of 64."""
    return -(-elements * ELEMENT // 64) * 64


def group_bytes(mode, size, extra, parts, attention, shape):
    if parts > 1:
        return bytes_1d_and_sequence(size, bool(extra), parts, attention, shape)
    if mode == "1d":
        return bytes_1d(size, bool(extra), shape) + (all_reduces(size, vectors(shape)) if extra else 0)
    rows, seq, hidden, _, layers, vocab, micro = shape
    activation = rows // micro * seq * hidden * ELEMENT
    # Hops of keys and values and of their gradients, or twelve exchanges.
    exchanged = attention_bytes("ring" if mode == "sequence" else mode, size, activation)
    layer = [3 * hidden**2, hidden**2, 4 * hidden**2, 4 * hidden**2, 3 * hidden, 4 * hidden, *[hidden] * 6]
    parameters = in_buffer(vocab * hidden) + layers * sum(map(in_buffer, layer)) + 2 * in_buffer(hidden)
    return micro * layers * exchanged + all_reduces(size, parameters)


def attention_bytes(attention, parts, activation):
    """Of one layer and a sequence in so many parts."""
    return 6 * (parts - 1) * activation if attention == "ring" else 12 * (parts - 1) * activation // parts


def all_reduces(ranks, size):
    return 2 * (ranks - 1) * size


def vectors(shape):
    """Bytes of what 1D holds whole, positions aside: norms, and biases of what follows a reduction."""
    return (6 * shape[4] + 2) * in_buffer(shape[2])


def bytes_1d_and_sequence(size, sequence_parallel, parts, attention, shape):
    rows, seq, hidden, _, layers, vocab, micro = shape
    activation = rows // micro * seq * hidden * ELEMENT
    layer = [3 * hidden**2, hidden**2, 4 * hidden**2, 4 * hidden**2, 3 * hidden, 4 * hidden]
    padded = -(-vocab // size) * size
    cut = in_buffer(padded * hidden // size) + layers * sum(in_buffer(n // size) for n in layer)
    if sequence_parallel:
        whole = all_reduces(parts * size, vectors(shape))
    else:
        whole = size * all_reduces(parts, vectors(shape))
    moved = bytes_1d(size, sequence_parallel, shape) + micro * layers * attention_bytes(attention, parts, activation)
    return moved + size * all_reduces(parts, cut) + whole


def bytes_1d(size, sequence_parallel, shape):
    """Of activations and the loss."""
    rows, seq, hidden, _, layers, _, micro = shape
    tokens = rows // micro * seq
    activation = tokens * hidden * ELEMENT
    loss = all_reduces(size, 3 * tokens * ELEMENT)
    if not sequence_parallel:
        return micro * (all_reduces(size, (4 * layers + 2) * activation) + loss)
    return micro * ((size - 1) * (10 * layers + 4) * activation + loss)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", required=True)
    parser.add_argument("--work", required=True)
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    failures = cells = 0
    for mode, size, extra, parts, attention in LAYOUTS:
        for index, shape in enumerate(SHAPES):
            if not is_legal(mode, size, extra, parts, shape):
                continue
            cells += 1
            rows, seq, hidden, heads, layers, vocab, micro = shape
            base = os.path.join(arguments.work, f"{mode}-{size}-{len(extra)}-{attention}{parts}-{index}")
            sequence = f", sequence=dict(size={parts}, mode='{attention}')" if parts > 1 else ""
            with open(base + ".cfg", "w") as file:
                file.write(f"parallel = dict(tensor=dict(size={size}, mode='{mode}'{extra}){sequence})\n")
                file.write(f"BATCH_SIZE = {rows}\nNUM_MICRO_BATCHES = {micro}\n")
                file.write(f"model = dict(vocab={vocab}, seq={seq}, hidden={hidden}, heads={heads}, layers={layers})\n")
            source = os.path.join(arguments.examples, "gpt2", "gpt2.colo")
            command = ["colo-compile", source, "--config", base + ".cfg"]
            subprocess.run([*command, "-o", base], check=True)
            plan = json.loads(subprocess.run([*command, "--plan=json"], check=True, capture_output=True).stdout)
            run = [base, "--data=synthetic:64", "--steps=1", "--quiet", f"--stats={base}.stats"]
            subprocess.run(run, check=True)
            with open(base + ".stats") as file:
                stats = json.load(file)
            failures += check(mode, size, extra, parts, attention, shape, stats, plan)
    print(f"{cells} equal" if not failures else f"{failures} of {cells} differ")
    return 1 if failures or cells != CELLS else 0


def check(mode, size, extra, parts, attention, shape, stats, plan):
    name = f"mode={mode} size={size}{extra} {attention}={parts} shape={shape}"
    # The gradient norm, counts and metrics are scalars of eight bytes; they have no place in the closed form.
    counted = sum(
        site["bytes"]
        for rank in stats["per_rank"]
        for site, planned in zip(rank["sites"], plan["collectives"], strict=True)
        if {"tp", "sp"} & set(planned["axes"].split(",")) and planned["payload"] > 8
    )
    wanted = group_bytes(mode, size, extra, parts, attention, shape)
    if counted != wanted:
        print(f"{name}: counted {counted} bytes, the formula gives {wanted}")
        return 1
    return check_plan(name, size * parts, stats, plan)


def check_plan(name, size, stats, plan):
    """Site by site, bytes and executions are what the plan printed, on every rank."""
    for rank in stats["per_rank"]:
        for site, planned in zip(rank["sites"], plan["collectives"], strict=True):
            # Elements that do not divide among the ranks are sent by some of them only.
            is_even = planned["payload"] % (ELEMENT * size) == 0
            if is_even and planned["bytes_per_step"] >= 0 and site["bytes"] != planned["bytes_per_step"]:
                print(f"{name}: rank {rank['rank']} {site['source']} sent {site['bytes']}, planned {planned['bytes_per_step']}")
                return 1
            # Alone a replica sends nothing to others. A permute is a send and a receive.
            calls = site["calls"] // 2 if planned["kind"] == "permute" else site["calls"]
            if planned["axes"] != "dp" and calls != planned["executions_per_step"]:
                print(f"{name}: {site['source']} ran {site['calls']} times, planned {planned['executions_per_step']}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
