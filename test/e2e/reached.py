#!/usr/bin/python3
"""reached.py LOG KEY BOUND [--below]: the mean of the last ten values of KEY (the last one of an evaluation) reached BOUND."""

import json
import sys

log, key, bound = sys.argv[1:4]
with open(log) as file:
    values = [entry[key] for entry in map(json.loads, filter(str.strip, file)) if key in entry]
tail = values[-1:] if key.startswith("eval_") else values[-10:]
mean = sum(tail) / len(tail)
print(f"{key} {mean:.4f}, bound {bound}")
sys.exit(0 if (mean < float(bound) if "--below" in sys.argv else mean >= float(bound)) else 1)
