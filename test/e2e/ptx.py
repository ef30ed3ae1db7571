#!/usr/bin/python3
"""ptxas takes the kernels of every example for sm_80 and sm_90, and none of them spills or has memory of its own; rows are read
and written 16 bytes at a time, of attention's tiles in shared memory as well. Attention in 16 bits, and only that, uses tensor cores."""

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
# Attention: sizes of heads and sequences on one rank, keys whose number four divides and others, dropout; in types that kernels
# compute with or read; turns of a ring, of which a thread's keys may be two that follow each other or one.
BF16, FP16 = "bf16 = True\n", "fp16 = dict(mode='NAIVE')\n"
RING = "parallel = dict(tensor=dict(size=2, mode='sequence'))\n"
ATTENTION = [(size, seq, 0.1, "f32", "") for size in (16, 64, 128, 256) for seq in (256, 333)]
ATTENTION += [(size, seq, 0.1, "f64", "") for size in (16, 64, 128, 192, 256) for seq in (256, 333)]
ATTENTION += [(size, seq, drop, "f32", BF16) for size in (16, 36, 64, 112, 128, 256) for seq, drop in ((256, 0.0), (333, 0.1))]
ATTENTION += [(64, 333, 0.0, "f32", FP16), (128, 256, 0.1, "f32", FP16), (112, 256, 0.0, "f32", FP16), (127, 256, 0.0, "f32", "")]
ATTENTION += [(size, seq, 0.1, "f32", RING) for size in (16, 64) for seq in (256, 4 * 83, 8 * 43)]
ATTENTION += [(128, 256, 0.1, "f64", RING), (64, 256, 0.0, "f32", RING + BF16), (64, 8 * 43, 0.1, "f32", RING + BF16)]
PTXAS = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"


def kernels_of(log):
    """Each kernel's name with the numbers that ptxas -v tells of it."""
    pattern = r"Compiling entry function '([^']*)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    return {name: [int(number) for number in rest] for name, *rest in re.findall(pattern, log, re.DOTALL)}


def programs(arguments):
    """Name, model, configuration and definitions of each, and whether it has kernels of attention."""
    for model, configs in CONFIGS.items():
        for config in configs:
            yield f"{model}-{config}", model, os.path.join(arguments.examples, model, config + ".cfg"), [], model != "mlp"
    for size, seq, drop, dtype, more in ATTENTION:
        words = [re.sub(r"\W.*", "", line) for line in more.splitlines()]
        name = "-".join(["attention", str(size), str(seq), str(drop), dtype, *words])
        config = os.path.join(arguments.work, name + ".cfg")
        with open(config, "w") as file:
            file.write(more + f"BATCH_SIZE = 2\nmodel = dict(vocab=64, seq={seq}, hidden={2 * size}, heads=2, layers=1, drop={drop})\n")
        yield name, "gpt2", config, ["-D", f"dtype={dtype}"], size <= (128 if dtype == "f64" else 256)


def main():
    arguments = options.parse()
    failures = 0
    for name, model, config, defines, has_tiles in programs(arguments):
        ptx = os.path.join(arguments.work, name + ".ptx")
        command = ["colo-compile", os.path.join(arguments.examples, model, model + ".colo"), "--config", config, *defines]
        subprocess.run([*command, "--target=cuda", "--emit=ptx", "-o", ptx], check=True)
        with open(ptx) as file:
            text = file.read()
        entries = len(re.findall(r"^\.visible \.entry", text, re.MULTILINE))
        wide = [len(re.findall(rf"\b{access}\S*\.(?:v4\.|v2\.\w64)", text)) for access in ("ld.global", "st.global", "ld.shared", "st.shared")]
        # A row of a matrix is 16 bytes.
        wide[2] += len(re.findall(r"\bldmatrix\S*\.x4\.", text))
        update = text[text.index(".entry optimizer$update(") :].split("\n}", 1)[0]
        failures += bool(re.search(r"(ld|st)\.global\S*(?<!v4)\.(f32|b16)", update))
        products = len(re.findall(r"\bmma\.sync\S*\.f32\.(?:bf16\.bf16|f16\.f16)\.f32\b", text))
        failures += (products > 0) != name.endswith(("bf16", "fp16"))
        failures += not entries or not all(wide[:2]) or (has_tiles and not all(wide))
        for device in ("sm_80", "sm_90"):
            result = subprocess.run([PTXAS, "-v", f"-arch={device}", ptx, "-o", ptx + ".cubin"], capture_output=True, text=True)
            found = kernels_of(result.stdout + result.stderr)
            spilling = sorted(kernel for kernel, numbers in found.items() if any(numbers))
            print(f"{name} {device}: {len(found)} kernels, {products} products by tensor cores, {wide} 16-byte accesses, spilling: {spilling}")
            failures += result.returncode != 0 or len(found) != entries or bool(spilling)
            if result.returncode:
                print(result.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
