#!/usr/bin/python3
"""Pipelines train the same model: f64 runs of stages x tensor modes x replicas against one rank with the same global batch.

The comparison and its rules are equality.py's. Here a layout is a pipeline: its stages, schedule, chunks, micro-batches and
how layers go to stages, with a tensor layout inside each stage.
"""

import dataclasses
import glob
import itertools
import os
import sys
import time

import numpy

import equality
import options
from equality import Failure, Layout, ONE_RANK, SP

RECOMPUTING = ("full", "selective")  # models that compute attention again, by a call: with its block, or alone

# What may divide each stage.
TENSORS = [
    Layout("1d", 2),
    Layout("1d", 2, SP),
    Layout("2d", 4, rows=24),
    Layout("2.5d", 8, ", depth=2", 24),
    Layout("3d", 8, rows=24),
    Layout("sequence", 2),
    Layout("ulysses", 2),
]
FLAT = Layout("2.5d", 4, ", depth=1", 24)


@dataclasses.dataclass(frozen=True)
class Pipeline:
    stages: int
    schedule: str = "1f1b"
    micro_batches: int = 4  # of one replica and accumulation step
    chunks: int = 1
    partition: object = "uniform"
    tensor: Layout = ONE_RANK
    rows: int = 12  # of one replica and accumulation step
    accumulation: int = 3

    @property
    def ranks(self):
        return self.stages * self.tensor.ranks

    def __str__(self):
        text = f"pp={self.stages} {self.schedule} m={self.micro_batches}"
        if self.chunks > 1:
            text += f" v={self.chunks}"
        if self.partition != "uniform":
            text += " " + str(self.partition).strip("()").replace(", ", "+")
        return text if self.tensor.mode == "none" else f"{text} {self.tensor}"

    def config(self):
        chunks = f", chunks={self.chunks}" if self.chunks > 1 else ""
        pipeline = f"pipeline=dict(size={self.stages}, schedule='{self.schedule}'{chunks}, partition={self.partition!r})"
        tensor = self.tensor.config() or "parallel = dict()\n"
        return tensor.replace("parallel = dict(", f"parallel = dict({pipeline}, ", 1)


def shared_scores(model, rows):
    """Flops that attention computed again saves where it and its gradient take all samples at once: they share their scores."""
    sizes = equality.MODELS[model]["sizes"]
    return 2 * rows * sizes["seq"] ** 2 * sizes["hidden"] * sizes["layers"] if model in (*RECOMPUTING, *equality.CHECKPOINTS) else 0


class PipelineSuite(equality.Suite):
    def masked_flops(self, model, layout, rows):
        return super().masked_flops(model, layout.tensor, rows)

    def cell(self, model, layout, optimizer, dp):
        rows = equality.STEPS * layout.accumulation * layout.rows * dp
        self.shared = shared_scores(model, rows)
        super().cell(model, layout, optimizer, dp)

    def check_flops(self, got, want, masked, ranks, cell):
        """Stages differ; together they do one rank's work, and ranks of one stage do the same."""
        per_rank = [rank["flops"] for rank in got["stats"]["per_rank"]]
        total = sum(rank["flops"] for rank in want["stats"]["per_rank"]) - masked
        if len(per_rank) != ranks or min(per_rank) <= 0:
            raise Failure(f"{cell}: flops of the ranks: {per_rank}")
        by_stage = {}
        for rank in got["stats"]["per_rank"]:
            by_stage.setdefault(rank["stage"], set()).add(rank["flops"])
        if any(len(flops) > 1 for flops in by_stage.values()):
            raise Failure(f"{cell}: flops differ between ranks of one stage: {by_stage}")
        # One rank's samples go in rounds; where all of a rank's go at once, exactly the shared scores are left out.
        if sum(per_rank) != total - self.shared and not total <= sum(per_rank) <= total * self.arguments.flop_slack:
            raise Failure(f"{cell}: {sum(per_rank)} flops on all ranks, one rank does {total}, {self.shared} of them twice")

    def one_rank(self, layout, dp):
        """Without accumulation a batch of replicas is one batch: pipelines with as many rows in all share it."""
        if layout.accumulation > 1:
            return super().one_rank(layout, dp)
        return ONE_RANK._replace(rows=layout.rows * dp, accumulation=1), 1

    def data_of(self, model):
        return self.sparse if equality.MODELS[model]["data"] == "sparse" else super().data_of(model)

    def write_text(self):
        """Beside it ids of which from the first row on a share that grows is ignored, so that all counts differ."""
        super().write_text()
        self.sparse = os.path.join(self.directory, "sparse.bin")
        generator = numpy.random.default_rng(7)
        ids = generator.integers(0, 50, 24 * 400)
        ids[generator.random(ids.size) < numpy.linspace(0.1, 0.6, ids.size)] = 7
        with open(self.sparse, "wb") as file:
            file.write(ids.astype(numpy.uint8).tobytes())

    def run_cells(self, cells):
        """Neighbours that differ in replicas alone share an executable, which goes after the last of them."""
        start = time.monotonic()
        total = len(cells)
        for (model, layout, optimizer), group in itertools.groupby(cells, key=lambda cell: cell[:3]):
            failed = len(self.failures)
            for *_, dp in group:
                self.cell(model, layout, optimizer, dp)
            print(f"{self.cells + len(self.failures)} of {total} cells, {time.monotonic() - start:.0f} s", flush=True)
            executable = self.built.pop((model, layout, optimizer, 1, str({})), None)
            if executable and len(self.failures) == failed:
                for path in glob.glob(glob.escape(executable) + "*"):
                    os.remove(path)


