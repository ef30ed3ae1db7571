#!/usr/bin/python3
"""Prints figures of compiled programs beside those of peers in the same run. Not a test: machines are noisy.

    python3 benchmarks/cpu.py [SECTION...]     (needs build/; all sections by default)

step: a step over its products, tokens/s over PyTorch and JAX, under load too. compile: compile times. start: start-up.
allreduce: the threads provider and OpenMPI. modes: each mode over one rank. scale: compile time over world sizes.
pipeline: compile time and memory, checking a large schedule, a step of four stages over their work.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import shared_cores

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
COMPILER = os.path.join(ROOT, "build", "bin", "colo-compile")
GPT2 = os.path.join(ROOT, "examples", "gpt2", "gpt2.colo")
MINI = dict(vocab=256, seq=128, hidden=128, heads=4, layers=4)
ROWS, STEPS = 16, 60
ADAMW = "optimizer = dict(type='AdamW', lr=1e-3)\n"
# The models that every mode and pipeline trains, with their steps, 8 rows each. The aims are for both: in the second, of half the features and
# rows of half the length, what does not grow with them weighs more.
FIXED_ROWS = 8
FIXED = {
    "512 features": (dict(vocab=512, seq=512, hidden=512, heads=8, layers=4), 7),
    "256 features": (dict(vocab=512, seq=256, hidden=256, heads=8, layers=4), 16),
}
# The modes: ranks, tensor=dict(...).
MODES = [
    (4, "1d", "mode='1d'"), (4, "1d, sequence_parallel", "mode='1d', sequence_parallel=True"), (4, "2d", "mode='2d'"),
    (4, "2.5d, depth 1", "mode='2.5d', depth=1"), (4, "sequence", "mode='sequence'"), (4, "ulysses", "mode='ulysses'"),
    (8, "1d", "mode='1d'"), (8, "1d, sequence_parallel", "mode='1d', sequence_parallel=True"),
    (8, "2.5d, depth 2", "mode='2.5d', depth=2"), (8, "3d", "mode='3d'"), (8, "sequence", "mode='sequence'"),
    (8, "ulysses", "mode='ulysses'"),
]  # fmt: skip
MPI = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]


def compile_model(work, name, config, *flags):
    """The executable and the seconds that the compiler took."""
    path = os.path.join(work, name)
    with open(path + ".cfg", "w") as file:
        file.write(config)
    begin = time.monotonic()
    subprocess.run([COMPILER, GPT2, "--config", path + ".cfg", *flags, "-o", path], check=True)
    return path, time.monotonic() - begin


def sizes(**values):
    return f"model = dict({', '.join(f'{k}={v}' for k, v in values.items())})\n"


def compile_mini(work):
    return compile_model(work, "mini", f"BATCH_SIZE = {ROWS}\n" + ADAMW + sizes(**MINI))[0]


def median_rate(command):
    """Tokens a second, median over steps, and what the program prints."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as log:
        run = [*command, "--quiet", f"--log={log.name}"]
        printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
        with open(log.name) as file:
            rates = [json.loads(line)["tokens_per_s"] for line in file if line.strip()]
    return statistics.median(rates[2:]), printed.strip()


def torch_tokens_per_second():
    """The same model by torch's own functions (test/e2e/torch_models.py), forward, backward and AdamW."""
    sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
    import torch
    import torch_models

    torch.set_num_threads(2)
    torch_models.GPT2.sizes = MINI
    h = MINI["hidden"]
    shapes = {"wte.weight": [MINI["vocab"], h], "wpe.weight": [MINI["seq"], h], "ln_f.weight": [h], "ln_f.bias": [h]}
    for layer in range(MINI["layers"]):
        block = f"h.{layer}."
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}{norm}.weight": [h], f"{block}{norm}.bias": [h]}
        for name, out, inner in (("attn.qkv", 3 * h, h), ("attn.proj", h, h), ("mlp.fc", 4 * h, h), ("mlp.proj", h, 4 * h)):
            shapes |= {f"{block}{name}.weight": [out, inner], f"{block}{name}.bias": [out]}
    weights = {name: (0.02 * torch.randn(shape)).numpy() for name, shape in shapes.items()}
    model = torch_models.GPT2(weights)
    optimizer = torch.optim.AdamW(model.weights.values(), lr=1e-3)
    seconds = []
    for _ in range(STEPS):
        tokens = torch.randint(0, MINI["vocab"], (ROWS, MINI["seq"]))
        begin = time.monotonic()
        optimizer.zero_grad()
        model.forward(tokens, tokens).backward()
        optimizer.step()
        seconds.append(time.monotonic() - begin)
    return ROWS * MINI["seq"] / statistics.median(seconds[2:])


