#!/usr/bin/python3
"""The run's own high-water mark agrees with --plan within 1%, and optimizer state and inputs exactly."""

import json
import os
import subprocess
import sys

import options

CASES = [
    ("gpt2", "mini.cfg", 1, ["-D", "layers=2"]),
    ("gpt2", "mini-1d.cfg", 4, ["-D", "layers=3"]),
    ("gpt2", "mini-sp.cfg", 2, []),
    ("vit", "1d.cfg", 2, []),
    ("mlp", "1d.cfg", 4, []),
]


def main():
    arguments = options.parse()
    failures = 0
    for number, (model, config, ranks, flags) in enumerate(CASES):
        exe = os.path.join(arguments.work, f"{model}-{number}")
        folder = os.path.join(arguments.examples, model)
        command = ["colo-compile", os.path.join(folder, model + ".colo"), "--config", os.path.join(folder, config), *flags]
        subprocess.run([*command, "-o", exe], check=True)
        plan = json.loads(subprocess.run([*command, "--plan=json"], check=True, capture_output=True).stdout)["memory"]
        run = [exe, "--data=synthetic:256", "--steps=2", f"--ranks={ranks}", "--quiet", f"--stats={exe}.stats"]
        subprocess.run(run, check=True)
        with open(exe + ".stats") as file:
            stats = json.load(file)
        for rank in stats["per_rank"]:
            arena, measured = rank["arena_bytes"], rank["high_water_bytes"]
            exact = arena["state"] == plan["optimizer_state"] and arena["params"] == plan["parameters"]
            if not exact or abs(measured - plan["total"]) > 0.01 * plan["total"]:
                print(f"{model} {config} rank {rank['rank']}: measured {measured}, planned {plan['total']}; {arena} {plan}")
                failures += 1
    print("plan and run agree" if not failures else f"{failures} ranks differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
