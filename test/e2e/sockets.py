#!/usr/bin/python3
"""Ranks that are processes without MPI train to the bits of ranks that are threads, and send the same bytes: for each tensor mode,
replicas and pipelines, met at an address of the environment, at one of the command line and through a file."""

import contextlib
import json
import os
import socket
import subprocess

import emulate
import options

CELLS = { # the model, its cell and number of ranks, and where the ranks meet
    "1d-sp": ("gpt2", "1d-sp", 2, "environment"),
    "2d": ("gpt2", "2d", 4, "address"),
    "2.5d": ("gpt2", "2.5d", 8, "file"),
    "3d": ("mlp", "3d", 8, "environment"),
    "sequence": ("llama", "sequence", 2, "address"),
    "ulysses-replicas": ("gpt2", "ulysses", 4, "file"),
    "1d+1f1b": ("gpt2", "1d+1f1b", 4, "environment"),
    "zbv": ("gpt2", "zbv", 2, "file"),
}
OPTIMIZER = "BATCH_SIZE = 8\nNUM_MICRO_BATCHES = 2\nclip_grad_norm = 0.5\n" + emulate.OPTIMIZERS["adamw"] + "\n"


def free_port():
    """One that was free a moment ago; rank 0 takes a later one of the environment's if it is no more."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def started(commands, **environment):
    """One process a rank, as torchrun would start them on one host; a command of None is a rank that does not come. None is left."""
    alone = {key: value for key, value in os.environ.items() if not key.startswith(("OMPI_", "PMI", "SLURM_", "MASTER_"))}
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env=dict(alone, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(len(commands)),
                                           LOCAL_WORLD_SIZE=str(len(commands)), **environment))
                 for rank, command in enumerate(commands) if command]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def place(kind, base):
    """The flag and the environment by which ranks meet."""
    address = dict(MASTER_ADDR="localhost", MASTER_PORT=str(free_port()))
    return {"environment": ([], address), "address": ([f"--rendezvous=tcp://127.0.0.1:{free_port()}"], {}),
            "file": ([f"--rendezvous=file://{base}.meeting"], {})}[kind]


def same(base, what):
    files = []
    for ranks in ("threads", "processes"):
        with open(f"{base}.{ranks}.{what}", "rb") as file:
            files.append(file.read())
    return files[0] == files[1]


def sent(base, ranks):
    with open(f"{base}.{ranks}.stats") as file:
        return [rank["sites"] for rank in json.load(file)["per_rank"]]


def check(arguments, name, model, cell, ranks, kind):
    base = os.path.join(arguments.work, name)
    with open(base + ".cfg", "w") as file:
        file.write(emulate.parallel(cell) + OPTIMIZER)
        file.write(f"model = dict({', '.join(f'{k}={v}' for k, v in emulate.sizes_of(model, cell).items())})\n")
    emulate.run(["colo-compile", os.path.join(arguments.examples, model, model + ".colo"), "--config", base + ".cfg", "-o", base])
    command = [base, f"--data={emulate.MODELS[model][1]}", "--steps=2", "--seed=3", "--quiet", "--threads=1", "--check-replicas"]
    def outputs(of):
        return [f"--export={base}.{of}.params", f"--dump-grads={base}.{of}.grads", f"--stats={base}.{of}.stats"]
    emulate.run([*command, f"--ranks={ranks}", *outputs("threads")])
    flags, environment = place(kind, base)
    with started([[*command, *outputs("processes"), *flags]] * ranks, **environment) as processes:
        for rank, process in enumerate(processes):
            said, _ = process.communicate(timeout=300)
            options.require(process.returncode == 0 and not said, f"rank {rank}: exit {process.returncode}\n{said}")
    for what in ("params", "grads"):
        options.require(same(base, what), f"{what} are not those of threads")
    options.require(sent(base, "threads") == sent(base, "processes"), "ranks do not send what threads send")
    options.require(not os.path.exists(base + ".meeting"), "the file where ranks met is left")


def main():
    parser = options.Parser()
    options.cells(parser)
    arguments = parser.parse_args()
    return options.compare(arguments, [(name, *cell) for name, cell in CELLS.items()], check, "are equal")


if __name__ == "__main__":
    raise SystemExit(main())
