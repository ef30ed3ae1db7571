#!/usr/bin/python3
"""Every layout trains the same model: f64 runs against one rank with the same global batch.

For each model and tensor layout one executable is compiled and launched at several data-parallel sizes. After three
optimizer steps its loss, raw summed gradients and parameters are compared, tensor by tensor, with a one-rank run whose
global batch is the same. The rules (tolerances with floors, random biases, dropout, clipping that bites, accumulation,
ignored targets that differ between replicas, SGD and AdamW, replicas bit-equal, flops per rank, the number of cells
pinned) are in docs/testing.md.
"""

import itertools
import json
import os
import subprocess
import sys
import typing

import numpy

import options
import safetensors_io

STEPS = 3
SP = ", sequence_parallel=True"


class Layout(typing.NamedTuple):
    """One tensor group: what the config says after size."""

    mode: str
    size: int
    extra: str = ""
    rows: int = 12  # of one replica and accumulation step
    parts: int = 1  # of a sequence that is cut beside the mode
    attention: str = "ring"  # and how attention looks across them
    micro_batches: int = 2
    accumulation: int = 3

    def __str__(self):
        short = {"": "", SP: " sp"}
        beside = f" {self.attention}={self.parts}" if self.parts > 1 else ""
        name = f"{self.mode}={self.size}" + short.get(self.extra, self.extra.replace(",", "")) + beside
        return name if self.accumulation > 1 else f"{name} without accumulation"

    def regrouped(self):
        """The same rows and micro-batches in one accumulation step."""
        return self._replace(
            rows=self.rows * self.accumulation, micro_batches=self.micro_batches * self.accumulation, accumulation=1
        )

    def config(self):
        if self.mode == "none":
            return ""
        sequence = f", sequence=dict(size={self.parts}, mode='{self.attention}')" if self.parts > 1 else ""
        return f"parallel = dict(tensor=dict(size={self.size}, mode='{self.mode}'{self.extra}){sequence})\n"

    @property
    def ranks(self):
        return self.size * self.parts

    @property
    def kind(self):
        """What --modes selects by."""
        return self.mode if self.parts == 1 else f"{self.mode}+sequence"


ONE_RANK = Layout("none", 1)


def layouts(sizes, sequence=None):
    """One rank, then every mode at its sizes; 1d also with sequence_parallel where the sequence divides."""
    result = [ONE_RANK]
    for mode, mode_sizes in sizes.items():
        for size in mode_sizes:
            result.append(Layout(mode, size))
            if mode == "1d" and sequence and sequence % size == 0:
                result.append(Layout(mode, size, SP))
    return result


def with_sequence(sequence=None, heads=None):
    """1d beside a cut sequence: ring attention, and ulysses where heads divide; with sequence_parallel too where the
    sequence divides. A model without sequences has one way only."""
    result = []
    for parts, size in ((2, 2), (3, 2), (2, 3)):
        if sequence and sequence % parts:
            continue
        for extra in ("", SP):
            if extra and (not sequence or sequence % (parts * size)):
                continue
            result.append(Layout("1d", size, extra, parts=parts))
            if heads and heads % (parts * size) == 0:
                result.append(Layout("1d", size, extra, parts=parts, attention="ulysses"))
    return result


# A micro-batch has as many rows as the axes that cut it divide: q, depth*q, and l*l of l*l*l.
GRIDS = [
    *(Layout("2d", size, rows=24) for size in (4, 9)),
    *(Layout("2.5d", size, f", depth={depth}", 24) for size, depth in ((8, 2), (12, 3), (4, 1), (3, 3))),
    Layout("3d", 8, rows=24),
]
ONE_RANK_GRIDS = [Layout("2d", 1, rows=24), Layout("3d", 1, rows=24)]
LARGE_CUBE = Layout("3d", 27, rows=36)


