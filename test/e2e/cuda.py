#!/usr/bin/python3
"""An executable for GPUs, run on stand-ins for the driver, cuBLASLt and NCCL (test/double), trains as one for the CPU: losses,
gradients and parameters after three steps in f32 agree to 1e-5 of the largest. No host access reaches a device's memory,
nothing is allocated after the first launch, models come in and go out bit by bit, and a device's memory is what was planned."""

import json
import os
import re
import shutil
import subprocess
import sys

import emulate
import options
import sockets


SHIFTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs", "shifted.colo")
LATE = {"COLO_DOUBLE_DELAY": "300"} # microseconds at most
LAUNCH = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
PIPELINES = dict(emulate.PIPELINES, **{
    "interleaved": "size=2, schedule='interleaved', chunks=2",
    "zb-h2": "size=2, schedule='zb-h2'",
    "zbv": "size=2, schedule='zbv'",
})
TWO_CHUNKS = ("interleaved", "zbv") # a rank


def write_config(arguments, model, mode, optimizer):
    layout = emulate.TENSOR.get(mode) or PIPELINES.get(mode)
    kind = "tensor" if mode in emulate.TENSOR else "pipeline"
    if mode == "data":
        layout, kind = "size=1", "pipeline"
    path = os.path.join(arguments.work, f"{model}-{mode}.cfg")
    sizes = dict(emulate.MODELS[model][0])
    if mode in TWO_CHUNKS:
        sizes["layers"] = 4
    with open(path, "w") as file:
        if layout:
            file.write(f"parallel = dict({kind}=dict({layout}))\n")
        file.write(f"BATCH_SIZE = 8\nNUM_MICRO_BATCHES = 2\nclip_grad_norm = 0.5\n{emulate.OPTIMIZERS[optimizer]}\n")
        file.write(f"model = dict({', '.join(f'{k}={v}' for k, v in sizes.items())})\n")
    return path


def compile_cuda(command, base, double):
    """An executable, and the bodies of its kernels for the stand-ins."""
    emulate.run([*command, "--target=cuda", "-o", base + ".cuda"])
    emulate.run([*command, "--target=cuda", "--emulate", "--emit=obj", "-o", base + ".o"])
    linker = next(name for name in ("clang++-19", "g++", "c++") if shutil.which(name))
    emulate.run([linker, "-shared", "-Wl,-z,lazy", base + ".o", "-L" + double, "-l:libcuda.so.1", "-o", base + ".so"])


def run_on_double(command, double, **environment):
    if log := environment.get("COLO_DOUBLE_LOG"):
        open(log, "w").close() # processes add lines to it
    result = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, LD_LIBRARY_PATH=double, **environment))
    if result.returncode:
        raise options.Failure(f"{' '.join(command)}\nexit {result.returncode}\n{result.stdout}{result.stderr}")


class Cell:
    """One model and mode, compiled for both targets or for GPUs alone."""

    def __init__(self, arguments, model, mode, optimizer="sgd", cpu=True):
        self.double = arguments.double
        self.base = os.path.join(arguments.work, f"{model}-{mode}")
        self.data, defines = emulate.MODELS[model][1:]
        source = os.path.join(arguments.examples, model, model + ".colo")
        command = ["colo-compile", source, "--config", write_config(arguments, model, mode, optimizer)]
        command += [flag for name, value in defines.items() for flag in ("-D", f"{name}={value}")]
        self.ranks = ["--ranks=2"] if mode == "data" else []
        if cpu:
            emulate.run([*command, "-o", self.base + ".cpu"])
        compile_cuda(command, self.base, self.double)

    def command(self, target, *flags):
        return [f"{self.base}.{target}", "--quiet", "--seed=3", "--threads=1", *flags]

    def run(self, target, *flags, processes=0, **environment):
        """Ranks are threads, or as many processes."""
        launch = ["mpirun", "-n", str(processes)] if processes else []
        ranks = [] if processes else self.ranks
        run_on_double([*launch, *self.command(target, *ranks, *flags)], self.double, **environment)

    def train(self, target, *flags, **environment):
        """What the files say that a run of three steps leaves at the base's name with the target's."""
        out = f"{self.base}.{target}"
        self.run(target, f"--data={self.data}", "--steps=3", f"--log={out}.jsonl", f"--export={out}.params",
                 f"--dump-grads={out}.grads", *flags, **environment)
        with open(out + ".jsonl") as file:
            losses = [next(value for name, value in json.loads(line).items() if name.endswith("loss")) for line in file]
        load = emulate.safetensors_io.load
        return dict(losses=losses, gradients=load(out + ".grads"), params=load(out + ".params"))


