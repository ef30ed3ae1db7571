#!/usr/bin/python3
"""A trace shows each action of the schedule once, rank by rank in its order, measured and predicted; what a rank does on one
thread does not overlap but where one is inside the other; values are made, sent, received and used in that order."""

import json
import os
import re
import subprocess
import sys

import options
import planned
from equality import Layout
from equality_pipeline import Pipeline
from options import Failure

SIZES = "model = dict(vocab=60, seq=24, hidden=72, heads=12, layers=4)\n"
CELLS = [
    (Pipeline(4, "1f1b", 6), 1),
    (Pipeline(2, "interleaved", 4, chunks=2, tensor=Layout("1d", 2)), 1),
    (Pipeline(2, "zbv", 4, chunks=2), 2),
    (Pipeline(3, "zb-h1", 6), 1),
]


def schedule_of(command):
    """Of each pipeline rank, its actions as text, compute and transfers apart."""
    staged = subprocess.run([*command, "--emit=staged"], check=True, capture_output=True, text=True).stdout
    text = re.search(r"pipe\.schedule [^{]*\{([^}]*)\}", staged).group(1)
    ranks = [re.split(r"[,+ ]+", row.strip()) for row in re.findall(r'"([^"]*)"', text)]
    return [tuple([a for a in rank if ("<" in a or ">" in a) == wanted] for wanted in (False, True)) for rank in ranks]


def threads_of(trace, process):
    """The spans of each thread in the order of their starts."""
    threads = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X" and event["pid"] == process:
            threads.setdefault(event["tid"], []).append(event)
    return threads


def check_order(threads, schedule, ranks):
    """Each action once, in the order of the schedule; `ranks` tells the pipeline rank of each rank of the trace."""
    for rank, stage in enumerate(ranks):
        for kind in (0, 1):
            names = [span["name"] for span in threads.get(2 * rank + kind, [])]
            # A group's transfers start together.
            if sorted(names) != sorted(schedule[stage][kind]) or (kind == 0 and names != schedule[stage][kind]):
                raise Failure(f"rank {rank} shows {names}, the schedule has {schedule[stage][kind]}")


def check_nesting(threads):
    for spans in threads.values():
        ends = []
        for span in sorted(spans, key=lambda span: (span["ts"], -span["dur"])):
            if span["dur"] < 0:
                raise Failure(f"{span} ends before it starts")
            end = span["ts"] + span["dur"]
            ends = [other for other in ends if other > span["ts"] + 1e-3]
            if any(end > other + 1e-3 for other in ends):
                raise Failure(f"{span} overlaps another on its thread")
            ends.append(end)


def check_flow(threads, ranks, pipeline):
    """An activation ends its forward before it is sent, is sent before it has been received, and is received before the
    next forward starts; so is a gradient."""
    ends = {}
    for thread, spans in threads.items():
        rank = thread // 2
        line = rank - ranks[rank] * pipeline.tensor.ranks  # ranks that differ in the pipeline rank alone
        for span in spans:
            kind = re.match("[A-Z]+", span["name"]).group()
            key = line, kind, span["args"]["stage"], span["args"]["micro-batch"]
            ends[key] = span["ts"], span["ts"] + span["dur"]
    checked = 0
    for (line, kind, stage, number), (start, end) in ends.items():
        if kind not in ("RA", "RG"):
            continue
        source, makers, user = (stage - 1, "F", "F") if kind == "RA" else (stage + 1, "BI", "BI")
        sent = ends[line, "S" + kind[1], source, number]
        made = [ends[line, maker, source, number] for maker in makers if (line, maker, source, number) in ends]
        used = [ends[line, name, stage, number] for name in user if (line, name, stage, number) in ends]
        if not (made and used and made[0][1] <= sent[0] <= end and end <= used[0][0]):
            raise Failure(f"{kind}{number} of stage {stage}: made {made}, sent {sent}, received {start, end}, used {used}")
        checked += 1
    return checked


def check(arguments, pipeline, replicas):
    base = os.path.join(arguments.work, re.sub("[^a-z0-9]+", "-", str(pipeline)))
    with open(base + ".cfg", "w") as file:
        file.write(f"{pipeline.config()}BATCH_SIZE = {pipeline.rows}\nNUM_MICRO_BATCHES = {pipeline.micro_batches}\n{SIZES}")
    command = planned.compiler(arguments.examples, "gpt2", base + ".cfg")
    subprocess.run([*command, "-O1", "-o", base], check=True)
    run = [base, "--data=synthetic:512", "--steps=2", f"--ranks={pipeline.ranks * replicas}", "--quiet"]
    subprocess.run([*run, f"--trace={base}.json"], check=True)
    with open(base + ".json") as file:
        trace = json.load(file)
    schedule = schedule_of(command)
    ranks = [rank // pipeline.tensor.ranks % pipeline.stages for rank in range(pipeline.ranks * replicas)]
    measured, predicted = threads_of(trace, 1), threads_of(trace, 0)
    check_order(measured, schedule, ranks)
    check_order(predicted, schedule, range(pipeline.stages))
    check_nesting(measured)
    transfers = sum(len(rank[1]) for rank in schedule) * pipeline.tensor.ranks * replicas
    if check_flow(measured, ranks, pipeline) * 2 != transfers:
        raise Failure("some transfers have no other end")


def main():
    parser = options.Parser()
    options.cells(parser)
    return options.compare(parser.parse_args(), CELLS, check, "traces are right")


if __name__ == "__main__":
    sys.exit(main())