def shared_heads(kv_heads, layouts_of_it):
    """A model with so many key and value heads, for layouts with more tensor ranks."""
    return dict(
        source=os.path.join(INPUTS, "shared_heads.colo"),
        data="text",
        layouts=layouts_of_it,
        sizes=dict(vocab=50, seq=24, hidden=72, heads=12, kv_heads=kv_heads, layers=2),
        exempt=["*bias", "*norm*"],
        defines=dict(drop=0.1, smoothing=0.1, ignore=7),
    )


INPUTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")


def kv_heads_that_divide(layout):
    """Four key heads, or six where three or six parts are made of them."""
    heads_cut = {"1d": layout.size, "ulysses": layout.size, "2d": round(layout.size**0.5)}.get(layout.mode, 1)
    if layout.attention == "ulysses":
        heads_cut *= layout.parts
    return dict(kv_heads=6) if heads_cut % 3 == 0 else {}


# Sizes that make nearly every cell legal and all dims distinct. `source`: where it is no example.
MODELS = {
    "mlp": dict(
        data="synthetic:97",
        layouts=layouts({"1d": [2, 3, 4, 6, 8], "sequence": [2, 3, 4], "ulysses": [2]}) + GRIDS + ONE_RANK_GRIDS + with_sequence(),
        sizes=dict(hidden=72),
        defines={},
    ),
    "features": dict(
        source=os.path.join(INPUTS, "features.colo"),
        data="synthetic:97",
        layouts=layouts({"1d": [2, 3, 4], "sequence": [2], "ulysses": [2]}) + GRIDS,
        sizes=dict(hidden=72),
        defines={},
    ),
    "classes": dict(
        source=os.path.join(INPUTS, "classes.colo"),
        data="synthetic:97",
        layouts=layouts({"1d": [2, 3, 4]}) + GRIDS,
        sizes=dict(hidden=72),
        defines={},
    ),
    "drawn": dict(
        source=os.path.join(INPUTS, "drawn.colo"),
        data="text",
        layouts=layouts({"1d": [3, 4]}, sequence=24) + GRIDS,
        sizes=dict(vocab=50, seq=24, hidden=72),
        exempt=["shift"],
        defines={},
    ),
    "tables": dict(
        source=os.path.join(INPUTS, "tables.colo"),
        data="text",
        layouts=GRIDS,
        sizes=dict(vocab=50, seq=24, hidden=72),
        defines={},
    ),
    "passed": dict(
        source=os.path.join(INPUTS, "passed.colo"),
        data="text",
        layouts=layouts({"1d": [2, 4]}, sequence=24)[1:] + GRIDS,
        sizes=dict(vocab=50, seq=24, hidden=72),
        exempt=["table"],
        defines={},
    ),
    "tokens": dict(
        source=os.path.join(INPUTS, "tokens.colo"),
        data="synthetic:97",
        layouts=layouts({"1d": [2, 4], "sequence": [2, 4], "ulysses": [2]}, sequence=16) + GRIDS,
        sizes=dict(hidden=72, heads=12),
        exempt=["*bias", "ln.*"],
        defines={},
    ),
    "vit": dict(
        data="synthetic:97",
        layouts=layouts({"1d": [2, 3, 4, 6], "sequence": [2, 4, 8], "ulysses": [2, 4]}, sequence=16)
        + GRIDS
        + with_sequence(sequence=16, heads=12),
        sizes=dict(hidden=72, heads=12, layers=2),
        exempt=["*bias", "*norm*", "pos"],
        defines=dict(drop=0.1),
    ),
    "gpt2": dict(
        data="text",
        layouts=layouts({"1d": [2, 3, 4, 6], "sequence": [2, 3, 4, 6], "ulysses": [2, 3, 4, 6]}, sequence=24)
        + GRIDS
        + [LARGE_CUBE]
        + with_sequence(sequence=24, heads=12),
        causal=True,
        sizes=dict(vocab=50, seq=24, hidden=72, heads=12, layers=2),
        exempt=["*bias", "*ln_*"],
        defines=dict(drop=0.1, smoothing=0.1, ignore=7),
    ),
    "llama": dict(
        data="text",
        causal=True,
        layouts=layouts({"1d": [2, 3, 4, 6], "sequence": [2, 3, 4, 6], "ulysses": [2, 3, 4, 6]}, sequence=24)
        + GRIDS
        + with_sequence(sequence=24, heads=12),
        sizes=dict(vocab=50, seq=24, hidden=72, heads=12, kv_heads=4, inner=216, layers=2),
        adapt=kv_heads_that_divide,
        exempt=["*norm*"],
        defines=dict(drop=0.1, smoothing=0.1, ignore=7),
    ),
    "bert": dict(
        data="lines",
        layouts=layouts({"1d": [2, 3, 4, 6], "sequence": [2, 3, 4, 6, 8], "ulysses": [2, 3, 4, 6]}, sequence=24)
        + GRIDS
        + with_sequence(sequence=24, heads=12),
        sizes=dict(vocab=50, seq=24, hidden=72, heads=12, layers=2),
        exempt=["*bias", "*norm*"],
        defines=dict(drop=0.1, smoothing=0.1, rate=0.4),
    ),
    "two_key_heads": shared_heads(
        2, layouts({"1d": [4, 6]}, sequence=24)[1:] + [Layout("1d", 4, extra, parts=2) for extra in ("", SP)]
    ),
    "one_key_head": shared_heads(1, layouts({"1d": [2, 3, 4]}, sequence=24)[1:] + [Layout("1d", 3, extra, parts=2) for extra in ("", SP)]),
}
# Heads of two numbers: two statistics a row and head cost as much as what a ring of rows saves, so keys go round.
MODELS["gpt2-narrow"] = dict(
    MODELS["gpt2"], example="gpt2", layouts=layouts({"sequence": [2, 3, 4]}), sizes=dict(MODELS["gpt2"]["sizes"], hidden=24)
)
# Fewer tokens in a micro-batch than features: weights of 2d and 2.5d stay. Those of few key heads do not.
for name in ("gpt2", "llama", "tables"):
    MODELS[name + "-short"] = dict(MODELS[name], example=name, layouts=GRIDS, sizes=dict(MODELS[name]["sizes"], seq=4))