def quick():
    """A covering sample."""
    return [
        ("deep", Pipeline(2, "gpipe"), "sgd", 1),
        ("deep", Pipeline(2), "adamw", 2),
        ("deep", Pipeline(3, micro_batches=6, partition=(1, 2, 2)), "sgd", 1),
        ("deep", Pipeline(4, micro_batches=4, partition="balanced"), "sgd", 1),
        ("gpt2", Pipeline(2, micro_batches=6), "sgd", 2),
        ("gpt2", Pipeline(3, "gpipe", micro_batches=3), "adamw", 1),
        ("gpt2", Pipeline(2, "interleaved", 4, chunks=2, tensor=Layout("1d", 2)), "sgd", 1),
        ("gpt2", Pipeline(2, tensor=Layout("3d", 8, rows=24), rows=48), "sgd", 1),
        ("gpt2", Pipeline(2, tensor=Layout("sequence", 2)), "sgd", 1),
        ("gpt2", Pipeline(2, "zb-h1", tensor=Layout("2d", 4, rows=24), rows=48), "sgd", 1),
        ("deep", Pipeline(3, "zb-h2", 6), "adamw", 2),
        ("gpt2", Pipeline(2, "zbv", chunks=2), "sgd", 2),
    ]


# Of every schedule, how many chunks it may have.
CHUNKS = {"gpipe": [1], "1f1b": [1], "interleaved": [1, 2], "zb-h1": [1], "zb-h2": [1], "zbv": [2]}
LARGEST_WORLD = 32


def matrix(schedule):
    """A schedule on two to four stages with as many micro-batches, twice as many and a number that they do not divide, with
    every tensor mode inside the stages and on one and two replicas, as far as it is legal and on no more than 32 ranks. Ten
    layers are an uneven number for all stages but two without chunks. A micro-batch has four rows: what grids need."""
    cells = []
    for chunks, stages in itertools.product(CHUNKS[schedule], (2, 3, 4)):
        for micro_batches in (stages, 2 * stages, 3 * stages + 1):
            if schedule == "interleaved" and micro_batches % stages:
                continue
            common = dict(chunks=chunks, rows=4 * micro_batches, accumulation=1)
            for tensor in (ONE_RANK, *TENSORS, FLAT):
                replicas = [dp for dp in (1, 2) if stages * tensor.ranks * dp <= LARGEST_WORLD]
                if tensor == FLAT:  # stands for 2.5d where that has too many ranks with a depth
                    replicas = [dp for dp in replicas if stages * 8 * dp > LARGEST_WORLD]
                pipeline = Pipeline(stages, schedule, micro_batches, tensor=tensor, **common)
                cells += [("layers10", pipeline, "sgd", dp) for dp in replicas]
    return cells


