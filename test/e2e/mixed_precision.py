#!/usr/bin/python3
"""Mixed precision trains as f32 does, in every mode: losses of three steps and the gradients of the first differ by no more
than rounding to the type explains; what collectives of activations move is half; replicas stay equal bit by bit; memory
is what was planned."""

import json
import os
import subprocess
import sys

import numpy

import emulate
import options
import safetensors_io

PRECISIONS = {
    "f32": "",
    "bf16": "bf16 = True\n",
    "f16": "from colossalai.amp import AMP_TYPE\nfp16 = dict(mode=AMP_TYPE.NAIVE, initial_scale=2**10)\n",
}
# Half of the distance between neighbours, relative to them.
UNIT = {"bf16": 2.0**-9, "f16": 2.0**-12}
# A value passes some 20 roundings on its way through two layers and back, whose errors add up as their root; the worst
# tensor has a few times that, the mean over tokens that is the loss much less.
LOSS_UNITS, GRADIENT_UNITS = 2, 20


def config_of(cell, precision, model):
    text = PRECISIONS[precision]
    for kind, layouts in (("tensor", emulate.TENSOR), ("pipeline", emulate.PIPELINES)):
        if cell in layouts:
            text += f"parallel = dict({kind}=dict({layouts[cell]}))\n"
    rows = 4 if cell == "data" else 8
    text += f"BATCH_SIZE = {rows}\nNUM_MICRO_BATCHES = {rows // 4 if cell == 'data' else 2}\nclip_grad_norm = 0.5\n"
    text += emulate.OPTIMIZERS["sgd"] + "\n"
    return text + f"model = dict({', '.join(f'{k}={v}' for k, v in emulate.MODELS[model][0].items())})\n"


def source_of(arguments, model):
    """The example; with gelu for relu, whose gradient is no continuous function of what is rounded."""
    path = os.path.join(arguments.examples, model, model + ".colo")
    if model != "mlp":
        return path
    with open(path) as file:
        text = file.read()
    path = os.path.join(arguments.work, "smooth.colo")
    with open(path, "w") as file:
        file.write(text.replace("relu(", "gelu("))
    return path


class Trained:
    def __init__(self, arguments, model, cell, precision, target=()):
        base = os.path.join(arguments.work, f"{model}-{cell}-{precision}{'-emulated' if target else ''}")
        with open(base + ".cfg", "w") as file:
            file.write(config_of(cell, precision, model))
        _, data, defines = emulate.MODELS[model]
        command = ["colo-compile", source_of(arguments, model), "--config", base + ".cfg", *target]
        command += [flag for name, value in defines.items() for flag in ("-D", f"{name}={value}")]
        emulate.run([*command, "-o", base])
        self.plan = json.loads(subprocess.run([*command, "--plan=json"], check=True, capture_output=True).stdout)
        run = [base, f"--data={data}", "--seed=3", "--quiet", "--threads=1"]
        run += ["--ranks=2"] if cell == "data" else []
        emulate.run([*run, "--steps=1", f"--dump-grads={base}.grads"])
        emulate.run([*run, "--steps=3", f"--log={base}.jsonl", f"--stats={base}.stats", "--check-replicas"])
        with open(base + ".jsonl") as file:
            self.records = [json.loads(line) for line in file if line.strip()]
        with open(base + ".stats") as file:
            self.stats = json.load(file)
        self.losses = [record["loss"] for record in self.records]
        self.gradients = safetensors_io.load(base + ".grads")

    def moved(self):
        """Bytes that ranks have sent, by place in the program; the end of the step apart."""
        places = {}
        for rank in self.stats["per_rank"]:
            for site in rank["sites"]:
                if site["phase"] in ("forward", "backward"):
                    key = (site["phase"], site["kind"], site["source"])
                    places[key] = places.get(key, 0) + site["bytes"]
        return places

    def off_plan(self):
        total = max(stage["total"] for stage in self.plan["pipeline"]) if self.plan.get("pipeline") else self.plan["memory"]["total"]
        most = max(rank["high_water_bytes"] for rank in self.stats["per_rank"])
        return abs(most - total) / total


def errors(ours, reference):
    """The worst relative difference of losses, and of gradients tensor by tensor in the 2-norm."""
    losses = max(abs(a - b) / abs(b) for a, b in zip(ours.losses, reference.losses, strict=True))
    largest = max(numpy.linalg.norm(value) for value in reference.gradients.values())
    gradients = 0
    for name, value in reference.gradients.items():
        # The gradient of a key bias is zero but for rounding.
        norm = max(numpy.linalg.norm(value), 1e-2 * largest)
        gradients = max(gradients, numpy.linalg.norm(ours.gradients[name] - value) / norm)
    return losses, gradients


# Modes in which the gradients of parameters and of travelling keys, which are f32, do not go through collectives of layers.
HALVED = ("1d", "1d-sp", "ulysses")


def check_bytes(ours, whole):
    """Of what an f32 program moves half, to the byte, but for statistics of the loss."""
    ours, whole = ours.moved(), whole.moved()
    rest = sum(sent for key, sent in whole.items() if 2 * ours.get(key, -1) != sent)
    unchanged = all(ours.get(key) == sent for key, sent in whole.items() if 2 * ours.get(key, -1) != sent)
    return ours.keys() == whole.keys() and unchanged and rest < 0.05 * sum(whole.values())


def main():
    parser = options.Parser()
    parser.add_argument("--models", default="mlp,gpt2,llama,bert,vit")
    parser.add_argument("--cells", default=",".join(["none", *emulate.TENSOR, "gpipe", "1f1b", "zb-h1", "data"]))
    parser.add_argument("--precisions", default="bf16")
    parser.add_argument("--emulated", action="store_true", help="the kernels of GPUs, run on the host")
    parser.add_argument("--words", type=int, default=emulate.TEXT["vocab"])
    parser.add_argument("--expect", type=int, required=True, help="how many cells there must be")
    arguments = parser.parse_args()
    emulate.set_words(arguments.words)
    target = ["--target=cuda", "--emulate"] if arguments.emulated else []
    failures = cells = 0
    for model in arguments.models.split(","):
        reference = Trained(arguments, model, "none", "f32")
        for cell in arguments.cells.split(","):
            if model == "mlp" and cell in ("1d-sp", "sequence", "ulysses", *emulate.PIPELINES):
                continue
            for precision in arguments.precisions.split(","):
                cells += 1
                ours = Trained(arguments, model, cell, precision, target)
                loss, gradient = errors(ours, reference)
                unit, off = UNIT[precision], ours.off_plan()
                fails = loss > LOSS_UNITS * unit or not 0 < gradient <= GRADIENT_UNITS * unit or off > 0.01
                if cell in HALVED and model != "mlp":
                    fails |= not check_bytes(ours, Trained(arguments, model, cell, "f32", target))
                fails |= any(record.get("skipped") for record in ours.records)
                print(f"{model} {cell} {precision}: losses {loss / unit:.2f} units, gradients {gradient / unit:.1f}, "
                      f"memory off {off:.2%}{' FAILS' if fails else ''}", flush=True)
                failures += fails
    print(f"{cells} cells")
    return 1 if failures or cells != arguments.expect else 0


if __name__ == "__main__":
    sys.exit(main())
