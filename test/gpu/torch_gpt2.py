#!/usr/bin/env python3
"""torch_gpt2.py [--compile] [sizes]: trains GPT-2 of plain PyTorch on random tokens, in f32 in full precision as colo's programs do, or
with --bf16 beside parameters in f32 (autocast), with AdamW and clipping, and prints tokens per second, the median of the steps behind the first five. --probe only says whether PyTorch
sees the device."""

import argparse
import statistics
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    sys.exit("PyTorch is not installed")


class Block(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.qkv, self.proj = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(approximate="tanh"), nn.Linear(4 * hidden, hidden))

    def attend(self, x):
        batch, seq, hidden = x.shape
        q, k, v = self.qkv(x).view(batch, seq, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(batch, seq, hidden))

    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    def __init__(self, vocab, seq, hidden, heads, layers):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, hidden), nn.Embedding(seq, hidden)
        self.h = nn.Sequential(*(Block(hidden, heads) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(hidden)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        logits = self.ln_f(self.h(x)) @ self.wte.weight.T
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    for name, value in dict(batch=8, vocab=50257, seq=1024, hidden=768, heads=12, layers=12, steps=25).items():
        parser.add_argument("--" + name, type=int, default=value)
    a = parser.parse_args()
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU")
    if not hasattr(functional, "scaled_dot_product_attention"):
        sys.exit(f"PyTorch {torch.__version__} is older than 2.0")
    if a.probe:
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = GPT2(a.vocab, a.seq, a.hidden, a.heads, a.layers).to(a.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=a.device == "cuda")
    call = torch.compile(model) if a.compile else model
    rates = []
    for step in range(a.steps):
        rows = torch.randint(a.vocab, (a.batch, a.seq + 1))
        start = time.perf_counter()
        rows = rows.to(a.device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(a.device, torch.bfloat16, enabled=a.bf16):
            loss = call(rows[:, :-1], rows[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        if step >= 5:
            rates.append(a.batch * a.seq / (time.perf_counter() - start))
    print(f"{statistics.median(rates):.0f}")


if __name__ == "__main__":
    main()
