#!/usr/bin/python3
"""Each row of --compare-modes is what --plan says for a config with that tensor group and the same global batch, in the
same pipeline."""

import os
import subprocess
import sys

import options
import planned

WORLD = 8
MICRO = 2


def beside(kind, groups):
    """Groups of 1d with a sequence beside them: (size, sequence_parallel, parts of the sequence)."""
    return [("1d", size, 1, parallel, kind, parts) for size, parallel, parts in groups]


# model, sizes, pipeline stages, rows of the whole world, and the groups that are legal: (mode, size, depth, sequence_parallel), where a
# sequence is beside it its mode and size too.
EVERYWHERE = [("none", 1, 1, False)]
HYBRIDS = [(size, parallel, parts) for size in (2, 4) for parallel in (False, True) for parts in (2, 4) if size * parts <= WORLD]
CASES = [
    ("gpt2", "dict(vocab=50, seq=24, hidden=72, heads=12, layers=2)", 1, 64, EVERYWHERE + [
        ("1d", 2, 1, False), ("1d", 2, 1, True), ("1d", 4, 1, False), ("1d", 4, 1, True),
        *beside("ring", HYBRIDS),
        *beside("ulysses", [(2, False, 2), (2, True, 2)]),
        ("2d", 4, 1, False),
        ("2.5d", 2, 2, False), ("2.5d", 4, 1, False), ("2.5d", 4, 4, False), ("2.5d", 8, 2, False),
        ("2.5d", 8, 8, False),
        ("3d", 8, 1, False),
        ("sequence", 2, 1, False), ("sequence", 4, 1, False),
        ("ulysses", 2, 1, False), ("ulysses", 4, 1, False),
    ]),
    ("gpt2", "dict(vocab=50, seq=24, hidden=72, heads=12, layers=2)", 2, 64, EVERYWHERE + [
        ("1d", 2, 1, False), ("1d", 2, 1, True), ("1d", 4, 1, False), ("1d", 4, 1, True),
        *beside("ring", [(2, False, 2), (2, True, 2)]),
        *beside("ulysses", [(2, False, 2), (2, True, 2)]),
        ("2d", 4, 1, False),
        ("2.5d", 2, 2, False), ("2.5d", 4, 1, False), ("2.5d", 4, 4, False),
        ("sequence", 2, 1, False), ("sequence", 4, 1, False),
        ("ulysses", 2, 1, False), ("ulysses", 4, 1, False),
    ]),
    # Eight ranks cannot share the 12 heads of gpt2 nor halve their parts of its sequence, and here no sequence is cut.
    ("mlp", "dict(hidden=72)", 1, 32, EVERYWHERE + [
        ("1d", 2, 1, False), ("1d", 2, 1, True), ("1d", 4, 1, False), ("1d", 4, 1, True), ("1d", 8, 1, False),
        ("1d", 8, 1, True),
        *(group for kind in ("ring", "ulysses") for group in beside(kind, HYBRIDS)),
        ("2d", 4, 1, False),
        ("2.5d", 2, 2, False), ("2.5d", 4, 1, False), ("2.5d", 4, 4, False), ("2.5d", 8, 2, False),
        ("2.5d", 8, 8, False),
        ("3d", 8, 1, False),
        ("sequence", 2, 1, False), ("sequence", 4, 1, False), ("sequence", 8, 1, False),
        ("ulysses", 2, 1, False), ("ulysses", 4, 1, False), ("ulysses", 8, 1, False),
    ]),
]


def tensor_of(row):
    if row["mode"] == "none":
        return ""
    text = f"size={row['size']}, mode='{row['mode']}'"
    text += f", depth={row['depth']}" if row["mode"] == "2.5d" else ""
    text += ", sequence_parallel=True" if row["sequence_parallel"] else ""
    if row["sequence_size"] > 1:
        text += f"), sequence=dict(size={row['sequence_size']}, mode='{row['sequence_mode']}'"
    return text


def group_of(row):
    group = tuple(row[key] for key in ("mode", "size", "depth", "sequence_parallel"))
    return group + ((row["sequence_mode"], row["sequence_size"]) if row["sequence_size"] > 1 else ())


def check_row(arguments, model, sizes, stages, rows, row):
    config = os.path.join(arguments.work, "row.cfg")
    planned.write_config(config, tensor_of(row), rows // row["data"], MICRO, f"model = {sizes}", stages)
    plan = planned.read_json(planned.compiler(arguments.examples, model, config, "--plan=json", f"--world-size={WORLD}"))
    most = max(planned.planned_by_rank(plan))
    wanted = dict(
        memory=plan["memory"],
        flops=plan["flops"],
        data=plan["replicas"],
        bytes_per_step=most.bytes,
        messages_per_step=most.messages,
    )
    wrong = {key: (row[key], value) for key, value in wanted.items() if row[key] != value}
    if wrong:
        print(f"{model} {tensor_of(row)}: (table, plan) {wrong}")
    return not wrong


def check_text(text, table):
    """The readable form has a line for each row with the same numbers, and a reason for each that is not legal."""
    wanted = []
    for row in table["modes"]:
        if "not_legal" not in row:
            wanted.append([str(row[key]) for key in ("size", "sequence_size", "data", "bytes_per_step", "messages_per_step")])
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 11 and words[-1].count("e+"):
            numbers = words[-12:]
            found.append([*numbers[:3], *numbers[9:11]])
    reasons = sum(": " in line and line.startswith("  ") for line in text.splitlines())
    return found == wanted and len(wanted) + reasons == len(table["modes"])


def main():
    arguments = options.parse()
    failures = 0
    for model, sizes, stages, rows, legal in CASES:
        # The config's own tensor group only says what the global batch is. Three ranks divide no world of eight: of such
        # groups as many replicas train as fit.
        config = os.path.join(arguments.work, "own.cfg")
        replicas = WORLD // (stages * 3)
        planned.write_config(config, "size=3, mode='1d'", rows // replicas, MICRO, f"model = {sizes}", stages)
        command = planned.compiler(arguments.examples, model, config, f"--world-size={WORLD}")
        table = planned.read_json([*command, "--compare-modes=json"])
        text = subprocess.run([*command, "--compare-modes"], check=True, capture_output=True, text=True).stdout
        again = subprocess.run([*command, "--compare-modes"], check=True, capture_output=True, text=True).stdout
        groups = [group_of(row) for row in table["modes"] if "not_legal" not in row]
        if groups != legal:
            print(f"{model}: legal are {groups}, expected {legal}")
            failures += 1
        if table["global_batch_rows"] != rows or text != again or not check_text(text, table):
            print(f"{model}: {table['global_batch_rows']} rows; the table:\n{text}")
            failures += 1
        for row in table["modes"]:
            if "not_legal" not in row:
                failures += not check_row(arguments, model, sizes, stages, rows, row)
    print("rows and plans agree" if not failures else f"{failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
