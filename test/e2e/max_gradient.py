"""The gradients of mean(max(f(z)), dim=-1), z = a(x), with respect to a's bias are the shares of each feature in the
maxima: they sum to f's slope, here 1. f is computed again in several kernels, which must all find the same maximum."""

import argparse
import os
import subprocess
import sys

import safetensors_io

MODEL = """class M(Model, n=48, hidden=72):
    a = Linear(n, hidden)
    g = Parameter([hidden], init=Ones())

    def forward(x: float32[batch, n]):
        z = a(x)
        return {} + 0.0 * mse_loss(z, x[:, 0:1] * g)
"""
LOSSES = [
    "mean(max(z - 0.4, dim=-1))",
    "mean(max((z + 0.3) / 3.0 * 3.0 - 0.1, dim=-1))",
    "mean(max(z * 3.0 + 0.7, dim=-1)) / 3.0",
]
LAYOUTS = [
    ("", 1),
    ("parallel = dict(tensor=dict(size=3, mode='sequence'))\n", 3),
    ("parallel = dict(tensor=dict(size=2, mode='1d'))\n", 2),
]


def bias_sum(work, loss, parallel, ranks, dtype, seed):
    path = os.path.join(work, "m")
    with open(path + ".colo", "w") as file:
        file.write(MODEL.format(loss))
    with open(path + ".cfg", "w") as file:
        file.write(f"{parallel}BATCH_SIZE = 18\noptimizer = dict(type='SGD', lr=0.01)\n")
    subprocess.run(["colo-compile", path + ".colo", "--config", path + ".cfg", "-D", f"dtype={dtype}", "-o", path], check=True)
    subprocess.run([path, "--data=synthetic:97", "--steps=1", f"--ranks={ranks}", "--quiet", f"--seed={seed}",
                    f"--dump-grads={path}.grads"], check=True)
    return float(safetensors_io.load(path + ".grads")["a.bias"].sum())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    work = parser.parse_args().work
    os.makedirs(work, exist_ok=True)
    wrong = 0
    for loss in LOSSES:
        for parallel, ranks in LAYOUTS:
            for dtype in ("f32", "f64"):
                got = bias_sum(work, loss, parallel, ranks, dtype, seed=1)
                if abs(got - 1) > 1e-5:
                    wrong += 1
                    print(f"{loss} {parallel.strip()} {dtype}: the gradients of the bias sum to {got}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
