#!/usr/bin/python3
"""ptxas takes the kernels of every example for sm_80 and sm_90, and none of them spills or has memory of its own; rows are read
and written 16 bytes at a time."""

import os
import re
import shutil
import subprocess
import sys

import options

CONFIGS = {
    "mlp": ["1d"],
    "vit": ["1d-sp"],
    "gpt2": ["mini-1d", "124m-1d", "2d"],
    "llama": ["1d"],
    "bert": ["sequence"],
}
PTXAS = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"


def kernels_of(log):
    """Each kernel's name with the numbers that ptxas -v tells of it."""
    pattern = r"Compiling entry function '([^']*)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    return {name: [int(number) for number in rest] for name, *rest in re.findall(pattern, log, re.DOTALL)}


def main():
    arguments = options.parse()
    failures = 0
    for model, configs in CONFIGS.items():
        for config in configs:
            folder = os.path.join(arguments.examples, model)
            ptx = os.path.join(arguments.work, f"{model}-{config}.ptx")
            command = ["colo-compile", os.path.join(folder, model + ".colo"), "--config", os.path.join(folder, config + ".cfg")]
            subprocess.run([*command, "--target=cuda", "--emit=ptx", "-o", ptx], check=True)
            with open(ptx) as file:
                text = file.read()
            entries = len(re.findall(r"^\.visible \.entry", text, re.MULTILINE))
            wide = len(re.findall(r"\bld\.global\S*\.v4\.", text)), len(re.findall(r"\bst\.global\S*\.v4\.", text))
            failures += not entries or not all(wide)
            for device in ("sm_80", "sm_90"):
                result = subprocess.run([PTXAS, "-v", f"-arch={device}", ptx, "-o", ptx + ".cubin"], capture_output=True, text=True)
                found = kernels_of(result.stdout + result.stderr)
                spilling = sorted(name for name, numbers in found.items() if any(numbers))
                print(f"{model} {config} {device}: {len(found)} kernels, {wide[0]} + {wide[1]} 16-byte accesses, spilling: {spilling}")
                failures += result.returncode != 0 or len(found) != entries or bool(spilling)
                if result.returncode:
                    print(result.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
