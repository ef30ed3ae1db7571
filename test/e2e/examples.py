#!/usr/bin/python3
"""examples.py DOCUMENT WORK STEPS: every training command of the document compiles, runs and lowers the loss.

Commands are its indented lines that start with build/bin/colo-compile. Outputs go to WORK, and at most STEPS steps are run.
"""

import json
import os
import re
import subprocess
import sys

document, work, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
root = os.path.dirname(os.path.dirname(os.path.abspath(document)))
with open(document) as file:
    commands = [line.strip() for line in file if line.startswith("    build/bin/colo-compile")]
failures = 0
for command in commands:
    log = os.path.join(work, "log.jsonl")
    if os.path.exists(log):
        os.remove(log)
    here = command.replace("build/bin/", "").replace(" -o build/", f" -o {work}/").replace("&& build/", f"&& {work}/")
    here = here.replace("build/bible.txt", f"{work}/bible.txt")
    here = re.sub(r"--steps=(\d+)", lambda match: f"--steps={min(steps, int(match[1]))}", here) + f" --quiet --log={log}"
    result = subprocess.run(here, shell=True, cwd=root, capture_output=True, text=True)
    losses = []
    if os.path.exists(log):
        with open(log) as file:
            losses = [json.loads(line)["loss"] for line in file if line.strip()]
    tail = losses[-3:]
    ok = result.returncode == 0 and len(losses) > 5 and sum(tail) / len(tail) < losses[0]
    failures += not ok
    show = f"{losses[0]:.3f} -> {sum(tail) / len(tail):.3f}" if losses else result.stderr.strip()
    print("ok" if ok else "FAILED", command.split("--config ")[1].split()[0], show, flush=True)
print(f"{len(commands)} commands, {failures} failed")
sys.exit(1 if failures or not commands else 0)
