#!/usr/bin/python3
"""The same model with the same weights in PyTorch gives the same losses over 20 AdamW steps, some parameters without decay.

The models below are written with torch's own functions, their parameters under the names of the exported file. The data
set has exactly as many records as a batch has rows, so every step sees all of it.
"""

import fnmatch
import json
import os
import subprocess
import sys

import numpy
import torch
import torch.nn.functional as F

import options
import philox
import safetensors_io

ROWS, STEPS, RATE, DECAY, CLIP, SEED = 8, 20, 3e-3, 0.1, 1.0, 7


class Reference:
    """Weights by name, and what the models share. `batch` gives what forward takes in a step."""

    data = ""  # before the file's name in --data
    exempt = []  # patterns of the names of parameters without weight decay

    def __init__(self, weights):
        self.weights = {name: torch.nn.Parameter(torch.from_numpy(array)) for name, array in weights.items()}

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights.get(name + ".bias"))

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.weights[name + ".weight"], self.weights[name + ".bias"], 1e-5)

    def heads(self, x, count):
        rows, length, hidden = x.shape
        return x.view(rows, length, count, hidden // count).transpose(1, 2)

    def attend(self, q, k, v, forbidden):
        scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
        out = scores.masked_fill(forbidden, float("-inf")).softmax(-1) @ v
        return out.transpose(1, 2).flatten(2)

    def fused_attention(self, x, name, forbidden):
        q, k, v = (self.heads(part, self.sizes["heads"]) for part in self.linear(x, name + ".qkv").chunk(3, dim=2))
        return self.linear(self.attend(q, k, v, forbidden), name + ".proj")

    @classmethod
    def text(cls):
        ids = numpy.random.default_rng(1).integers(0, cls.sizes["vocab"], ROWS * cls.sizes["seq"] + 1)
        return ids.astype(numpy.uint8).tobytes()

    @classmethod
    def batch(cls, text, step):
        ids, seq = numpy.frombuffer(text, numpy.uint8), cls.sizes["seq"]
        windows = numpy.stack([ids[i * seq : (i + 1) * seq + 1] for i in range(ROWS)]).astype(numpy.int64)
        return torch.from_numpy(windows[:, :-1].copy()), torch.from_numpy(windows[:, 1:].copy())

    @staticmethod
    def loss(logits, targets):
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def future(length):
    return torch.ones(length, length).triu(1).bool()


class GPT2(Reference):
    sizes = dict(vocab=61, seq=32, hidden=48, heads=4, layers=3)
    exempt = ["*bias", "*ln_*", "wte.weight"]

    def forward(self, tokens, targets):
        x = F.embedding(tokens, self.weights["wte.weight"]) + self.weights["wpe.weight"]
        for layer in range(self.sizes["layers"]):
            block = f"h.{layer}."
            x = x + self.fused_attention(self.norm(x, block + "ln_1"), block + "attn", future(x.shape[1]))
            inner = F.gelu(self.linear(self.norm(x, block + "ln_2"), block + "mlp.fc"), approximate="tanh")
            x = x + self.linear(inner, block + "mlp.proj")
        return self.loss(self.norm(x, "ln_f") @ self.weights["wte.weight"].T, targets)


class Llama(Reference):
    sizes = dict(vocab=61, seq=32, hidden=48, heads=6, kv_heads=2, inner=80, layers=2)
    exempt = ["*norm*"]

    def norm(self, x, name):
        return x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() * self.weights[name + ".weight"]

    def rotate(self, x):
        """Complex numbers of elements i and i + size/2, times e^(i · position · 10000^(-2i/size))."""
        half = x.shape[-1] // 2
        frequency = 10000.0 ** -(torch.arange(half) / half)
        angle = torch.arange(x.shape[2])[:, None] * frequency
        turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([turned.real, turned.imag], dim=-1)

    def attention(self, x, name):
        groups = self.sizes["kv_heads"]
        q = self.rotate(self.heads(self.linear(x, name + ".q_proj"), self.sizes["heads"]))
        k = self.rotate(self.heads(self.linear(x, name + ".k_proj"), groups))
        v = self.heads(self.linear(x, name + ".v_proj"), groups)
        k, v = (t.repeat_interleave(self.sizes["heads"] // groups, dim=1) for t in (k, v))
        return self.linear(self.attend(q, k, v, future(x.shape[1])), name + ".o_proj")

    def forward(self, tokens, targets):
        x = F.embedding(tokens, self.weights["model.embed_tokens.weight"])
        for layer in range(self.sizes["layers"]):
            block = f"model.layers.{layer}."
            x = x + self.attention(self.norm(x, block + "input_layernorm"), block + "self_attn")
            inner = self.norm(x, block + "post_attention_layernorm")
            inner = F.silu(self.linear(inner, block + "mlp.gate_proj")) * self.linear(inner, block + "mlp.up_proj")
            x = x + self.linear(inner, block + "mlp.down_proj")
        return self.loss(self.linear(self.norm(x, "model.norm"), "lm_head"), targets)


class BERT(Reference):
    sizes = dict(vocab=61, seq=32, hidden=48, heads=4, layers=3, rate=0.3)
    data = "lines:"

    @classmethod
    def text(cls):
        generator = numpy.random.default_rng(1)
        ids = [i for i in range(2, cls.sizes["vocab"]) if i != ord("\n")]
        return b"".join(bytes(generator.choice(ids, n).tolist()) + b"\n" for n in generator.integers(1, cls.sizes["seq"] + 1, ROWS))

    @classmethod
    def batch(cls, text, step):
        lines, shape, rate = text.split(b"\n")[:-1], (ROWS, cls.sizes["seq"]), cls.sizes["rate"]
        rows = [lines[i] for i in philox.order(ROWS, SEED, step)]
        tokens = numpy.array([list(row.ljust(shape[1], b"\0")) for row in rows])
        valid = numpy.array([[i < len(row) for i in range(shape[1])] for row in rows])
        draw = numpy.where(valid, philox.uniform(shape, SEED, 0, step), 1.0)
        other = (philox.uniform(shape, SEED, 1, step) * cls.sizes["vocab"]).astype(int)
        seen = numpy.select([draw < 0.8 * rate, draw < 0.9 * rate], [1, other], tokens)
        targets = numpy.where(draw < rate, tokens, -100)
        return tuple(torch.from_numpy(array) for array in (seen, targets, valid))

    def forward(self, seen, targets, valid):
        x = F.embedding(seen, self.weights["embeddings.word_embeddings.weight"])
        x = self.norm(x + self.weights["embeddings.position_embeddings.weight"], "embeddings.norm")
        for layer in range(self.sizes["layers"]):
            block = f"layer.{layer}."
            x = self.norm(x + self.fused_attention(x, block + "attn", ~valid[:, None, None, :]), block + "norm1")
            inner = self.linear(F.gelu(self.linear(x, block + "mlp.fc1")), block + "mlp.fc2")
            x = self.norm(x + inner, block + "norm2")
        x = self.norm(F.gelu(self.linear(x, "transform")), "norm")
        return self.loss(x @ self.weights["embeddings.word_embeddings.weight"].T + self.weights["bias"], targets)


def torch_losses(model, text):
    groups = ([], [])
    for name, weight in model.weights.items():
        groups[any(fnmatch.fnmatchcase(name, pattern) for pattern in model.exempt)].append(weight)
    groups = [dict(params=params, weight_decay=decay) for params, decay in zip(groups, (DECAY, 0)) if params]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = model.forward(*model.batch(text, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.weights.values(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = options.Parser()
    parser.add_argument("--model", default="gpt2")
    parser.add_argument("--tensor", type=int, default=1)
    arguments = parser.parse_args()
    reference = {"gpt2": GPT2, "llama": Llama, "bert": BERT}[arguments.model]
    torch.set_num_threads(1)
    path = lambda name: os.path.join(arguments.work, name)
    text = reference.text()
    with open(path("text.bin"), "wb") as file:
        file.write(text)
    with open(path("torch.cfg"), "w") as file:
        file.write(f"parallel = dict(tensor=dict(size={arguments.tensor}, mode='1d'))\n")
        file.write(f"BATCH_SIZE = {ROWS}\nclip_grad_norm = {CLIP}\n")
        file.write(f"optimizer = dict(type='AdamW', lr={RATE}, weight_decay={DECAY}, decay_exempt={reference.exempt})\n")
        file.write(f"model = dict({', '.join(f'{k}={v}' for k, v in reference.sizes.items())})\n")
    source = os.path.join(arguments.examples, arguments.model, arguments.model + ".colo")
    subprocess.run(["colo-compile", source, "--config", path("torch.cfg"), "-o", path("model")], check=True)
    run = [path("model"), f"--data={reference.data}{path('text.bin')}", f"--seed={SEED}", "--quiet"]
    start = path("start.safetensors")
    subprocess.run([*run, "--steps=0", f"--export={start}"], check=True)
    subprocess.run([*run, f"--steps={STEPS}", f"--init={start}", f"--log={path('log.jsonl')}"], check=True)
    with open(path("log.jsonl")) as file:
        ours = [json.loads(line)["loss"] for line in file if line.strip()]
    theirs = torch_losses(reference(safetensors_io.load(start)), text)
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    print(f"largest difference {worst:.2e} over {STEPS} steps, first {theirs[0]:.6f}, last {theirs[-1]:.6f}")
    return 0 if worst <= 1e-5 and theirs[-1] < theirs[0] else 1


if __name__ == "__main__":
    sys.exit(main())
