#!/usr/bin/python3
"""The same GPT-2 with the same weights in PyTorch gives the same losses over 20 AdamW steps.

The model below is written with torch's own modules and functions. The data set has exactly as many windows as a batch
has rows, so every step sees all of it and the order of rows does not matter.
"""

import argparse
import json
import os
import subprocess
import sys

import numpy
import torch
import torch.nn.functional as F

import safetensors_io

SIZES = dict(vocab=61, seq=32, hidden=48, heads=4, layers=3)
ROWS, STEPS, RATE, DECAY, CLIP = 8, 20, 3e-3, 0.1, 1.0


class GPT2(torch.nn.Module):
    """Parameters under the names of the exported file."""

    def __init__(self, weights):
        super().__init__()
        self.weights = {name: torch.nn.Parameter(torch.from_numpy(array)) for name, array in weights.items()}

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.weights[name + ".weight"], self.weights[name + ".bias"], 1e-5)

    def attention(self, x, name):
        rows, length, hidden = x.shape
        heads = SIZES["heads"]
        q, k, v = self.linear(x, name + ".qkv").split(hidden, dim=2)
        q, k, v = (t.view(rows, length, heads, hidden // heads).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(2, 3) / (hidden // heads) ** 0.5
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
        out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(rows, length, hidden)
        return self.linear(out, name + ".proj")

    def forward(self, tokens, targets):
        x = F.embedding(tokens, self.weights["wte.weight"]) + self.weights["wpe.weight"]
        for layer in range(SIZES["layers"]):
            block = f"h.{layer}."
            x = x + self.attention(self.norm(x, block + "ln_1"), block + "attn")
            inner = F.gelu(self.linear(self.norm(x, block + "ln_2"), block + "mlp.fc"), approximate="tanh")
            x = x + self.linear(inner, block + "mlp.proj")
        logits = self.norm(x, "ln_f") @ self.weights["wte.weight"].T
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def torch_losses(weights, text):
    windows = numpy.stack([text[i * SIZES["seq"] : (i + 1) * SIZES["seq"] + 1] for i in range(ROWS)]).astype(numpy.int64)
    tokens, targets = torch.from_numpy(windows[:, :-1].copy()), torch.from_numpy(windows[:, 1:].copy())
    model = GPT2(weights)
    optimizer = torch.optim.AdamW(model.weights.values(), lr=RATE, weight_decay=DECAY)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.weights.values(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--tensor", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(arguments.work, exist_ok=True)
    path = lambda name: os.path.join(arguments.work, name)
    text = numpy.random.default_rng(1).integers(0, SIZES["vocab"], ROWS * SIZES["seq"] + 1).astype(numpy.uint8)
    text.tofile(path("text.bin"))
    with open(path("torch.cfg"), "w") as file:
        file.write(f"parallel = dict(tensor=dict(size={arguments.tensor}, mode='1d'))\n")
        file.write(f"BATCH_SIZE = {ROWS}\nclip_grad_norm = {CLIP}\n")
        file.write(f"optimizer = dict(type='AdamW', lr={RATE}, weight_decay={DECAY})\n")
        file.write(f"model = dict({', '.join(f'{k}={v}' for k, v in SIZES.items())})\n")
    source = os.path.join(arguments.examples, "gpt2", "gpt2.colo")
    subprocess.run(["colo-compile", source, "--config", path("torch.cfg"), "-o", path("gpt2")], check=True)
    data = f"--data={path('text.bin')}"
    subprocess.run([path("gpt2"), data, "--steps=0", "--quiet", f"--export={path('start.safetensors')}"], check=True)
    subprocess.run(
        [path("gpt2"), data, f"--steps={STEPS}", "--quiet", f"--init={path('start.safetensors')}", f"--log={path('log.jsonl')}"],
        check=True,
    )
    with open(path("log.jsonl")) as file:
        ours = [json.loads(line)["loss"] for line in file if line.strip()]
    theirs = torch_losses(safetensors_io.load(path("start.safetensors")), text)
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    print(f"largest difference {worst:.2e} over {STEPS} steps, first {theirs[0]:.6f}, last {theirs[-1]:.6f}")
    return 0 if worst <= 1e-5 and theirs[-1] < theirs[0] else 1


if __name__ == "__main__":
    sys.exit(main())
