#!/usr/bin/python3
"""profile.py [STATS] reads what --profile prints: the kinds of calls and the rest make the step, by the clock and on a core. With the
statistics of a run on a GPU with Adam: on its streams, and bytes, rates and floors of kernels fit together."""

import json
import os
import re
import sys

text = sys.stdin.read()
NUMBER = r"(-?[0-9.]+)"
KINDS = f"{NUMBER} = products {NUMBER} \\+ kernels {NUMBER} \\+ collectives {NUMBER} \\+ waiting {NUMBER} \\+ rest {NUMBER}"


def check_streams(stats):
    step, *parts, beside = map(float, re.search(f"^profile of rank 0, ms a step: {KINDS}; collectives beside it {NUMBER}$", text, re.MULTILINE).groups())
    assert abs(step - sum(parts)) < 0.01 and min(parts[:2]) > 0 and min(parts) >= 0, (step, parts)
    memory, flops, *over = map(float, re.search(f"^times over their floors, at {NUMBER} GB/s, {NUMBER} GFLOP/s in f32: products {NUMBER}, kernels {NUMBER}$", text, re.MULTILINE).groups())
    assert memory == 16 and flops > 0 and min(over) > 0, (memory, flops, over)
    rows = re.findall(rf"^ +{NUMBER} +{NUMBER} +{NUMBER} +(\S+) +(\S+)  (product|kernel (\S+), (\d+) bytes|waiting|[a-z_]+)(.*)$", text, re.MULTILINE)
    sums, floors, timed = dict(product=0, kernel=0, waiting=0, collective=0, beside=0), 0, 0
    moved_by = {}
    for ms, _, calls, rate, floor, what, kernel, moved, rest in rows:
        ms, calls = float(ms), float(calls)
        kind = what.split()[0] if what.split()[0] in sums else "beside" if rest.endswith(", beside") else "collective"
        sums[kind] += ms
        if kind == "kernel":
            bytes = calls * float(moved)
            floors += bytes / (memory * 1e6)
            moved_by[kernel] = moved_by.get(kernel, 0) + bytes
            if ms > 0.05:
                timed += 1
                assert abs(float(rate) - bytes / ms / 1e6) <= 0.6 + 0.1 * float(rate), (ms, bytes, rate)
                assert abs(float(floor) - ms * memory * 1e6 / bytes) <= 0.1 * float(floor), (ms, bytes, floor)
        if kind == "product":
            assert float(floor) > 0, what
    for found, printed in zip(sums.values(), (*parts[:2], parts[3], parts[2], beside)):
        assert abs(found - printed) < 0.001 * len(rows), (sums, parts, beside)
    assert abs(parts[1] / floors - over[1]) < 0.02 * over[1], (parts, floors, over)
    assert timed, rows
    # Adam reads a gradient, and reads and writes a parameter and two numbers of its own; the norm reads the gradient.
    with open(stats) as file:
        parameters = json.load(file)["per_rank"][0]["arena_bytes"]["params"]
    for kernel, times in (("optimizer$update", 7), ("optimizer$squares", 1 + 2 / 4096)):
        assert abs(moved_by[kernel] - times * parameters) <= 7 * 1024, (kernel, moved_by[kernel], parameters)
    return sums


if len(sys.argv) > 1:
    sums = check_streams(sys.argv[1])
    print(" ".join(kind for kind, ms in sums.items() if ms > 0))
    sys.exit()
totals = {}
for title in ("profile of rank 0, ms a step", "of these its thread had a core"):
    found = re.search(f"^{title}: {KINDS}$", text, re.MULTILINE)
    assert found, f"no line '{title}' in\n{text}"
    whole, *parts = map(float, found.groups())
    assert abs(whole - sum(parts)) < 0.01, (title, whole, parts)
    assert min(parts[:3]) > 0, (title, parts)
    totals[title] = (whole, *parts)
clock, core = totals.values()
# Both clocks are read one after the other, so that they differ a little.
assert all(c <= 1.02 * w + 0.05 for c, w in zip(core[:5], clock[:5])), (core, clock)
rows = re.findall(rf"^ +{NUMBER} +{NUMBER} +{NUMBER} +{NUMBER}  (product|kernel|all_reduce)", text, re.MULTILINE)
for column, whole in ((0, clock), (1, core)):
    for place, kind in ((1, "product"), (2, "kernel"), (3, "all_reduce")):
        total = sum(float(row[column]) for row in rows if row[4] == kind)
        assert abs(total - whole[place]) < 0.05, (kind, total, whole[place])
# Four ranks on fewer cores wait for each other: that is time by the clock and none on a core.
if len(os.sched_getaffinity(0)) < 4:
    assert core[3] < 0.9 * clock[3], (core[3], clock[3])