def apart():
    """What the matrix has not: AdamW, accumulation, partitions of the user's, a sequence cut beside 1d."""
    tall = Layout("1d", 2, parts=2)
    return [
        ("gpt2", Pipeline(2, micro_batches=4, tensor=tall, rows=24), "sgd", 1),
        ("gpt2", Pipeline(2, "zb-h1", 4, tensor=tall, rows=24), "adamw", 1),
        ("gpt2", Pipeline(2, "zbv", 4, chunks=2, tensor=tall, rows=24), "sgd", 2),
        ("gpt2", Pipeline(2, micro_batches=4, tensor=Layout("1d", 2)), "adamw", 2),
        ("gpt2", Pipeline(2, "interleaved", 4, chunks=2), "adamw", 2),
        ("gpt2", Pipeline(2, "interleaved", 4, chunks=2, tensor=Layout("1d", 2, SP)), "adamw", 1),
        ("gpt2", Pipeline(2, "zb-h1"), "adamw", 1),
        ("gpt2", Pipeline(2, "zb-h2", 4, tensor=Layout("2d", 4, rows=24), rows=48), "adamw", 1),
        ("gpt2", Pipeline(4, "zb-h1", 4, tensor=Layout("3d", 8, rows=24), rows=48), "adamw", 1),
        ("deep", Pipeline(2, "zb-h1"), "sgd", 1),
        ("deep", Pipeline(3, "zb-h2", 6), "adamw", 2),
        ("deep", Pipeline(2, "interleaved", 6, chunks=2, partition=(1, 1, 2, 1)), "sgd", 1),
        ("deep", Pipeline(2, "zbv", 4, chunks=2, partition=(1, 1, 2, 1)), "sgd", 1),
        ("deep", Pipeline(4, "gpipe", 8, partition="balanced", rows=24), "adamw", 2),
    ]


def recompute():
    """Activations of attention, or of whole blocks, computed again in the backward: by calls, and by what the Model is given."""
    return [
        ("full", Pipeline(2, "zb-h1", tensor=Layout("1d", 2)), "adamw", 1),
        ("gpt2-full", Pipeline(2), "sgd", 1),
        ("gpt2-full", Pipeline(2, "interleaved", 4, chunks=2, tensor=Layout("1d", 2, SP)), "sgd", 1),
        ("selective", Pipeline(2, "zbv", 4, chunks=2), "sgd", 2),
        ("gpt2-selective", Pipeline(3, "gpipe", 3), "sgd", 1),
        ("gpt2-selective", Pipeline(2, "zb-h2", 4, tensor=Layout("2d", 4, rows=24), rows=48), "sgd", 1),
    ]


SETS = {"quick": quick, "recompute": recompute, "apart": apart}


def main():
    parser = options.Parser()
    parser.add_argument("--set", choices=[*SETS, *CHUNKS], default="quick", help="cells by hand, or the matrix of a schedule")
    parser.add_argument("--only", default="", help="cells whose name holds this")
    parser.add_argument("--dtype", default="f64")
    parser.add_argument("--algorithm", default="loop")
    parser.add_argument("--flop-slack", type=float, default=1.1)
    options.cells(parser)
    arguments = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    equality.MODELS["deep"] = dict(
        data="synthetic:97", sizes=dict(hidden=72, layers=5), defines={}, source=os.path.join(here, "Inputs", "deep.colo")
    )
    gpt2 = equality.MODELS["gpt2"]
    small = dict(gpt2["sizes"], hidden=24, heads=4, layers=10)
    equality.MODELS["layers10"] = dict(gpt2, example="gpt2", data="sparse", sizes=small)
    for name in ("gpt2", *equality.CHECKPOINTS):
        equality.MODELS[name]["sizes"]["layers"] = 4
    for name, selective in zip(RECOMPUTING, (False, True)):
        sizes = dict(gpt2["sizes"], selective=selective)
        equality.MODELS[name] = dict(gpt2, sizes=sizes, source=os.path.join(here, "Inputs", "recompute.colo"))
    suite = PipelineSuite(arguments)
    cells = SETS[arguments.set]() if arguments.set in SETS else matrix(arguments.set)
    suite.run_cells([cell for cell in cells if arguments.only in f"{cell[0]} dp={cell[3]} {cell[1]} {cell[2]}"])
    print(f"{suite.cells} cells equal, {len(suite.failures)} failed")
    return 0 if not suite.failures and suite.cells == arguments.cells else 1


if __name__ == "__main__":
    sys.exit(main())
