#!/usr/bin/python3
"""What ranks send in one step of GPT-2 equals the closed forms of closed_forms.py, forward, backward and at the end of the
step, and site by site and rank by rank what --plan said, in bytes and messages, nothing left out. So do the parameters and saved activations that a rank holds; its
peak memory is within 1% of the plan."""

import math
import os
import re
import sys
import typing

import closed_forms
import options
import planned
from options import Failure

SHAPES = [closed_forms.Shape(*sizes) for sizes in (  # rows, seq, hidden, heads, layers, vocab, micro-batches
    (12, 16, 48, 12, 1, 96, 1),
    (24, 24, 72, 12, 2, 60, 2),
    (36, 12, 96, 12, 3, 132, 3),
    (12, 48, 24, 12, 2, 120, 1),
    (12, 24, 36, 12, 1, 50, 1),
    (24, 12, 24, 12, 4, 33, 1),
    (24, 48, 48, 12, 1, 61, 2),
    (12, 12, 144, 12, 1, 40, 1),
    (12, 12, 192, 24, 2, 29, 1),
    (48, 24, 24, 12, 1, 97, 4),
    (24, 36, 60, 12, 1, 72, 1),
    (36, 24, 48, 24, 2, 84, 3),
    (12, 60, 12, 12, 1, 45, 1),
    (12, 12, 192, 12, 2, 205, 1),
)]


class Layout(typing.NamedTuple):
    tensor: str  # what the config says of the tensor group, and of a sequence beside it
    mesh: dict  # axes and sizes, major to minor, without those of one rank
    replicas: int
    form: typing.Callable  # (costs, shape): adds what the form says
    sequence: int = 1  # S is a multiple of this

    def __str__(self):
        return f"{self.tensor or 'none'} x {self.replicas}"


def one_d(size, replicas=1):
    return Layout(f"size={size}, mode='1d'", {"tp": size}, replicas, closed_forms.one_d)


def one_d_sequence_parallel(size):
    form = lambda costs, shape: closed_forms.one_d(costs, shape, sequence_parallel=True)
    return Layout(f"size={size}, mode='1d', sequence_parallel=True", {"tp": size}, 1, form, size)


def grid(q, replicas=1):
    return Layout(f"size={q * q}, mode='2d'", {"row": q, "col": q}, replicas, closed_forms.grid)


def planes(depth, q):
    mesh = {name: size for name, size in (("dep", depth), ("row", q), ("col", q)) if size > 1}
    return Layout(f"size={depth * q * q}, mode='2.5d', depth={depth}", mesh, 1, closed_forms.grid)


def cube(l, replicas=1):
    return Layout(f"size={l ** 3}, mode='3d'", {"out": l, "in": l, "wt": l}, replicas, closed_forms.cube)


def sequence(mode, kind, size, replicas=1):
    form = lambda costs, shape: closed_forms.sequence(costs, shape, kind)
    # A causal ring is cut into halves as well.
    return Layout(f"size={size}, mode='{mode}'", {"sp": size}, replicas, form, 2 * size if kind == "ring" else size)


def one_d_and_sequence(parts, size, kind, sequence_parallel=False):
    form = lambda costs, shape: closed_forms.one_d(costs, shape, sequence_parallel, kind)
    tensor = f"size={size}, mode='1d'" + (", sequence_parallel=True" if sequence_parallel else "")
    beside = f"), sequence=dict(size={parts}, mode='{kind}'"
    inner = math.lcm(2 if kind == "ring" else 1, size if sequence_parallel else 1)
    return Layout(tensor + beside, {"sp": parts, "tp": size}, 1, form, parts * inner)


# The first of each line is in the sample.
LAYOUTS = [
    [Layout("", {}, replicas, closed_forms.none) for replicas in (3, 2)],
    [one_d(3), one_d(2), one_d(4), one_d(6)],
    [one_d(2, replicas=2)],
    [one_d_sequence_parallel(size) for size in (2, 3, 4)],
    [grid(2), grid(2, replicas=2)],
    [grid(3)],
    [grid(4)],
    [planes(3, 1)],
    [cube(2), cube(2, replicas=2)],
    [sequence("sequence", "ring", size) for size in (3, 2, 4)],
    [sequence("ulysses", "ulysses", size) for size in (2, 3, 4)],
    [sequence("ulysses", "ulysses", 2, replicas=2)],
    [one_d_and_sequence(3, 2, "ring"), one_d_and_sequence(2, 3, "ring"), one_d_and_sequence(2, 3, "ulysses")],
    [planes(2, 2), planes(3, 2)],
    [one_d_and_sequence(2, 2, "ring", True), one_d_and_sequence(2, 2, "ulysses", True)],
]


def check(arguments, layout, index):
    shape = SHAPES[index]
    base = os.path.join(arguments.work, re.sub("[^a-z0-9]+", "-", f"{layout}-{index}"))
    sizes = f"vocab={shape.vocab}, seq={shape.seq}, hidden={shape.hidden}, heads={shape.heads}, layers={shape.layers}"
    planned.write_config(base + ".cfg", layout.tensor, shape.rows, shape.micro, f"model = dict({sizes})")
    ranks = layout.replicas
    for size in layout.mesh.values():
        ranks *= size
    command = planned.compiler(arguments.examples, "gpt2", base + ".cfg", f"--world-size={ranks}")
    plan = planned.read_json([*command, "--plan=json"])
    stats = planned.run(command, base, plan, ranks)
    costs = closed_forms.Costs(layout.mesh, layout.replicas)
    layout.form(costs, shape)
    counted = planned.counted_by_phase(plan, stats)
    memory = plan["memory"]
    for what, elements in (("parameters", costs.parameters), ("saved", costs.saved)):
        if memory[what] != elements * costs.element:
            raise Failure(f"{memory[what]} bytes of {what} a rank, the form gives {elements * costs.element}")
    for rank in stats["per_rank"]:
        if abs(rank["high_water_bytes"] - memory["total"]) > 0.01 * memory["total"]:
            raise Failure(f"rank {rank['rank']} held {rank['high_water_bytes']} bytes, planned {memory['total']}")
    form = costs.totals()
    for phase, axes in sorted({*form, *counted}):
        wanted, got = form.get((phase, axes), (0, 0)), tuple(counted.get((phase, axes), (0, 0)))
        if wanted != got:
            raise Failure(f"{phase} over {axes} {got} bytes and messages were counted, the form gives {wanted}")


def cells(arguments):
    for line, layouts in enumerate(LAYOUTS):
        for layout in layouts if arguments.full else layouts[:1]:
            legal = [i for i, shape in enumerate(SHAPES) if shape.seq % layout.sequence == 0]
            # The sample meets other shapes in other modes.
            for index in legal if arguments.full else [legal[line % len(legal)]]:
                yield layout, index


def main():
    parser = options.Parser()
    parser.add_argument("--full", action="store_true", help="all shapes in all layouts, not one shape in some")
    options.cells(parser)
    arguments = parser.parse_args()
    equal = failures = 0
    for layout, index in cells(arguments):
        try:
            check(arguments, layout, index)
            equal += 1
        except Failure as failure:
            failures += 1
            print(f"{layout} {SHAPES[index]}: {failure}", flush=True)
    print(f"{equal} cells equal, {failures} differ")
    return 1 if failures or equal != arguments.cells else 0


if __name__ == "__main__":
    sys.exit(main())