def compare_results(ours, theirs):
    loss = max(abs(a - b) / abs(b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
    gradients, params = (emulate.distance(ours[what], theirs[what]) for what in ("gradients", "params"))
    if not max(loss, gradients, params) <= 1e-5:
        raise options.Failure(f"losses {loss:.1e}, gradients {gradients:.1e}, parameters {params:.1e}")


def check_training(arguments, name, model, mode, optimizer, environment):
    """With streams that are late a wait that is missing shows as other numbers."""
    cell = Cell(arguments, model, mode, optimizer)
    compare_results(cell.train("cuda", "--check-replicas", **environment), cell.train("cpu"))


def check_loopback(arguments, name, model, mode):
    """Ranks that share one GPU."""
    cell = Cell(arguments, model, mode)
    compare_results(cell.train("cuda", "--comm=loopback", COLO_DOUBLE_DEVICES="1", **LATE), cell.train("cpu"))


def check_one_rank(arguments, name, model, mode):
    """One rank that asks for NCCL has communicators of one, watched, and calls their operations in plain steps and in graphs."""
    cell = Cell(arguments, model, mode)
    cell.ranks = []
    expected = cell.train("cpu")
    for flags, uses in (("--comm=nccl", "--graph=on"), True), (("--comm=nccl", "--graph=off"), True), (("--comm=auto",), False):
        log = cell.base + ".devices"
        compare_results(cell.train("cuda", *flags, COLO_DOUBLE_LOG=log, **LATE), expected)
        with open(log) as file:
            devices = [json.loads(line) for line in file]
        options.require(len(devices) == 1 and (devices[0]["collectives"] > 0) == uses, f"{flags}: {devices}")


def check_graph(arguments, name, model, mode, optimizer):
    """Steps and evaluations that are launched as graphs give what plain launches give, bit by bit, and count the same; the
    device did as much. With streams and branches that are late an edge that is missing shows as other numbers."""
    cell = Cell(arguments, model, mode, optimizer, cpu=False)
    results = {}
    for when in ("off", "on"):
        out = f"{cell.base}.{when}"
        cell.run("cuda", f"--data={cell.data}", f"--eval={cell.data}", "--eval-every=2", "--steps=4", "--check-replicas",
                 f"--log={out}.jsonl", f"--export={out}.params", f"--dump-grads={out}.grads", f"--stats={out}.stats",
                 f"--graph={when}", COLO_DOUBLE_LOG=out + ".devices", **LATE)
        with open(out + ".jsonl") as file:
            losses = [{**json.loads(line), "tokens_per_s": None} for line in file]
        with open(out + ".stats") as file:
            stats = json.load(file)
        with open(out + ".devices") as file:
            devices = [json.loads(line) for line in file]
        del stats["start_seconds"]
        graphs = [rank.pop("graphs", []) for rank in stats["per_rank"]]
        launches = [(device.pop("graphs"), device.pop("graph_launches")) for device in devices]
        model_bytes = [open(f"{out}.{what}", "rb").read() for what in ("params", "grads")]
        # Of the first step the rows and numbers come before its kernels; rows of the others while the step before runs.
        options.require(all(device["copies_beside"] == 2 + 3 for device in devices), f"{devices}")
        results[when] = (losses, stats, devices, model_bytes)
        # The driver's trial, a step and an evaluation. Steps and batches behind the first of each are launches.
        batches = 2 * losses[2]["eval_batches"]
        expected = ([], (0, 0)) if when == "off" else (["step", "evaluation"], (3, 1 + 3 + batches - 1))
        for of, launched in zip(graphs, launches, strict=True):
            found = [graph["of"] for graph in of], launched
            options.require(found == expected and all(graph["nodes"] and graph["bytes"] for graph in of), f"{found}, {expected}")
    for what, plain, graph in zip(("losses", "counts", "the device's work", "parameters and gradients"), *results.values()):
        options.require(plain == graph, f"{what} differ" + (f": {plain}, {graph}" if what != "parameters and gradients" else ""))


def check_processes(arguments, name, model, mode, optimizer):
    """A process a rank trains as the CPU does and, launched plainly or as graphs, as ranks that are threads: bit by bit, with
    the same counts, and each on a GPU of its own, which does the same."""
    cell = Cell(arguments, model, mode, optimizer)
    out = cell.base + ".cuda"

    def train(graph, processes):
        result = cell.train("cuda", "--check-replicas", f"--stats={out}.stats", f"--graph={graph}", processes=processes,
                            **LAUNCH, COLO_DOUBLE_LOG=out + ".devices", **LATE)
        found = {what: open(f"{out}.{what}", "rb").read() for what in ("params", "grads")}
        with open(out + ".jsonl") as file:
            found["log"] = [{**json.loads(line), "tokens_per_s": None} for line in file]
        with open(out + ".stats") as file:
            found["stats"] = {**json.load(file), "start_seconds": None}
        with open(out + ".devices") as file:
            found["devices"] = sorted((json.loads(line) for line in file), key=lambda device: device["device"])
        found["graphs"] = [rank.pop("graphs", None) for rank in found["stats"]["per_rank"]]
        found["launches"] = [(device.pop("graphs"), device.pop("graph_launches")) for device in found["devices"]]
        return result, found

    _, threads = train("on", 0)
    ranks = len(threads["stats"]["per_rank"])
    options.require(ranks == len(threads["devices"]) > 1, f"{threads['devices']}")
    cpu = cell.train("cpu")
    for graph in ("auto", "on", "off"):
        result, processes = train(graph, ranks)
        compare_results(result, cpu)
        if graph == "off":
            options.require(not any(processes.pop("graphs")) and not any(map(any, processes.pop("launches"))), "graphs")
        for what, ours in processes.items():
            told = "" if what in ("params", "grads") else f": {ours}, {threads[what]}"
            options.require(ours == threads[what], f"--graph={graph}: {what} differ{told}")


def check_hosts(arguments, name, model, mode):
    """Where ranks take turns between two hosts each has a GPU of its own there. A launcher's variables say who is where."""
    cell = Cell(arguments, model, mode, cpu=False)
    train = [cell.base + ".cuda", f"--data={cell.data}", "--steps=2", "--quiet"]
    places = [dict(NCCL_HOSTID=str(rank % 2), RANK=rank, WORLD_SIZE=4, LOCAL_WORLD_SIZE=2, LOCAL_RANK=rank // 2) for rank in range(4)]
    contexts = [[":", "-n", "1", *(flag for item in place.items() for flag in ("-x", "%s=%s" % item)), *train] for place in places]
    log = cell.base + ".devices"
    run_on_double(["mpirun", *sum(contexts, [])[1:]], cell.double, **LAUNCH, COLO_DOUBLE_LOG=log)
    with open(log) as file:
        devices = sorted(json.loads(line)["device"] for line in file)
    options.require(devices == [0, 0, 1, 1], f"{devices}")


def check_sockets(arguments, name, model, mode):
    """Processes without MPI, on two hosts for NCCL, which meet through a file and at an address: bit by bit as ranks that are threads."""
    cell = Cell(arguments, model, mode, cpu=False)
    out = cell.base + ".cuda"
    def outputs():
        return [open(f"{out}.{what}", "rb").read() for what in ("params", "grads")]
    cell.train("cuda")
    threads = outputs()
    command = cell.command("cuda", f"--data={cell.data}", "--steps=3", f"--export={out}.params", f"--dump-grads={out}.grads")
    for place in ("file", "environment"):
        flags, environment = sockets.place(place, out)
        for what in ("params", "grads"):
            os.remove(f"{out}.{what}")
        commands = [["env", f"NCCL_HOSTID={rank % 2}", *command, *flags] for rank in range(2)]
        with sockets.started(commands, LD_LIBRARY_PATH=cell.double, **environment) as ranks:
            for rank in ranks:
                said, _ = rank.communicate(timeout=300)
                options.require(rank.returncode == 0, f"{place}: exit {rank.returncode}\n{said}")
        options.require(outputs() == threads, f"{place}: parameters or gradients differ")


def check_files(arguments, name, model, mode):
    """What --init reads is what --export writes, and a run goes on from it and is evaluated as on the CPU."""
    cell = Cell(arguments, model, mode)
    start = cell.base + ".start"
    cell.run("cpu", f"--data={cell.data}", "--steps=1", f"--export={start}")
    cell.run("cuda", f"--init={start}", "--steps=0", f"--export={cell.base}.copy")
    with open(start, "rb") as one, open(cell.base + ".copy", "rb") as other:
        if one.read() != other.read():
            raise options.Failure("the exported model is not the one that was read")
    evaluation = (f"--init={start}", f"--eval={cell.data}", "--eval-every=2")
    compare_results(cell.train("cuda", *evaluation), cell.train("cpu", *evaluation))


def check_memory(arguments, name, model, config, ranks, flags):
    """One allocation a device, of the planned size and the products' scratch memory; all of the workspace is used."""
    base, folder = os.path.join(arguments.work, "memory-" + model), os.path.join(arguments.examples, model)
    command = ["colo-compile", os.path.join(folder, model + ".colo"), "--config", os.path.join(folder, config), *flags]
    compile_cuda(command, base, arguments.double)
    plan = json.loads(subprocess.run([*command, "--target=cuda", "--plan=json"], check=True, capture_output=True).stdout)["memory"]
    run = [base + ".cuda", "--data=synthetic:256", "--steps=2", f"--ranks={ranks}", "--quiet", f"--stats={base}.stats"]
    run_on_double(run, arguments.double, COLO_DOUBLE_LOG=base + ".log")
    with open(base + ".stats") as file:
        stats = json.load(file)["per_rank"]
    with open(base + ".log") as file:
        devices = [json.loads(line) for line in file]
    for rank, device in zip(stats, devices, strict=True):
        scratch = rank["gemm_scratch_bytes"]
        allocated, measured = device["bytes"] - scratch, rank["high_water_bytes"]
        if device["allocations"] != 1 or not device["launches"] or not device["products"]:
            raise options.Failure(f"{device}")
        for bytes in (allocated, measured):
            if abs(bytes - plan["total"]) > 0.01 * plan["total"]:
                raise options.Failure(f"allocated {allocated}, measured {measured}, planned {plan['total']}")


def check_activation(arguments, name, source, sizes, products):
    """Products that do gelu and its gradient, so many of each, train in bf16 as on the CPU. One rounding to 16 bits is 2^-9."""
    base = os.path.join(arguments.work, name)
    with open(base + ".cfg", "w") as file:
        file.write(f"{emulate.OPTIMIZERS['sgd']}\nBATCH_SIZE = 4\nNUM_MICRO_BATCHES = 4\nbf16 = True\n")
        file.write(f"model = dict({', '.join(f'{k}={v}' for k, v in sizes.items())})\n")
    command = ["colo-compile", source.format(examples=arguments.examples), "--config", base + ".cfg"]
    emulate.run([*command, "-o", base + ".cpu"])
    compile_cuda(command, base, arguments.double)
    program = subprocess.run([*command, "--target=cuda", "--emit=rt"], check=True, capture_output=True, text=True).stdout
    for form, count in products.items():
        options.require(len(re.findall(rf"rt\.gemm .* {form} \{{", program)) == count, f"not {count} products do {form}")
    losses = {}
    for target in ("cuda", "cpu"):
        out = f"{base}.{target}"
        run_on_double([out, "--data=synthetic:64", "--steps=3", "--quiet", "--seed=3", f"--log={out}.jsonl"], arguments.double)
        with open(out + ".jsonl") as file:
            losses[target] = [json.loads(line)["loss"] for line in file]
    for ours, theirs in zip(losses["cuda"], losses["cpu"], strict=True):
        options.require(abs(ours - theirs) <= 4 * 2**-9 * theirs, f"losses {losses}")


CHECKS = {
    "mlp": (check_training, "mlp", "none", "adamw", {}),
    "gpt2": (check_training, "gpt2", "none", "sgd", LATE),
    "gpt2-data": (check_training, "gpt2", "data", "adamw", LATE),
    "gpt2-2d": (check_training, "gpt2", "2d", "adamw", {}),
    "gpt2-1d-sp": (check_training, "gpt2", "1d-sp", "sgd", LATE),
    "gpt2-1f1b": (check_training, "gpt2", "1f1b", "adamw", LATE),
    "gpt2-zb-h1": (check_training, "gpt2", "zb-h1", "adamw", {}),
    "llama-sequence": (check_training, "llama", "sequence", "sgd", LATE),
    "bert-1d": (check_training, "bert", "1d", "adamw", {}),
    "vit-3d": (check_training, "vit", "3d", "sgd", {}),
    "loopback-2d": (check_loopback, "gpt2", "2d"),
    "loopback-1f1b": (check_loopback, "gpt2", "1f1b"),
    "nccl-of-one": (check_one_rank, "gpt2", "data"),
    "graph-none": (check_graph, "mlp", "none", "adamw"),
    "graph-data": (check_graph, "gpt2", "data", "adamw"),
    "graph-1d-sp": (check_graph, "gpt2", "1d-sp", "sgd"),
    "graph-2d": (check_graph, "gpt2", "2d", "adamw"),
    "graph-sequence": (check_graph, "llama", "sequence", "sgd"),
    **{f"graph-{mode}": (check_graph, "gpt2", mode, "adamw") for mode in PIPELINES},
    "processes-data": (check_processes, "gpt2", "data", "adamw"),
    "processes-1d-sp": (check_processes, "gpt2", "1d-sp", "sgd"),
    "processes-2d": (check_processes, "gpt2", "2d", "adamw"),
    "processes-1f1b": (check_processes, "gpt2", "1f1b", "adamw"),
    "hosts": (check_hosts, "mlp", "1d"),
    "sockets": (check_sockets, "gpt2", "1d"),
    # What the gradient reads lies at no multiple of 16 bytes.
    "activation": (check_activation, SHIFTED, {}, {"as gelu_grad": 2, "as gelu": 0}),
    # Of a layer of training, which keeps gelu's argument, and of one of evaluation.
    "gelu": (check_activation, "{examples}/gpt2/gpt2.colo", emulate.MODELS["gpt2"][0], {"as gelu_grad": 1, r"aux %\S+ as gelu": 1, r"bias %\S+ as gelu": 1}),
    "files": (check_files, "gpt2", "1d"),
    "memory": (check_memory, "gpt2", "mini-1d.cfg", 4, ["-D", "layers=3"]),
    "memory-vit": (check_memory, "vit", "dp.cfg", 1, ["-D", "layers=1"]),
}


def main():
    parser = options.Parser()
    parser.add_argument("--double", required=True, help="the folder of the stand-ins")
    parser.add_argument("--checks", default=",".join(CHECKS))
    options.cells(parser)
    arguments = parser.parse_args()
    cells = [(CHECKS[name][0], name, *CHECKS[name][1:]) for name in arguments.checks.split(",")]
    named = [(name, check, rest) for check, name, *rest in cells]
    return options.compare(arguments, named, lambda given, name, check, rest: check(given, name, *rest), "hold")


if __name__ == "__main__":
    sys.exit(main())
