#!/usr/bin/python3
"""Prints ratios of compiled programs against peers in the same run. Not a test: machines are noisy.

    python3 benchmarks/cpu.py            (needs build/, uses PyTorch where it is installed)
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
COMPILER = os.path.join(ROOT, "build", "bin", "colo-compile")
GPT2 = os.path.join(ROOT, "examples", "gpt2", "gpt2.colo")
MINI = dict(vocab=256, seq=128, hidden=128, heads=4, layers=4)
ROWS, STEPS = 16, 30


def compile_model(work, name, config, *flags):
    path = os.path.join(work, name)
    with open(path + ".cfg", "w") as file:
        file.write(config)
    begin = time.monotonic()
    subprocess.run([COMPILER, GPT2, "--config", path + ".cfg", *flags, "-o", path], check=True)
    return path, time.monotonic() - begin


def sizes(**values):
    return f"model = dict({', '.join(f'{k}={v}' for k, v in values.items())})\n"


def step_against_products(work):
    executable, _ = compile_model(work, "mini", f"BATCH_SIZE = {ROWS}\n" + sizes(**MINI))
    log = executable + ".jsonl"
    command = [executable, "--data=synthetic:512", f"--steps={STEPS}", "--ranks=1", "--threads=2", "--quiet"]
    result = subprocess.run([*command, "--time-products", f"--log={log}"], check=True, capture_output=True, text=True)
    print("gpt2-mini, one rank, two threads:", result.stdout.strip())
    with open(log) as file:
        return statistics.median(json.loads(line)["tokens_per_s"] for line in file if line.strip())


def torch_tokens_per_second():
    """The same model by torch's own functions (test/e2e/torch_models.py), forward, backward and AdamW."""
    sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
    try:
        import torch
        import torch_models
    except ImportError:
        return None
    torch.set_num_threads(2)
    torch_models.GPT2.sizes = MINI
    h = MINI["hidden"]
    shapes = {"wte.weight": [MINI["vocab"], h], "wpe.weight": [MINI["seq"], h], "ln_f.weight": [h], "ln_f.bias": [h]}
    for layer in range(MINI["layers"]):
        block = f"h.{layer}."
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}{norm}.weight": [h], f"{block}{norm}.bias": [h]}
        for name, out, inner in (("attn.qkv", 3 * h, h), ("attn.proj", h, h), ("mlp.fc", 4 * h, h), ("mlp.proj", h, 4 * h)):
            shapes |= {f"{block}{name}.weight": [out, inner], f"{block}{name}.bias": [out]}
    weights = {name: (0.02 * torch.randn(shape)).numpy() for name, shape in shapes.items()}
    model = torch_models.GPT2(weights)
    optimizer = torch.optim.AdamW(model.weights.values(), lr=1e-3)
    seconds = []
    for _ in range(STEPS):
        tokens = torch.randint(0, MINI["vocab"], (ROWS, MINI["seq"]))
        begin = time.monotonic()
        optimizer.zero_grad()
        model.forward(tokens, tokens).backward()
        optimizer.step()
        seconds.append(time.monotonic() - begin)
    return ROWS * MINI["seq"] / statistics.median(seconds)


def main():
    with tempfile.TemporaryDirectory() as work:
        ours = step_against_products(work)
        theirs = torch_tokens_per_second()
        if theirs:
            print(f"tokens/s: {ours:.0f}, PyTorch {theirs:.0f}, ratio {ours / theirs:.2f}")
        else:
            print(f"tokens/s: {ours:.0f} (no PyTorch to compare with)")
        tensor = "parallel = dict(tensor=dict(size=4, mode='1d'))\nBATCH_SIZE = 4\n"
        _, seconds = compile_model(work, "gpt2-124m", tensor)
        print(f"compiling gpt2-124M for four ranks: {seconds:.2f} s")
        shape = sizes(seq=2048, hidden=12288, heads=96, layers=96)
        _, seconds = compile_model(work, "gpt3", "parallel = dict(tensor=dict(size=8, mode='1d'))\nBATCH_SIZE = 1\n" + shape)
        print(f"compiling a 96-layer GPT-3 shape for eight ranks: {seconds:.2f} s")
        stats = os.path.join(work, "start.stats")
        run = [os.path.join(work, "mini"), "--data=synthetic:64", "--steps=1", "--quiet", f"--stats={stats}"]
        starts = []
        for _ in range(5):
            subprocess.run(run, check=True)
            with open(stats) as file:
                starts.append(json.load(file)["start_seconds"])
        print(f"start-up of gpt2-mini on one rank: {1e3 * min(starts):.0f} ms")


if __name__ == "__main__":
    main()
