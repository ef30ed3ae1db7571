"""Prints the tokens per second of a GPT-2 in JAX: one compiled step, forward, backward and AdamW, on the cores it is given.

    python3 benchmarks/jax_gpt2.py vocab seq hidden heads layers rows steps

The model is that of examples/gpt2 (pre-norm, gelu by tanh, fused query, key and value, the head tied to the embedding), in f32.
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp


def initial(key, vocab, seq, hidden, layers):
    def normal(*shape):
        nonlocal key
        key, used = jax.random.split(key)
        return 0.02 * jax.random.normal(used, shape, jnp.float32)

    def linear(inner, out):
        return dict(weight=normal(inner, out), bias=jnp.zeros(out))

    def norm():
        return dict(weight=jnp.ones(hidden), bias=jnp.zeros(hidden))

    def block():
        return dict(ln_1=norm(), qkv=linear(hidden, 3 * hidden), proj=linear(hidden, hidden),
                    ln_2=norm(), fc=linear(hidden, 4 * hidden), out=linear(4 * hidden, hidden))  # fmt: skip

    return dict(wte=normal(vocab, hidden), wpe=normal(seq, hidden), ln_f=norm(), h=[block() for _ in range(layers)])


def linear(x, p):
    return x @ p["weight"] + p["bias"]


def norm(x, p):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p["weight"] + p["bias"]


def attention(x, p, heads):
    rows, seq, hidden = x.shape
    q, k, v = linear(x, p["qkv"]).reshape(rows, seq, 3, heads, hidden // heads).transpose(2, 0, 3, 1, 4)
    scores = q @ k.swapaxes(2, 3) / q.shape[-1] ** 0.5
    scores = jnp.where(jnp.tril(jnp.ones((seq, seq), bool)), scores, -jnp.inf)
    return linear((jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(rows, seq, hidden), p["proj"])


def loss(params, tokens, targets, heads):
    x = params["wte"][tokens] + params["wpe"]
    for p in params["h"]:
        x = x + attention(norm(x, p["ln_1"]), p, heads)
        x = x + linear(jax.nn.gelu(linear(norm(x, p["ln_2"]), p["fc"]), approximate=True), p["out"])
    logits = norm(x, params["ln_f"]) @ params["wte"].T
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], -1).mean()


def adamw(params, gradients, means, squares, step, rate=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.01):
    tree = jax.tree_util.tree_map
    means = tree(lambda m, g: beta1 * m + (1 - beta1) * g, means, gradients)
    squares = tree(lambda s, g: beta2 * s + (1 - beta2) * g * g, squares, gradients)

    def updated(p, m, s):
        return p - rate * (m / (1 - beta1**step) / (jnp.sqrt(s / (1 - beta2**step)) + eps) + decay * p)

    return tree(updated, params, means, squares), means, squares


def main():
    vocab, seq, hidden, heads, layers, rows, steps = map(int, sys.argv[1:])

    def train(params, means, squares, step, tokens, targets):
        value, gradients = jax.value_and_grad(loss)(params, tokens, targets, heads)
        return value, *adamw(params, gradients, means, squares, step)

    step = jax.jit(train, donate_argnums=(0, 1, 2))
    params = initial(jax.random.key(0), vocab, seq, hidden, layers)
    means, squares = (jax.tree_util.tree_map(jnp.zeros_like, params) for _ in range(2))
    seconds = []
    for i in range(steps):
        tokens = jax.random.randint(jax.random.key(i), (rows, seq), 0, vocab).block_until_ready()
        begin = time.monotonic()
        value, params, means, squares = step(params, means, squares, i + 1.0, tokens, tokens)
        value.block_until_ready()
        jax.block_until_ready(params)
        seconds.append(time.monotonic() - begin)
    print(rows * seq / statistics.median(seconds[2:]))


if __name__ == "__main__":
    main()
