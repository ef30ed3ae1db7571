#!/usr/bin/python3
"""No kernel spills or has memory of its own at unusual sizes either: heads on both sides of each size at which the shape of attention's tiles
changes, heads that 16 bytes do not divide, sequences that four does not divide, rings, rows and vocabularies from 1 to 128256, and long chains of
activations and norms. `--only` takes the programs whose names it matches."""

import os
import re
import subprocess
import sys

import options
from ptx import BF16, FP16, PTXAS, kernels_of

# Type: configuration, definitions, and heads that stay whole.
TYPES = {
    "f32": ("", [], (4, 5, 13, 24, 32, 33, 36, 63, 65, 66, 68, 96, 97, 98, 100, 127, 160, 164, 196, 224, 228, 252)),
    "f64": ("", ["-D", "dtype=f64"], (4, 7, 16, 17, 18, 31, 33, 34, 47, 50, 63, 66, 79, 81, 82, 95, 97, 111, 114, 127)),
    "bf16": (BF16, [], (4, 7, 20, 33, 48, 63, 72, 88, 104, 120, 136, 168, 200, 248)),
    "fp16": (FP16, [], (5, 12, 31, 49, 60, 80, 112, 144, 176, 192, 224)),
}
# Of a rank's attention: sequence, dropout, and the rest of the configuration.
ATTENTION = [(7, 0.1, ""), (333, 0.1, ""), (256, 0.1, ""), (8 * 43, 0.1, "parallel = dict(tensor=dict(size=4, mode='sequence'))\n")]
FEATURES = (1, 7, 9, 17, 31, 33, 127, 128, 129, 768, 1000, 1600, 4096, 5120, 6016, 8192, 12288, 16384)
CHAIN_FEATURES = (36, 768)
CLASSES = (2, 9, 33, 1000, 12288, 50257, 128256)
BLOCKS = {
    "layer": "LayerNorm({n})(x)",
    "rms": "RMSNorm({n})(x)",
    "softmax": "softmax(x)",
    "log_softmax": "log_softmax(x)",
    "residual": "x + dropout(LayerNorm({n})(x), 0.1)",
    "chain": "softmax(x + softmax(x + softmax(x + softmax(x + softmax(x)))))",
    "behind": "LayerNorm({n})(x + dropout(gelu(x), 0.1))",
}  # fmt: skip
# What is done again and again to x, how often, and the layers that number i of it has.
CHAINS = {
    "gelus": ("gelu({x})", 30, {}),
    "biased": ("gelu({x} + b{i})", 30, {"b{i}": "Parameter([{n}], init=Normal(0.02))"}),
    "few": ("gelu({x} + b{i})", 8, {"b{i}": "Parameter([{n}], init=Normal(0.02))"}),
    "norms": ("n{i}({x})", 16, {"n{i}": "LayerNorm({n})"}),
}


def model(parts, sequence):
    """A Model that adds up the means of modules' squares, each a kernel's name by its own; a module is its layers and its expression."""
    text = ""
    for name, (layers, result) in parts.items():
        body = "".join(f"    {layer} = {made}\n" for layer, made in layers.items())
        text += f"class {name}(Module):\n{body}    def forward(x):\n        x = up(x)\n        return {result}\n\n\n"
    uses = "".join(f"        y{name} = u{name}(x)\n" for name in parts)
    total = " + ".join(f"mean(y{name} * y{name})" for name in parts)
    members = "".join(f"    u{name} = {name}()\n" for name in parts)
    return f"{text}class M(Model):\n{members}    def forward(x: float32[batch, {sequence}, 8]):\n{uses}        return {total}\n"


def heads(sizes, sequence, drop):
    return model({f"S{size}": ({"up": f"Linear(8, {2 * size})", "attn": f"Attention({2 * size}, 2, causal=True, dropout={drop})"}, "attn(x)")
                  for size in sizes}, sequence)  # fmt: skip


def rows(features, kinds):
    parts = {}
    for kind in kinds:
        norm, used = re.search(r"(?:Layer|RMS)Norm\([^)]*\)", BLOCKS[kind]), BLOCKS[kind]
        layers = {"up": f"Linear(8, {features})"}
        if norm:
            layers["norm"] = norm.group(0).format(n=features)
            used = used.replace(norm.group(0), "norm")
        parts[f"R{kind}"] = (layers, used)
    return model(parts, 16)


def chains(features, behind):
    """Chains whose first link reads a norm, or what a product gives."""
    parts = {}
    for kind, (link, length, made) in CHAINS.items():
        layers, result = {"up": f"Linear(8, {features})", "norm": f"LayerNorm({features})"}, behind
        for i in range(length):
            layers |= {name.format(i=i): layer.format(n=features) for name, layer in made.items()}
            result = link.format(x=result, i=i)
        if "norm(" not in behind:
            del layers["norm"]
        parts[f"C{kind}"] = (layers, result)
    return model(parts, 16)


def losses(classes):
    return (f"class M(Model):\n    up = Linear(8, {classes})\n    def forward(x: float32[batch, 16, 8], t: int32[batch, 16]):\n        x = up(x)\n"
            f"        return dict(loss=cross_entropy(x, t, label_smoothing=0.1), accuracy=accuracy(x, t))\n")  # fmt: skip


def programs():
    for kind, (config, defines, sizes) in TYPES.items():
        for sequence, drop, more in ATTENTION:
            for first in range(0, len(sizes), 8):
                part = sizes[first : first + 8]
                yield f"{kind}-heads-{part[0]}-{part[-1]}-of-{sequence}", heads(part, sequence, drop), config + more, defines
        if kind == "fp16":
            continue
        for features in FEATURES:
            yield f"{kind}-rows-{features}", rows(features, BLOCKS), config, defines
        for features in CHAIN_FEATURES:
            yield f"{kind}-chains-{features}", chains(features, "x"), config, defines
            yield f"{kind}-chains-behind-a-norm-{features}", chains(features, "norm(x)"), config, defines
        for classes in CLASSES:
            yield f"{kind}-classes-{classes}", losses(classes), config, defines


def main():
    parser = options.Parser()
    parser.add_argument("--only", default="", help="a regular expression")
    arguments = parser.parse_args()
    failures = kernels = 0
    for name, text, config, defines in programs():
        if not re.search(arguments.only, name):
            continue
        base = os.path.join(arguments.work, name)
        for ending, content in ((".colo", text), (".cfg", "BATCH_SIZE = 2\n" + config)):
            with open(base + ending, "w") as file:
                file.write(content)
        command = ["colo-compile", base + ".colo", "--config", base + ".cfg", *defines, "--target=cuda", "--emit=ptx", "-o", base + ".ptx"]
        subprocess.run(command, check=True)
        with open(base + ".ptx") as file:
            entries = len(re.findall(r"^\.visible \.entry", file.read(), re.MULTILINE))
        for device in ("sm_80", "sm_90"):
            result = subprocess.run([PTXAS, "-v", f"-arch={device}", base + ".ptx", "-o", os.devnull], capture_output=True, text=True)
            found = kernels_of(result.stdout + result.stderr)
            spilling = sorted(kernel for kernel, numbers in found.items() if any(numbers))
            failures += result.returncode != 0 or len(found) != entries or bool(spilling)
            print(f"{name} {device}: {len(found)} kernels, spilling: {spilling}{result.stderr if result.returncode else ''}", flush=True)
        kernels += entries
    print(f"{kernels} kernels")
    return 1 if failures or not kernels else 0


if __name__ == "__main__":
    sys.exit(main())
