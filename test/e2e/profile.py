#!/usr/bin/python3
"""profile.py reads what --profile prints: the kinds of calls and the rest make the step, by the clock and on a core."""

import os
import re
import sys

text = sys.stdin.read()
NUMBER = r"(-?[0-9.]+)"
KINDS = f"{NUMBER} = products {NUMBER} \\+ kernels {NUMBER} \\+ collectives {NUMBER} \\+ waiting {NUMBER} \\+ rest {NUMBER}$"
totals = {}
for title in ("profile of rank 0, ms a step", "of these its thread had a core"):
    found = re.search(f"^{title}: {KINDS}", text, re.MULTILINE)
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
