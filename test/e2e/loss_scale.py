#!/usr/bin/python3
"""The loss scale of fp16 goes as Colossal-AI's and PyTorch's scalers go, written down here in Python, and every rank takes
the same decision: a step that overflows on one replica changes nothing on any, and runs on several ranks skip the steps that
one rank skips."""

import json
import os
import subprocess
import sys

import numpy

import emulate
import options
import safetensors_io

MODEL = """class Squares(Model, vocab=16, seq=4, hidden=8):
    wte = Embedding(vocab, hidden)
    head = Linear(hidden, vocab)

    def forward(tokens: int32[batch, seq], targets: int32[batch, seq]):
        x = wte(tokens)
        return cross_entropy(head(x * x), targets)
"""
AMP = "from colossalai.amp import AMP_TYPE\n"


def naive(skipped, scale, growth=2.0, backoff=0.5, interval=1000, hysteresis=2, least=0.0, most=0.0):
    """Scales of the steps of which it is known whether they overflowed (colossalai/amp/naive_amp/grad_scaler)."""
    scales, clean, overflows = [], 0, 0
    for overflowed in skipped:
        scales.append(scale)
        if overflowed:
            clean, overflows = 0, overflows + 1
            if overflows >= hysteresis:
                scale = max(scale * backoff, least)
        else:
            clean += 1
            if clean == interval:
                clean = overflows = 0
                scale = min(scale * growth, most) if most else scale * growth
    return scales


def torch_scaler(skipped, scale, growth=2.0, backoff=0.5, interval=2000):
    """The same for torch.cuda.amp.GradScaler."""
    scales, clean = [], 0
    for overflowed in skipped:
        scales.append(scale)
        clean = 0 if overflowed else clean + 1
        if overflowed:
            scale *= backoff
        elif clean == interval:
            clean, scale = 0, scale * growth
    return scales


def train(arguments, name, source, config, flags, steps):
    base = os.path.join(arguments.work, name)
    with open(base + ".cfg", "w") as file:
        file.write(config)
    emulate.run(["colo-compile", source, "--config", base + ".cfg", "-o", base])
    emulate.run([base, *flags, f"--steps={steps}", "--seed=3", "--quiet", "--threads=1", "--check-replicas",
                 f"--log={base}.jsonl", f"--export={base}.params", f"--stats={base}.stats"])
    with open(base + ".jsonl") as file:
        records = [json.loads(line) for line in file if line.strip()]
    with open(base + ".stats") as file:
        stats = json.load(file)
    skipped = [record["skipped"] for record in records]
    for rank in stats["per_rank"]:
        options.require(rank["skipped_steps"] == sum(skipped), f"{name}: rank {rank['rank']} skipped {rank['skipped_steps']} steps")
    return [record["loss_scale"] for record in records], skipped, safetensors_io.load(base + ".params")


