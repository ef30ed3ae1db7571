#!/usr/bin/python3
"""What checkpoint=False, 'selective' and True save and send, by --plan.

Saved of each layer: with True its input alone; with 'selective' all but what attention gives, its result and a statistic a
row and head. What is sent in the forward pass stays; of what is sent backward, the sum of attention's part is made
again, and the one that ends a layer is not: nothing reads it there.
"""

import collections
import os
import sys

import options
import planned
from equality import SP
from options import Failure

LAYERS, SEQ, HIDDEN, HEADS, ROWS, ELEMENT = 4, 32, 64, 4, 8, 4
SIZES = dict(vocab=64, seq=SEQ, hidden=HIDDEN, heads=HEADS, layers=LAYERS)
CHECKPOINTS = ("False", "selective", "True")

# Tensor layouts, on how many ranks a layer's input is cut, on how many its attention, and what ends a layer's forward.
CELLS = [
    ("", 1, 1, None),
    ("size=2, mode='1d'", 1, 2, ("all_reduce", "tp")),
    (f"size=2, mode='1d'{SP}", 2, 2, ("reduce_scatter", "tp")),
    ("size=4, mode='2d'", 4, 4, ("reduce", "col")),
    ("size=8, mode='3d'", 8, 8, ("reduce_scatter", "in")),
    ("size=2, mode='sequence'", 2, 2, None),
]


def plan(arguments, tensor, checkpoint):
    config = os.path.join(arguments.work, "checkpoint.cfg")
    planned.write_config(config, tensor, ROWS, 1)
    sizes = [flag for name, value in SIZES.items() for flag in ("-D", f"{name}={value}")]
    command = planned.compiler(arguments.examples, "gpt2", config, *sizes, "-D", f"checkpoint={checkpoint}", "--plan=json")
    return planned.read_json(command)


def sites(plan, phase, name=""):
    """Collectives within the tensor group, of a phase, at sites of a layer whose name begins so."""
    return collections.Counter(
        (site["kind"], site["axes"])
        for site in plan["collectives"]
        if site["phase"] == phase and f"GPT2.h.{name}" in site["source"] and "dp" not in site["axes"].split(",")
    )


def check(arguments, tensor, input_parts, attention_parts, end):
    kept, selective, full = (plan(arguments, tensor, checkpoint) for checkpoint in CHECKPOINTS)
    saved = [result["memory"]["saved"] for result in (kept, selective, full)]
    inputs = LAYERS * ROWS * SEQ * HIDDEN * ELEMENT // input_parts
    if saved[2] != inputs:
        raise Failure(f"True saves {saved[2]} bytes, the inputs of layers have {inputs}")
    attention = LAYERS * ROWS * SEQ * (HIDDEN + HEADS) * ELEMENT // attention_parts
    if saved[0] - saved[1] != attention:
        raise Failure(f"'selective' saves {saved[0] - saved[1]} bytes less, attention gives {attention}")
    totals = [result["memory"]["total"] for result in (kept, selective, full)]
    if not totals[0] > totals[1] > totals[2]:
        raise Failure(f"the totals do not fall: {totals}")
    flops = [result["flops"] for result in (kept, selective, full)]
    if not flops[0] < flops[1] < flops[2]:
        raise Failure(f"flops do not grow: {flops}")
    if not sites(full, "forward") == sites(selective, "forward") == sites(kept, "forward"):
        raise Failure("the forward pass sends something else")
    if tensor and not sites(full, "backward", "attn") > sites(kept, "backward", "attn"):
        raise Failure("True sends nothing of attention again")
    if end and not sites(full, "forward", "mlp.proj")[end]:
        raise Failure(f"a layer does not end with {end}")
    if sites(full, "backward", "mlp.proj")[end] != sites(kept, "backward", "mlp.proj")[end]:
        raise Failure(f"{end}, which gives what nothing reads, is there again")
    if "sequence" not in tensor and sites(selective, "backward") != sites(kept, "backward"):
        raise Failure("'selective' sends something again where attention sends nothing")


def main():
    parser = options.Parser()
    options.cells(parser)
    return options.compare(parser.parse_args(), CELLS, check, "save and send what they say")


if __name__ == "__main__":
    sys.exit(main())
