#!/usr/bin/python3
"""What --plan says of a pipeline is what its run counts, rank by rank.

Bytes and messages at every site; what a rank sends to its neighbours in closed form, b*S*h of its shard for each
micro-batch, direction and boundary between ranks, and what it gathers where layers are handed on whole; memory within 1%,
parameters exactly. The activations that ranks count
are those of the simulation; what is saved for them is planned in closed form, where no head is: layers times activations.
"""

import os
import re
import subprocess
import sys

import options
import planned
from equality import Layout, SP
from equality_pipeline import Pipeline
from options import Failure

VOCAB, SEQ, HIDDEN, HEADS, LAYERS, ELEMENT = 60, 24, 72, 12, 4, 4
SIZES = f"model = dict(vocab={VOCAB}, seq={SEQ}, hidden={HIDDEN}, heads={HEADS}, layers={LAYERS})\n"

# Pipelines, replicas, and on how many ranks of the tensor group an activation is cut on its way to the next stage.
CELLS = [
    (Pipeline(3, "gpipe", 6, partition=(1, 2, 1)), 1, 1),
    (Pipeline(4, "1f1b", 6), 2, 1),
    (Pipeline(2, "1f1b", 1), 1, 1),
    (Pipeline(2, "interleaved", 6, chunks=2, tensor=Layout("1d", 2)), 1, 2),
    (Pipeline(2, "zbv", 4, chunks=2, tensor=Layout("1d", 4)), 1, 4),
    (Pipeline(2, "1f1b", 4, tensor=Layout("1d", 2, SP)), 1, 2),
    (Pipeline(2, "zb-h1", 6, tensor=Layout("2d", 4), rows=24), 1, 4),
    (Pipeline(2, "1f1b", 4, tensor=Layout("3d", 8), rows=16), 1, 8),
    (Pipeline(3, "zb-h2", 6, tensor=Layout("sequence", 2)), 1, 2),
    (Pipeline(2, "zbv", 4, chunks=2), 2, 1),
]


def rank_of(pipeline, stage):
    """Where a virtual stage runs."""
    if pipeline.schedule == "zbv" and stage >= pipeline.stages:
        return 2 * pipeline.stages - 1 - stage
    return stage % pipeline.stages


def transfers(pipeline, shards):
    """Of each pipeline rank, what one of its ranks sends to others in a step."""
    each = pipeline.rows // pipeline.micro_batches * SEQ * HIDDEN * ELEMENT // shards
    times = pipeline.micro_batches * pipeline.accumulation
    sums = [planned.Traffic()] * pipeline.stages
    for stage in range(pipeline.stages * pipeline.chunks - 1):
        ends = rank_of(pipeline, stage), rank_of(pipeline, stage + 1)
        for rank in ends if ends[0] != ends[1] else ():
            sums[rank] += planned.Traffic(each * times, times)
    return sums


def layers_of(pipeline):
    """Of each virtual stage."""
    stages = pipeline.stages * pipeline.chunks
    return [LAYERS // stages] * stages if pipeline.partition == "uniform" else list(pipeline.partition)


def compiled(arguments, base, pipeline, ranks, config):
    with open(base + ".cfg", "w") as file:
        file.write(config + f"BATCH_SIZE = {pipeline.rows}\nNUM_MICRO_BATCHES = {pipeline.micro_batches}\n"
                   f"gradient_accumulation = {pipeline.accumulation}\n{SIZES}")  # fmt: skip
    command = planned.compiler(arguments.examples, "gpt2", base + ".cfg", f"--world-size={ranks}")
    return command, planned.read_json([*command, "--plan=json"])


def check(arguments, pipeline, replicas, shards):
    base = os.path.join(arguments.work, re.sub("[^a-z0-9]+", "-", str(pipeline)))
    ranks = pipeline.ranks * replicas
    command, plan = compiled(arguments, base, pipeline, ranks, pipeline.config())
    stats = planned.run(command, base, plan, ranks)
    sent = [planned.Traffic(row["transfer_bytes"], row["transfer_messages"]) for row in plan["pipeline"]]
    if sent != transfers(pipeline, shards):
        raise Failure(f"{sent} planned, the form gives {transfers(pipeline, shards)}")
    check_gathers(pipeline, shards, sent, stats)
    for rank in stats["per_rank"]:
        counted = [planned.Traffic(site["bytes"], site["messages"]) for site in rank["sites"] if site["kind"] == "send"]
        if sum(counted, planned.Traffic()) != sent[rank["stage"]]:
            raise Failure(f"rank {rank['rank']} sent {counted} to its neighbours, planned {sent[rank['stage']]}")
        row = plan["pipeline"][rank["stage"]]
        if abs(rank["high_water_bytes"] - row["total"]) > 0.01 * row["total"]:
            raise Failure(f"rank {rank['rank']} held {rank['high_water_bytes']} bytes, planned {row['total']}")
        if rank["arena_bytes"]["params"] != row["parameters"]:
            raise Failure(f"rank {rank['rank']}: {rank['arena_bytes']}, planned {row}")
    check_activations(command, stats)
    check_saved(arguments, base, pipeline, plan, stats)


def check_gathers(pipeline, shards, sent, stats):
    """1d holds activations whole: as many parts arrive as leave, and each rank sends its part to the group's others. These
    are its only gathers."""
    if pipeline.tensor.mode != "1d" or pipeline.tensor.extra == SP:
        return
    for rank in stats["per_rank"]:
        gathers = [planned.Traffic(site["bytes"], site["messages"]) for site in rank["sites"] if site["kind"] == "all_gather"]
        parts = sent[rank["stage"]]
        form = planned.Traffic(parts.bytes * (shards - 1), parts.messages * (shards - 1))
        if sum(gathers, planned.Traffic()) != form:
            raise Failure(f"rank {rank['rank']} sent {gathers} to gather what arrives, the form gives {form}")


def check_activations(command, stats):
    """What ranks counted is what --emit=staged says of the simulation."""
    staged = subprocess.run([*command, "--emit=staged"], check=True, capture_output=True, text=True).stdout
    simulated = dict(re.findall(r"^// rank +(\d+): .* at most (\d+) activations alive", staged, re.MULTILINE))
    for rank in stats["per_rank"]:
        if rank["peak_activations"] != int(simulated[str(rank["stage"])]):
            raise Failure(f"rank {rank['rank']} kept {rank['peak_activations']} activations, simulated {simulated}")


def check_saved(arguments, base, pipeline, plan, stats):
    """The same tensor group without a pipeline tells what one layer keeps for one micro-batch."""
    _, alone = compiled(arguments, base + "-alone", pipeline, pipeline.tensor.ranks, pipeline.tensor.config())
    layer = alone["memory"]["saved"] // LAYERS
    last = pipeline.stages * pipeline.chunks - 1
    for rank in stats["per_rank"]:
        if rank["stage"] == rank_of(pipeline, last):
            continue
        kept = rank["peak_activations_by_stage"]
        form = sum(count * layers * layer for count, layers in zip(kept, layers_of(pipeline), strict=True))
        saved = plan["pipeline"][rank["stage"]]["saved"]
        # Values of a micro-batch start at multiples of 64 bytes.
        if not 0 <= saved - form < sum(kept) * 16 * 64:
            raise Failure(f"pipeline rank {rank['stage']} saves {saved} bytes, the form gives {form}")


def main():
    parser = options.Parser()
    options.cells(parser)
    return options.compare(parser.parse_args(), CELLS, check, "cells equal")


if __name__ == "__main__":
    sys.exit(main())