def check_trajectories(arguments, gpt2):
    layouts = {"one": "", "1d": "tensor=dict(size=2, mode='1d')", "2d": "tensor=dict(size=4, mode='2d')",
               "1f1b": "pipeline=2", "zb": "pipeline=dict(size=2, schedule='zb-h1')", "data": ""}
    settings = "initial_scale=2**26, growth_interval=4, hysteresis=2, min_scale=2**3, max_scale=2**20"
    reference = None
    for name, layout in layouts.items():
        rows = 4 if name == "data" else 8
        config = AMP + f"parallel = dict({layout})\nBATCH_SIZE = {rows}\nNUM_MICRO_BATCHES = 2\n{emulate.OPTIMIZERS['adamw']}\n"
        config += f"fp16 = dict(mode=AMP_TYPE.NAIVE, {settings})\nmodel = dict(vocab=61, seq=16, hidden=32, heads=4, layers=2)\n"
        flags = ["--data=synthetic:96"] + (["--ranks=2"] if name == "data" else [])
        scales, skipped, params = train(arguments, name, gpt2, config, flags, 30)
        expected = naive(skipped, 2.0**26, interval=4, least=2.0**3, most=2.0**20)
        options.require(scales == expected, f"{name}: {scales}, expected {expected}")
        options.require(sum(skipped) >= 4 and len(skipped) - sum(skipped) >= 12, f"{name}: skipped {skipped}")
        if reference is None:
            reference = skipped, params
        options.require(skipped == reference[0], f"{name} skips {skipped}, one rank {reference[0]}")
        worst = emulate.distance(params, reference[1])
        options.require(worst < 0.02, f"{name}: parameters differ by {worst}")
        print(f"{name}: {sum(skipped)} of {len(skipped)} steps skipped, parameters within {worst:.1e}", flush=True)
    config = AMP + f"BATCH_SIZE = 8\n{emulate.OPTIMIZERS['sgd']}\nfp16 = dict(mode=AMP_TYPE.TORCH, init_scale=2**24, growth_interval=3)\n"
    scales, skipped, _ = train(arguments, "torch", gpt2, config + "model = dict(vocab=61, seq=16, hidden=32, heads=4, layers=2)\n",
                               ["--data=synthetic:96"], 30)
    options.require(scales == torch_scaler(skipped, 2.0**24, interval=3), f"torch: {scales}")
    options.require(sum(skipped) >= 2 and max(scales[-10:]) > min(scales), f"torch: {scales}")


def check_overflow_on_one_replica(arguments):
    """One row of the table squares to infinity in f16; one record of the data, and so one replica, has its id."""
    source = os.path.join(arguments.work, "squares.colo")
    with open(source, "w") as file:
        file.write(MODEL)
    ids = numpy.random.default_rng(1).integers(0, 15, 33).astype(numpy.uint8)
    generator = numpy.random.default_rng(2)
    weights = {"wte.weight": generator.normal(size=(16, 8)), "head.weight": generator.normal(size=(16, 8)), "head.bias": numpy.zeros(16)}
    weights["wte.weight"][15] = 6e4
    weights = {name: value.astype(numpy.float32) for name, value in weights.items()}
    init = os.path.join(arguments.work, "squares.init")
    safetensors_io.save(init, weights)
    config = AMP + f"BATCH_SIZE = 4\n{emulate.OPTIMIZERS['sgd']}\nfp16 = dict(mode=AMP_TYPE.NAIVE, dynamic_grad_scale=False, initial_scale=8)\n"
    for name, bad in (("good", False), ("bad", True)):
        text = ids.copy()
        if bad:
            text[1] = 15
        data = os.path.join(arguments.work, name + ".txt")
        text.tofile(data)
        scales, skipped, params = train(arguments, "squares-" + name, source, config, [f"--data={data}", f"--init={init}", "--ranks=2"], 3)
        options.require(scales == [8.0] * 3 and skipped == [bad] * 3, f"{name}: scales {scales}, skipped {skipped}")
        same = all((params[key] == weights[key]).all() for key in weights)
        options.require(same == bad, f"{name}: parameters {'changed' if bad else 'did not change'}")


def check_divergence(arguments):
    """A row that squares to infinity in every step: no scale mends that, and the run ends."""
    base = os.path.join(arguments.work, "squares-bad")
    text = os.path.join(arguments.work, "infinite.txt")
    numpy.full(33, 15, numpy.uint8).tofile(text)
    command = [base, f"--data={text}", f"--init={arguments.work}/squares.init", "--ranks=2", "--steps=30", "--quiet", f"--log={base}.jsonl"]
    result = subprocess.run(command, capture_output=True, text=True)
    with open(base + ".jsonl") as file:
        steps = sum(1 for line in file if line.strip())
    options.require(result.returncode == 1 and "20 steps in a row" in result.stderr and steps == 20, f"after {steps} steps: {result.stderr}")
    print("a model that diverges ends after 20 steps")


def main():
    arguments = options.parse()
    check_overflow_on_one_replica(arguments)
    check_divergence(arguments)
    check_trajectories(arguments, os.path.join(arguments.examples, "gpt2", "gpt2.colo"))
    print("scales and decisions agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
