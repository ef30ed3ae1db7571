#!/usr/bin/python3
"""The kernels of GPUs, run on the host, train as those of the CPU: losses, gradients and parameters after three steps in f32
agree to 1e-5 of the largest, for every model in every mode and schedule, with dropout."""

import json
import os
import subprocess
import sys

import numpy

import options
import safetensors_io

TEXT = dict(vocab=61, seq=16, hidden=32, heads=4, layers=2)
MODELS = {
    "mlp": (dict(hidden=48), "synthetic:96", {}),
    "gpt2": (TEXT, "synthetic:96,ignore=0.2", dict(drop=0.1, smoothing=0.1)),
    "llama": (dict(TEXT, inner=48, kv_heads=2), "synthetic:96,ignore=0.2", dict(drop=0.1, smoothing=0.1)),
    "bert": (TEXT, "synthetic:96", dict(drop=0.1, smoothing=0.1)),
    "vit": (dict(hidden=32, heads=4, layers=2), "synthetic:96", dict(drop=0.1)),
}
TENSOR = {
    "1d": "size=2, mode='1d'",
    "1d-sp": "size=2, mode='1d', sequence_parallel=True",
    "2d": "size=4, mode='2d'",
    "2.5d": "size=8, mode='2.5d', depth=2",
    "3d": "size=8, mode='3d'",
    "sequence": "size=2, mode='sequence'",
    "ulysses": "size=2, mode='ulysses'",
}
# Rings of so many members that turns are a loop, alone and of one head a rank; what goes round is rows, or keys where few heads have some.
RINGS = {
    "ring-8": "size=8, mode='sequence'",
    "1d+ring-8": "size=2, mode='1d'), sequence=dict(size=8, mode='ring'",
}
PIPELINES = {
    "gpipe": "size=2, schedule='gpipe'",
    "1f1b": "size=2",
    "interleaved": "size=2, schedule='interleaved', chunks=2",
    "zb-h1": "size=2, schedule='zb-h1'",
    "zb-h2": "size=2, schedule='zb-h2'",
    "zbv": "size=2, schedule='zbv', chunks=2",
}
ALONE = "none"  # one rank, one stage
# With Adam's usual epsilon the parameters of gradients that are zero but for rounding are noise.
OPTIMIZERS = {
    "sgd": "optimizer = dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=0.01)",
    "adamw": "optimizer = dict(type='AdamW', lr=0.003, eps=1e-3, weight_decay=0.1)",
}


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)}\nexit {result.returncode}\n{result.stdout}{result.stderr}")


def parallel(cell):
    """The configuration's line for a tensor mode, a schedule, or one in the stages of the other, as in `2d+zbv`."""
    names = [cell] if cell in RINGS else cell.split("+")
    kinds = [f"{kind}=dict({layouts[name]})" for name in names
             for kind, layouts in (("tensor", {**TENSOR, **RINGS}), ("pipeline", PIPELINES)) if name in layouts]
    if len(kinds) != len([name for name in names if name != ALONE]):
        sys.exit(f"unknown cell '{cell}'")
    return f"parallel = dict({', '.join(kinds)})\n" if kinds else ""


def set_words(words):
    """As many words in every model of text."""
    for sizes, _, _ in MODELS.values():
        if "vocab" in sizes:
            sizes["vocab"] = words


def sizes_of(model, cell):
    """The model's sizes; a stage of several chunks needs a layer for each."""
    sizes = MODELS[model][0]
    return dict(sizes, layers=4) if "chunks" in parallel(cell) else sizes


def is_legal(model, cell):
    """The perceptron has no layers, of which stages are made."""
    return model != "mlp" or not any(name in PIPELINES for name in cell.split("+"))


def matrix(modes, schedules):
    """Every mode by itself, and inside the stages of every schedule."""
    return [mode if schedule == ALONE else schedule if mode == ALONE else f"{mode}+{schedule}"
            for schedule in schedules for mode in modes]


def train(arguments, model, cell, config, emulated):
    base = os.path.join(arguments.work, f"{model}-{cell}{'-emulated' if emulated else ''}")
    _, data, defines = MODELS[model]
    sizes = sizes_of(model, cell)
    with open(base + ".cfg", "w") as file:
        file.write(config + f"model = dict({', '.join(f'{k}={v}' for k, v in sizes.items())})\n")
    source = os.path.join(arguments.examples, model, model + ".colo")
    flags = ["--target=cuda", "--emulate"] if emulated else []
    flags += [flag for name, value in defines.items() for flag in ("-D", f"{name}={value}")]
    run(["colo-compile", source, "--config", base + ".cfg", *flags, "-o", base])
    run([base, f"--data={data}", "--steps=3", "--seed=3", "--quiet", "--threads=1", f"--log={base}.jsonl",
         f"--export={base}.params", f"--dump-grads={base}.grads"])
    with open(base + ".jsonl") as file:
        losses = [json.loads(line)["loss"] for line in file if line.strip()]
    return dict(losses=losses, gradients=safetensors_io.load(base + ".grads"), params=safetensors_io.load(base + ".params"))


def distance(ours, theirs):
    """The largest difference, of the largest number; infinite if anything is no number."""
    if ours.keys() != theirs.keys():
        return float("inf")
    largest = max(numpy.abs(value).max() for value in theirs.values())
    worst = max(numpy.abs(ours[name] - theirs[name]).max() for name in theirs)
    return worst / largest if numpy.isfinite(worst) else float("inf")


def main():
    parser = options.Parser()
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--modes", default=",".join([ALONE, *TENSOR]))
    parser.add_argument("--schedules", default=ALONE, help="each with every mode")
    parser.add_argument("--words", type=int, default=TEXT["vocab"])
    options.cells(parser)
    arguments = parser.parse_args()
    set_words(arguments.words)
    cells = failures = 0
    for model in arguments.models.split(","):
        for cell in matrix(arguments.modes.split(","), arguments.schedules.split(",")):
            if not is_legal(model, cell):
                continue
            optimizer = "adamw" if cells % 2 else "sgd"
            config = parallel(cell) + f"BATCH_SIZE = 8\nNUM_MICRO_BATCHES = 2\nclip_grad_norm = 0.5\n{OPTIMIZERS[optimizer]}\n"
            theirs = train(arguments, model, cell, config, emulated=False)
            ours = train(arguments, model, cell, config, emulated=True)
            loss = max(abs(a - b) / abs(b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
            gradients, params = (distance(ours[what], theirs[what]) for what in ("gradients", "params"))
            equal = max(loss, gradients, params) <= 1e-5
            print(f"{model} {cell} {optimizer}: losses {loss:.1e}, gradients {gradients:.1e}, parameters {params:.1e}"
                  f"{'' if equal else ' FAILS'}", flush=True)
            cells += 1
            failures += not equal
    print(f"{cells} cells, {failures} failed")
    return 1 if failures or cells != arguments.cells else 0


if __name__ == "__main__":
    sys.exit(main())
