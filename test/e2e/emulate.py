#!/usr/bin/python3
"""The kernels of GPUs, run on the host, train as those of the CPU: losses, gradients and parameters after three steps in f32
agree to 1e-5 of the largest, for every model in every mode and pipeline, with dropout."""

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
    "llama": (dict(TEXT, inner=48), "synthetic:96,ignore=0.2", dict(drop=0.1, smoothing=0.1)),
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
PIPELINES = {
    "gpipe": "size=2, schedule='gpipe'",
    "1f1b": "size=2",
    "zero-bubble": "size=2, schedule='zb-h1'",
}
# With Adam's usual epsilon the parameters of gradients that are zero but for rounding are noise.
OPTIMIZERS = {
    "sgd": "optimizer = dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=0.01)",
    "adamw": "optimizer = dict(type='AdamW', lr=0.003, eps=1e-3, weight_decay=0.1)",
}


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)}\nexit {result.returncode}\n{result.stdout}{result.stderr}")


def train(arguments, model, cell, config, emulated):
    base = os.path.join(arguments.work, f"{model}-{cell}{'-emulated' if emulated else ''}")
    sizes, data, defines = MODELS[model]
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
    parser.add_argument("--modes", default="none," + ",".join([*TENSOR, *PIPELINES]))
    options.cells(parser)
    arguments = parser.parse_args()
    cells = failures = 0
    for model in arguments.models.split(","):
        for mode in arguments.modes.split(","):
            if model == "mlp" and mode not in ("none", "1d", "2d"):
                continue
            kind = "tensor" if mode in TENSOR else "pipeline"
            layout = TENSOR.get(mode) or PIPELINES.get(mode)
            optimizer = "adamw" if cells % 2 else "sgd"
            config = f"parallel = dict({kind}=dict({layout}))\n" if layout else ""
            config += f"BATCH_SIZE = 8\nNUM_MICRO_BATCHES = 2\nclip_grad_norm = 0.5\n{OPTIMIZERS[optimizer]}\n"
            theirs = train(arguments, model, mode, config, emulated=False)
            ours = train(arguments, model, mode, config, emulated=True)
            loss = max(abs(a - b) / abs(b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
            gradients, params = (distance(ours[what], theirs[what]) for what in ("gradients", "params"))
            print(f"{model} {mode} {optimizer}: losses {loss:.1e}, gradients {gradients:.1e}, parameters {params:.1e}")
            cells += 1
            failures += not max(loss, gradients, params) <= 1e-5
    if cells != arguments.cells:
        print(f"{cells} cells, not {arguments.cells}")
    return 1 if failures or cells != arguments.cells else 0


if __name__ == "__main__":
    sys.exit(main())