# Paths between residual sums with odd numbers of products, with many tokens and with few.
MODELS["odd"] = dict(
    source=os.path.join(INPUTS, "odd.colo"),
    data="text",
    layouts=layouts({"1d": [2, 3]}) + GRIDS + [LARGE_CUBE],
    sizes=dict(vocab=50, seq=24, hidden=72, layers=2),
    exempt=["*bias", "*norm*"],
    defines=dict(ignore=7),
)
# Layers that compute attention, or all, again train as those that keep their activations.
CHECKPOINTS = {"gpt2-selective": "selective", "gpt2-full": True}
for name, value in CHECKPOINTS.items():
    MODELS[name] = dict(MODELS["gpt2"], example="gpt2", plain="gpt2", sizes=dict(MODELS["gpt2"]["sizes"], checkpoint=value))
MODELS["odd-short"] = dict(MODELS["odd"], layouts=GRIDS, sizes=dict(MODELS["odd"]["sizes"], seq=4))
OPTIMIZERS = {
    "sgd": "optimizer = dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=0.01)",
    # `exempt`: what the model says of weight decay, or all biases.
    "adamw": "optimizer = dict(type='AdamW', lr=0.003, weight_decay=0.1, decay_exempt={exempt})",
}


class Failure(Exception):
    pass