def peer_rate(modules, *script):
    """Tokens a second that the script prints in the first Python that has the modules, or None."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", f"import {modules}"], capture_output=True).returncode == 0:
            return float(subprocess.run([python, *script], check=True, capture_output=True, text=True).stdout)
    return None


def section_step(work):
    command = [compile_mini(work), "--data=synthetic:512", f"--steps={STEPS}", "--ranks=1", "--threads=2"]
    ours, printed = median_rate([*command, "--time-products"])
    print("gpt2-mini, one rank, two threads:", printed)
    jax = [os.path.join(ROOT, "benchmarks", "jax_gpt2.py"), *map(str, (*MINI.values(), ROWS, STEPS))]
    for peer, theirs in (("PyTorch", peer_rate("torch, numpy", __file__, "--torch")), ("JAX", peer_rate("jax", *jax))):
        if theirs:
            print(f"tokens/s: {ours:.0f}, {peer} {theirs:.0f}, ratio {ours / theirs:.2f}")
        else:
            print(f"tokens/s: {ours:.0f} (no {peer} to compare with)")
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(2)]
    loaded, _ = median_rate(command)
    for process in busy:
        process.kill()
        process.wait()
    print(f"beside two busy processes on two cores: {ours / loaded:.2f} times as long (2 would be fair)")


def section_compile(work):
    tensor = "parallel = dict(tensor=dict(size=4, mode='1d'))\nBATCH_SIZE = 4\n"
    _, seconds = compile_model(work, "gpt2-124m", tensor)
    print(f"compiling gpt2-124M for four ranks: {seconds:.2f} s")
    shape = sizes(seq=2048, hidden=12288, heads=96, layers=96)
    _, seconds = compile_model(work, "gpt3", "parallel = dict(tensor=dict(size=8, mode='1d'))\nBATCH_SIZE = 1\n" + shape)
    print(f"compiling a 96-layer GPT-3 shape for eight ranks: {seconds:.2f} s")


def section_scale(work):
    shape = sizes(seq=2048, hidden=12288, heads=96, layers=96)
    for tensor in ("mode='1d'", "mode='3d'"):
        config = f"parallel = dict(tensor=dict(size=8, {tensor}))\nBATCH_SIZE = 8\n" + shape
        times = []
        for world in (8, 64, 512, 4096, 65536):
            runs = [compile_model(work, "scale", config, f"--world-size={world}")[1] for _ in range(3)]
            times.append((world, min(runs)))
        print(f"96 layers, {tensor}:", ", ".join(f"{world} ranks {seconds:.2f} s" for world, seconds in times),
              f"ratio {times[-1][1] / times[0][1]:.2f}")  # fmt: skip


def section_start(work):
    stats = os.path.join(work, "start.stats")
    run = [compile_mini(work), "--data=synthetic:64", "--steps=1", "--quiet", f"--stats={stats}"]
    starts = []
    for _ in range(5):
        subprocess.run(run, check=True)
        with open(stats) as file:
            starts.append(json.load(file)["start_seconds"])
    print(f"start-up of gpt2-mini on one rank: {1e3 * min(starts):.0f} ms")


def section_allreduce(work):
    program = os.path.join(work, "allreduce")
    lib = os.path.join(ROOT, "build", "lib", "libColoRuntime.a")
    source = os.path.join(ROOT, "benchmarks", "allreduce.cpp")
    libraries = ["-ldnnl", "-lopenblas", "-lz", "-lpthread", "-ldl"]
    include = os.path.join(ROOT, "include")
    try:
        subprocess.run(["mpicxx", "-std=c++17", "-O2", "-DOMPI_SKIP_MPICXX", f"-I{include}", source, lib, *libraries,
                        "-o", program], check=True)  # fmt: skip
    except FileNotFoundError:
        print("no mpicxx: nothing to compare an all-reduce with")
        return
    bytes_ = [str(1 << shift) for shift in range(10, 27, 4)]
    for ranks in (2, 4):
        commands = [[program, "threads", str(ranks)], ["mpirun", *MPI, "-n", str(ranks), program, "mpi"]]
        rows = []
        for command in commands:
            printed = subprocess.run([*command, *bytes_], check=True, capture_output=True, text=True).stdout
            rows.append([line.split() for line in printed.splitlines()])
        print(f"all-reduce of {ranks} ranks, us: bytes, threads, OpenMPI, ratio")
        for (size, ours), (_, theirs) in zip(*rows):
            print(f"  {size:>9} {float(ours):>10.1f} {float(theirs):>10.1f} {float(theirs) / float(ours):>6.2f}")


def section_modes(work):
    for name, (model, steps) in FIXED.items():
        print(f"modes, {name}:")
        modes_of(work, model, steps)


def modes_of(work, model, steps):
    shape = f"BATCH_SIZE = {FIXED_ROWS}\n" + ADAMW + sizes(**model)
    tokens = FIXED_ROWS * model["seq"]
    command = ["--data=synthetic:512", f"--steps={steps}"]
    alone, _ = compile_model(work, "one", shape)
    for ranks, name, tensor in MODES:
        config = f"parallel = dict(tensor=dict(size={ranks}, {tensor}))\n" + shape
        program, _ = compile_model(work, "mode", config)
        # Beside each other, and the better of two: a machine's speed changes.
        pairs = []
        for _ in range(2):
            one, _ = median_rate([alone, *command, "--ranks=1"])
            many, _ = median_rate([program, *command, f"--ranks={ranks}"])
            pairs.append((one, many))
        one, many = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
        print(f"  {ranks} ranks, {name}: {1e3 * tokens / many:.1f} ms a step, one rank {1e3 * tokens / one:.1f} ms, "
              f"ratio {one / many:.2f}", flush=True)  # fmt: skip


def pipeline(size, more="", tensor=""):
    tensor = f", tensor=dict({tensor})" if tensor else ""
    return f"parallel = dict(pipeline=dict(size={size}{more}){tensor})\n"


def compile_verbosely(work, config, *flags):
    """What -v says, the seconds and the largest memory in MiB of a compile."""
    path = os.path.join(work, "verbose")
    with open(path + ".cfg", "w") as file:
        file.write(config)
    begin = time.monotonic()
    with open(path + ".log", "w+") as log:
        output = [] if "--check" in flags else ["-o", path]
        process = subprocess.Popen([COMPILER, GPT2, "--config", path + ".cfg", "-v", *flags, *output], stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        log.seek(0)
        text = log.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(text)
    return text, seconds, usage.ru_maxrss / 1024


def pipeline_compiles(work):
    shape = "BATCH_SIZE = 512\nNUM_MICRO_BATCHES = 64\n" + sizes(seq=2048, hidden=12288, heads=96, layers=96)
    modes = ["mode='1d'", "mode='1d', sequence_parallel=True", "mode='2.5d', depth=2", "mode='3d'", "mode='sequence'", "mode='ulysses'"]
    for mode in modes:
        _, seconds, memory = compile_verbosely(work, pipeline(8, tensor=f"size=8, {mode}") + shape)
        print(f"compiling 96 layers of GPT-3, 8 stages, 64 micro-batches, 8 ranks {mode}: {seconds:.2f} s, {memory:.0f} MiB")
    shape = "BATCH_SIZE = 512\nNUM_MICRO_BATCHES = 512\n" + sizes(seq=64, hidden=128, heads=4, layers=128)
    for schedule in ("gpipe", "1f1b", "zb-h1", "zb-h2", "zbv"):
        text, _, _ = compile_verbosely(work, pipeline(64, f", schedule='{schedule}'") + shape, "--check")
        seconds = re.search(r"^staged +([0-9.]+) s", text, re.MULTILINE).group(1)
        print(f"staging, with making and checking {schedule} of 64 stages and 512 micro-batches: {seconds} s")


def section_pipeline(work):
    pipeline_compiles(work)
    for name, (model, steps) in FIXED.items():
        print(f"steps of pipelines, {name}:")
        pipeline_steps(work, model, steps)


def cpu_of_step(command, more):
    """Seconds of all cores that a step takes, start-up apart: a run of 3 steps beside one of that many more."""
    used = []
    for steps in (3, 3 + more):
        before = os.times()
        subprocess.run([*command, f"--steps={steps}", "--quiet"], check=True, capture_output=True)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return (used[1] - used[0]) / more


def pipeline_steps(work, model, steps):
    shape = f"BATCH_SIZE = {FIXED_ROWS}\nNUM_MICRO_BATCHES = {FIXED_ROWS}\n" + ADAMW + sizes(**model)
    tokens, cores = FIXED_ROWS * model["seq"], min(4, os.cpu_count())
    # The work of all stages is one rank's step of the same micro-batches on one core.
    alone = [compile_model(work, "one", shape)[0], "--data=synthetic:512", "--ranks=1", "--threads=1"]
    trace, used = os.path.join(work, "trace.json"), cpu_of_step(alone, steps)
    for schedule in ("gpipe", "1f1b", "zb-h1"):
        staged, _ = compile_model(work, "staged", pipeline(4, f", schedule='{schedule}', partition='balanced'") + shape)
        command = [staged, "--data=synthetic:512", "--ranks=4", "--threads=1"]
        pairs = []
        for _ in range(3):
            one, _ = median_rate([*alone, f"--steps={steps}"])
            four, _ = median_rate([*command, f"--steps={steps}", f"--trace={trace}"])
            pairs.append((one, four))
        one, four = (tokens / max(rates) for rates in zip(*pairs))
        simulated = shared_cores.share(trace, cores)
        print(f"  4 stages {schedule} on {cores} cores: {1e3 * four:.1f} ms a step, work {1e3 * one:.1f} ms, {four / one:.3f} of it; "
              f"simulated on these cores {simulated:.3f}, ratio {four / one / simulated:.2f}, over 1 / cores {four / one * cores:.2f}; "
              f"CPU time {1e3 * cpu_of_step(command, steps):.0f} ms a step, of one rank {1e3 * used:.0f} ms", flush=True)  # fmt: skip


def main():
    sections = {name[8:]: value for name, value in globals().items() if name.startswith("section_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", choices=[*sections, []])
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch:
        print(torch_tokens_per_second())
        return
    with tempfile.TemporaryDirectory() as work:
        for name in arguments.sections or sections:
            sections[name](work)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