def run(command, **kwargs):
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, **kwargs)
    if result.returncode:
        raise Failure(f"{' '.join(command)}\nexit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


class Suite:
    def __init__(self, arguments):
        self.arguments = arguments
        self.directory = arguments.work
        self.cells = 0
        self.failures = []
        self.built = {}
        self.references = {}
        self.text = os.path.join(self.directory, "text.bin")
        self.lines = os.path.join(self.directory, "lines.txt")
        self.write_text()
        self.write_lines()

    def write_text(self):
        """Ids below 50; the first rows hold no ignored target (7), later ones many, so that counts differ."""
        generator = numpy.random.default_rng(5)
        ids = generator.integers(0, 50, 24 * 400)
        ids[: 24 * 60][ids[: 24 * 60] == 7] = 8
        spread = generator.random(ids.size) < numpy.linspace(0, 0.6, ids.size)
        ids[spread & (numpy.arange(ids.size) > 24 * 60)] = 7
        with open(self.text, "wb") as file:
            file.write(ids.astype(numpy.uint8).tobytes())

    def write_lines(self):
        """Lines of 1 to 30 ids from 1 to 49 without the newline: of most a record has padding."""
        generator = numpy.random.default_rng(6)
        ids = numpy.array([i for i in range(1, 50) if i != 10], dtype=numpy.uint8)
        with open(self.lines, "wb") as file:
            for _ in range(500):
                file.write(generator.choice(ids, generator.integers(1, 31)).tobytes() + b"\n")

    def data_of(self, model):
        data = MODELS[model]["data"]
        return {"text": self.text, "lines": "lines:" + self.lines}.get(data, data)

    def build(self, model, tensor, optimizer, replicas, adapted):
        """One executable. `replicas` > 1 folds that many replicas' rows into one: the one-rank reference."""
        key = (model, tensor, optimizer, replicas, str(adapted))
        if key in self.built:
            return self.built[key]
        spec = MODELS[model]
        parts = (model, tensor, tensor.rows, optimizer, replicas, *(f"{k}={v}" for k, v in adapted.items()))
        name = "-".join(str(part).replace(" ", "-") for part in parts)
        config = os.path.join(self.directory, name + ".cfg")
        with open(config, "w") as file:
            file.write(tensor.config())
            file.write(f"BATCH_SIZE = {tensor.rows * replicas}\n")
            file.write(f"NUM_MICRO_BATCHES = {tensor.micro_batches * replicas}\n")
            file.write(f"gradient_accumulation = {tensor.accumulation}\nclip_grad_norm = 0.01\n")
            file.write(OPTIMIZERS[optimizer].format(exempt=spec.get("exempt", ["*bias"])) + "\n")
            sizes = ", ".join(f"{k}={v!r}" for k, v in {**spec["sizes"], **adapted}.items())
            file.write(f"model = dict({sizes})\n")
        executable = os.path.join(self.directory, name)
        defines = [flag for k, v in spec["defines"].items() for flag in ("-D", f"{k}={v}")]
        example = spec.get("example", model)
        source = spec.get("source", os.path.join(self.arguments.examples, example, example + ".colo"))
        flags = ["-D", f"dtype={self.arguments.dtype}", f"--algorithm={self.arguments.algorithm}", *defines]
        run(["colo-compile", source, "--config", config, *flags, "-o", executable])
        self.built[key] = executable
        return executable

    def launch(self, executable, model, ranks, tag, init=None, steps=STEPS):
        base = f"{executable}-{tag}-{ranks}"
        command = [executable, f"--data={self.data_of(model)}", f"--steps={steps}", f"--ranks={ranks}", "--seed=3", "--quiet",
                   f"--log={base}.jsonl", f"--export={base}.params", f"--stats={base}.stats"]
        if steps:
            command += [f"--dump-grads={base}.grads", "--check-replicas"]
        if init:
            command.append(f"--init={init}")
        run(command)
        with open(base + ".jsonl") as file:
            log = [json.loads(line) for line in file if line.strip()]
        with open(base + ".stats") as file:
            stats = json.load(file)
        grads = safetensors_io.load(base + ".grads") if steps else {}
        return dict(log=log, params=safetensors_io.load(base + ".params"), grads=grads, stats=stats)

    def initial(self, model, adapted):
        """Initial values of the model with random vectors: zero biases hide errors."""
        path = os.path.join(self.directory, "-".join([model, *(f"{k}={v}" for k, v in adapted.items())]) + ".init")
        if not os.path.exists(path):
            start = self.launch(self.build(model, ONE_RANK, "sgd", 1, adapted), model, 1, "start", steps=0)["params"]
            generator = numpy.random.default_rng(11)
            for name in sorted(start):
                if start[name].ndim == 1 or name.endswith("bias"):
                    start[name] = start[name] + 0.1 * generator.standard_normal(start[name].shape).astype(start[name].dtype)
            safetensors_io.save(path, start)
        return path

    def one_rank(self, layout, dp):
        """The one-rank layout with the same global batch, and how many replicas' rows it folds into one."""
        return ONE_RANK._replace(rows=layout.rows * layout.accumulation // ONE_RANK.accumulation), dp

    def reference(self, model, optimizer, layout, replicas, adapted):
        key = (model, optimizer, layout, replicas, str(adapted))
        if key not in self.references:
            executable = self.build(model, layout, optimizer, replicas, adapted)
            result = self.launch(executable, model, 1, "reference", self.initial(model, adapted))
            if plain := MODELS[model].get("plain"):
                self.check_recomputes(result, self.reference(plain, optimizer, layout, replicas, adapted), f"{model} {optimizer}")
            self.references[key] = result
        return self.references[key]

    def compare(self, got, want, cell):
        clipped = [entry["grad_norm"] for entry in want["log"]]
        if min(clipped) <= 0.01:
            raise Failure(f"{cell}: clipping does not bite: gradient norms {clipped}")
        for ours, theirs in zip(got["log"], want["log"], strict=True):
            for metric in ("loss", "grad_norm"):
                if abs(ours[metric] - theirs[metric]) > 1e-10 * max(1.0, abs(theirs[metric])):
                    raise Failure(f"{cell}: step {theirs['step']} {metric} {ours[metric]!r}, one rank {theirs[metric]!r}")
        if got["grads"].keys() != want["grads"].keys() or got["params"].keys() != want["params"].keys():
            raise Failure(f"{cell}: parameter names differ")
        largest = max(numpy.abs(g).max() for g in want["grads"].values())
        for name, reference in want["grads"].items():
            bound = 1e-10 * max(numpy.abs(reference).max(), largest)
            self.check(got["grads"][name], reference, bound, f"{cell}: gradient of {name}")
        for name, reference in want["params"].items():
            bound = 1e-10 * max(1.0, numpy.abs(reference).max())
            # The gradient of a key bias is rounding noise around zero; Adam divides noise by noise.
            if "adamw" in cell and name.endswith("qkv.bias"):
                third = reference.size // 3
                keep = numpy.r_[0:third, 2 * third : 3 * third]
                self.check(got["params"][name].ravel()[keep], reference.ravel()[keep], bound, f"{cell}: {name} without keys")
                continue
            self.check(got["params"][name], reference, bound, f"{cell}: parameter {name}")

    def check_recomputes(self, got, kept, what):
        """The same training with more work."""
        self.compare(got, kept, f"{what} on one rank, which keeps activations")
        ours, theirs = (sum(rank["flops"] for rank in result["stats"]["per_rank"]) for result in (got, kept))
        if ours <= theirs:
            raise Failure(f"{what}: {ours} flops, no more than the {theirs} without a checkpoint")

    def check(self, ours, theirs, bound, what):
        difference = numpy.abs(ours - theirs).max()
        if not difference <= bound:
            raise Failure(f"{what} differs by {difference:.3e}, allowed {bound:.3e}")

    def masked_flops(self, model, tensor, rows):
        """What a causal ring leaves out: (2P-1)/4P of two products forward and five backward."""
        spec = MODELS[model]
        ring = tensor.size if tensor.mode == "sequence" else tensor.parts if tensor.attention == "ring" else 1
        if not spec.get("causal") or ring == 1 or self.arguments.algorithm == "reference":
            return 0
        sizes = spec["sizes"]
        products = 14 * rows * sizes["seq"] ** 2 * sizes["hidden"] * sizes["layers"]
        return products * (2 * ring - 1) // (4 * ring)

    def check_flops(self, got, want, masked, ranks, cell):
        per_rank = [rank["flops"] for rank in got["stats"]["per_rank"]]
        total = sum(rank["flops"] for rank in want["stats"]["per_rank"]) - masked
        if len(per_rank) != ranks or max(per_rank) != min(per_rank):
            raise Failure(f"{cell}: flops differ between ranks: {per_rank}")
        # Padded vocabulary columns are computed; nothing else may exceed an even share.
        if not total <= per_rank[0] * ranks <= total * self.arguments.flop_slack:
            raise Failure(f"{cell}: {per_rank[0]} flops a rank, an even share is {total / ranks:.0f}")

    def cell(self, model, tensor, optimizer, dp):
        ranks = dp * tensor.ranks
        name = f"{model} dp={dp} {tensor} {optimizer}"
        adapted = MODELS[model].get("adapt", lambda layout: {})(tensor)
        try:
            want = self.reference(model, optimizer, *self.one_rank(tensor, dp), adapted)
            executable = self.build(model, tensor, optimizer, 1, adapted)
            got = self.launch(executable, model, ranks, "cell", self.initial(model, adapted))
            self.compare(got, want, name)
            masked = self.masked_flops(model, tensor, STEPS * tensor.accumulation * tensor.rows * dp)
            self.check_flops(got, want, masked, ranks, name)
            self.cells += 1
            print(f"ok {name}", flush=True)
        except Failure as failure:
            self.failures.append(name)
            print(f"FAILED {name}\n{failure}", flush=True)

    def matrix(self):
        numbers = lambda text: [int(n) for n in text.split(",")]
        worlds, replicas = numbers(self.arguments.worlds), numbers(self.arguments.replicas or "0")
        modes, names = self.arguments.modes.split(","), self.arguments.layouts and self.arguments.layouts.split(",")
        for model in self.arguments.models.split(","):
            tensors = [t for t in MODELS[model]["layouts"] if (str(t) in names if names else t.kind in modes)]
            for optimizer, tensor in itertools.product(self.arguments.optimizers.split(","), tensors):
                tensor = tensor.regrouped() if self.arguments.regroup else tensor
                divided = [world // tensor.ranks for world in worlds if world % tensor.ranks == 0]
                for dp in replicas if self.arguments.replicas else divided:
                    if not (tensor == ONE_RANK and dp == 1):
                        self.cell(model, tensor, optimizer, dp)


def main():
    parser = options.Parser()
    parser.add_argument("--models", default="mlp,vit,gpt2")
    parser.add_argument("--modes", default="none,1d")
    parser.add_argument("--worlds", default="1,2,3,4,6,8", help="ranks in all, where the layout divides them")
    parser.add_argument("--layouts", help="these, by the names that cells have, instead of --modes")
    parser.add_argument("--replicas", help="data-parallel sizes of every layout, instead of --worlds")
    parser.add_argument("--optimizers", default="sgd,adamw")
    parser.add_argument("--dtype", default="f64")
    parser.add_argument("--regroup", action="store_true", help="no accumulation, as many micro-batches more")
    parser.add_argument("--algorithm", default="loop")
    parser.add_argument("--flop-slack", type=float, default=1.1)
    options.cells(parser)
    arguments = parser.parse_args()
    suite = Suite(arguments)
    suite.matrix()
    print(f"{suite.cells} cells equal, {len(suite.failures)} failed")
    if suite.failures or suite.cells != arguments.cells:
        print(f"expected {arguments.cells} equal cells")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
