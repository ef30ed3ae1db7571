#!/usr/bin/python3
"""What can be told of a program's GPU kernels without a GPU: a table of bytes, flops, registers, shared memory and occupancy.

    python3 benchmarks/gpu_kernels.py MODEL CONFIG [FLAG ...]     (needs build/, and ptxas for registers; flags of colo-compile)

The bodies of the kernels, as --emit=rt prints them, are walked by the threads of the first, a middle and the last block. Bytes are what these
ask of global memory, over the least: every operand that is read, once, and every one that is written, once; where fewer bytes are asked for
(rows of a table), those. Loops take their first trip as often as they go round; a branch on data counts as taken. A while goes through the hits
among 32 ids, each of which is a hit of one block: 32 trips in all blocks together. Last comes what a training step's kernels, without the
optimizer's, and products read and write by the host program, each operand and result of each once.
"""

import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
COMPILER = os.path.join(ROOT, "build", "bin", "colo-compile")
PTXAS = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"
# CUDA's programming guide: threads, blocks, registers and shared memory (with 1 KiB for each block) of a multiprocessor.
LIMITS = {"sm_80": (2048, 32, 65536, 164 << 10), "sm_90": (2048, 32, 65536, 228 << 10)}
INTEGER = {"addi": "+", "subi": "-", "muli": "*", "divui": "//", "divsi": "//", "remui": "%", "remsi": "%", "andi": "&", "ori": "|",
           "xori": "^", "shli": "<<", "shrui": ">>"}  # fmt: skip
COMPARE = {"eq": "==", "ne": "!=", "ult": "<", "slt": "<", "ule": "<=", "sle": "<=", "ugt": ">", "sgt": ">", "uge": ">=", "sge": ">="}
FLOPS = {"addf": 1, "subf": 1, "mulf": 1, "divf": 1, "maximumf": 1, "minimumf": 1, "negf": 0}


def width_of(type_):
    return max(1, int(re.search(r"\d+", type_).group(0)) // 8)


def python_name(value):
    return "v_" + re.sub(r"\W", "_", value[1:])


class Walk:
    """Python that counts for one thread, made of the text of a gpu.func."""

    def __init__(self, arguments, numbers):
        self.lines = ["def walk(block, blocks, thread, count):", " n = 1"]
        self.depth, self.stack = 1, []
        self.known, self.scopes = set(), []
        for name, type_ in arguments:
            if not type_.startswith("memref"):
                self.define(name, str(numbers.get(name, 0)))

    def write(self, text):
        self.lines.append(" " * self.depth + text)

    def define(self, name, text):
        self.known.add(name)
        self.write(f"{python_name(name)} = {text}")

    def use(self, name):
        return python_name(name) if name in self.known else "None"

    def open(self, text, closing=None):
        self.write(text)
        self.stack.append(closing)
        self.scopes.append(set(self.known))
        self.depth += 1
        self.write("pass")

    def line(self, text):
        match = re.match(r"(?:(%[\w-]+)(?:, %[\w-]+|:\d+)* = )?([\w.]+)(.*)", text)
        if text.startswith("}"):
            # What is defined inside is not seen outside.
            closing, self.known = self.stack.pop(), self.scopes.pop()
            goes_on = text.startswith("} do")
            if closing and not goes_on:
                self.write(closing)
            self.depth -= 1
            if text.endswith("{"):
                self.open("else:" if "else" in text else "if True:", closing if goes_on else None)
            return
        if text.startswith("^"):
            return
        if not match:
            raise ValueError(text)
        result, op, rest = match.groups()
        names = re.findall(r"%[\w-]+", rest)
        dialect, name = op.split(".", 1)
        if op == "scf.for":
            lower, upper, step = map(self.use, names[1:4])
            trips = f"t{self.depth}"
            self.write(f"{trips} = 1 if None in ({lower}, {upper}, {step}) else max(0, -(({lower} - {upper}) // {step}))")
            self.open(f"if {trips}:", f"n //= {trips}")
            self.write(f"n *= {trips}")
            self.define(names[0], lower)
        elif op == "scf.if":
            self.open(f"if {self.use(names[0])} is not False:")
        elif op == "scf.while":
            whole = f"n{self.depth}"
            self.write(f"{whole} = n")
            self.open("if True:", f"n = {whole}")
            self.write("n *= 32 / blocks")
        elif op in ("gpu.thread_id", "gpu.block_id"):
            self.define(result, op[4:-3])
        elif op == "arith.constant":
            value = re.match(r" (-?\d+) : (?:index|i\d+)$", rest)
            if value:
                self.define(result, value.group(1))
            elif rest.strip() in ("true", "false"):
                self.define(result, rest.strip().capitalize())
        elif dialect == "memref" and name in ("load", "store") and "workgroup" not in rest:
            memref = names[0 if name == "load" else 1]
            size = width_of(re.search(r"x(\w+?)(?:,|>)", rest[rest.index("memref<") :]).group(1))
            self.write(f"count[{name!r}, {memref!r}] += n * {size}")
        elif dialect == "arith" and name in INTEGER or name in ("minsi", "maxsi", "minui", "maxui"):
            a, b = map(self.use, names[:2])
            operation = f"{a} {INTEGER[name]} {b}" if name in INTEGER else f"{name[:3]}({a}, {b})"
            self.define(result, f"None if {a} is None or {b} is None else {operation}")
        elif op == "arith.cmpi":
            a, b = map(self.use, names[:2])
            self.define(result, f"None if {a} is None or {b} is None else {a} {COMPARE[rest.split(',')[0].strip()]} {b}")
        elif op == "arith.select":
            c, a, b = map(self.use, names[:3])
            self.define(result, f"{a} if {c} else {b}")
        elif op in ("arith.index_cast", "arith.index_castui", "arith.extui", "arith.extsi", "arith.trunci"):
            self.define(result, self.use(names[0]))
        elif dialect == "arith" and name in FLOPS or dialect == "math":
            self.write(f"count['flops'] += n * {2 if name == 'fma' else FLOPS.get(name, 1)}")
        elif "mma.m" in rest:
            m, n, k = (int(size) for size in re.search(r"mma\.m(\d+)n(\d+)k(\d+)", rest).groups())
            self.write(f"count['flops'] += n * {2 * m * n * k} / 32")

    def compile(self):
        scope = {}
        exec("\n".join(self.lines), scope)
        return scope["walk"]


class Count(dict):
    def __missing__(self, key):
        return 0


def kernels(text):
    """Each kernel's name, arguments and body."""
    for match in re.finditer(r"^    gpu\.func @(\S+?)\((.*?)\)(?: workgroup.*?| )?kernel attributes.*?\{\n(.*?)^    \}", text, re.M | re.S):
        name, arguments, body = match.groups()
        yield name, re.findall(r"(%[\w-]+): (memref<[^>]*>|\w+)", arguments), body.splitlines()


def launches(text):
    """Of each kernel: threads of a block, blocks of its largest launch, and the constants that this passes (of other numbers 0 is taken)."""
    forms, found = {}, {}
    for match in re.finditer(r"func\.func private @(\S+?)\(.*?rt\.extent = (\d+) : i64.*rt\.threads = (\d+)", text):
        forms[match[1]] = int(match[2]), int(match[3])
    for match in re.finditer(r"rt\.launch @(\S+?)\((.*?)\) (.*)", text):
        if match[1] not in forms:
            continue
        extent = re.search(r"\{extent = (\d+)", match[3])
        blocks, threads = int(extent[1]) if extent else forms[match[1]][0], forms[match[1]][1]
        constants = [re.fullmatch(r"%c(\d+)(?:_\d+)?", operand) for operand in match[2].split(", ")]
        numbers = {f"%arg{i}": int(constant[1]) for i, constant in enumerate(constants) if constant}
        found[match[1]] = max(found.get(match[1], (threads, 0, {})), (threads, blocks, numbers), key=lambda launch: launch[1])
    return found


def counted(body, arguments, threads, blocks, numbers):
    """Bytes by kind and operand, and flops, of a launch."""
    walk = Walk(arguments, numbers)
    for line in body:
        walk.line(line.strip())
    run, total = walk.compile(), Count()
    samples = sorted({0, blocks // 2, blocks - 1})
    for block in samples:
        for thread in range(threads):
            run(block, blocks, thread, total)
    return {key: value * blocks / len(samples) for key, value in total.items()}


def least(count, arguments):
    """Bytes of every operand that is read and of every one that is written."""
    size = {name: int(re.match(r"memref<(\d+)x", type_)[1]) * width_of(type_.split("x")[-1])
            for name, type_ in arguments if type_.startswith("memref")}  # fmt: skip
    return sum(min(value, size[key[1]]) for key, value in count.items() if key != "flops")


def size_of(memref):
    dims, element = re.match(r"memref<((?:\d+x)*)([^,>]+)", memref).groups()
    return math.prod(int(dim) for dim in dims.split("x")[:-1]) * width_of(element)


def actions(text):
    """Of each host function, what it does: (how often, `launch` or `product` and bytes, or `call` and a function's name)."""
    functions, body = {}, None
    for line in map(str.strip, text.splitlines()):
        opened = re.match(r"func\.func (?:private )?@(\S+?)\(.*\{$", line)
        if opened:
            body, times, known = functions.setdefault(opened[1], []), [1], {}
        elif body is None:
            continue
        elif line == "}" or line.startswith("} "):
            times.pop()
            body = body if times else None
        elif line.endswith("{"):
            loop = re.search(r"scf\.for %\S+ = (%\S+) to (%\S+) step", line)
            trips = known.get(loop[2], 1) - known.get(loop[1], 0) if loop else 1
            times.append(times[-1] * trips)
        elif constant := re.match(r"(%\S+) = arith\.constant (\d+) : index", line):
            known[constant[1]] = int(constant[2])
        elif call := re.search(r"\bcall @(\S+?)\(", line):
            body.append((times[-1], "call", call[1]))
        elif made := re.match(r"rt\.(gemm|launch @(?!optimizer\.)) ?", line):
            bytes_ = sum(map(size_of, re.findall(r"memref<(?:[^<>]|<[^<>]*>)*>", line)))
            body.append((times[-1], "product" if made[1] == "gemm" else "launch", bytes_))
    return functions


def step(functions, name="colo_step"):
    """Launches, products and bytes of a function and of those that it calls."""
    total = Count()
    for times, kind, what in functions[name]:
        inner = step(functions, what) if kind == "call" else {kind: 1, "bytes": what}
        for key, value in inner.items():
            total[key] += times * value
    return total


def registers(program, work):
    """Of each device: of each kernel registers and bytes of shared memory."""
    found = {}
    if not os.access(PTXAS, os.X_OK):
        return found
    for device in LIMITS:
        command = [PTXAS, "-v", f"-arch={device}", program, "-o", os.path.join(work, "cubin")]
        log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        for name, used in re.findall(r"Compiling entry function '([^']*)'.*?(Used.*?)$", log, re.M | re.S):
            shared = re.search(r"(\d+) bytes smem", used)
            found.setdefault(name, {})[device] = int(re.search(r"Used (\d+) registers", used)[1]), int(shared[1]) if shared else 0
    return found


def occupancy(device, threads, used, shared):
    """The share of a multiprocessor's threads that blocks of this kernel can be."""
    most, blocks, file, memory = LIMITS[device]
    warps = threads // 32
    per_warp = (used * 32 + 255) // 256 * 256
    return min(most // threads, blocks, file // per_warp // warps, memory // (shared + 1024)) * threads / most


def main():
    model, config, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        texts = {}
        for phase in ("rt", "ptx"):
            path = os.path.join(work, phase)
            subprocess.run([COMPILER, model, "--config", config, "--target=cuda", *flags, f"--emit={phase}", "-o", path], check=True)
            with open(path) as file:
                texts[phase] = file.read()
        used = registers(os.path.join(work, "ptx"), work)
    forms, ratios = launches(texts["rt"]), []
    print("| kernel | blocks x threads | MB, least | bytes over least | Mflop | registers, sm_80 / sm_90 | shared memory | threads that fit |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, arguments, body in kernels(texts["rt"]):
        if name not in forms:
            continue
        threads, blocks, numbers = forms[name]
        count = counted(body, arguments, threads, blocks, numbers)
        bytes_, ideal = sum(value for key, value in count.items() if key != "flops"), least(count, arguments)
        ratio = bytes_ / ideal if ideal else 1
        ratios += [ratio] if ideal > 1e6 else []
        told = used.get(name.replace(".", "$"), {})
        of_devices = [(device, *told[device]) for device in LIMITS if device in told]
        print(f"| {name} | {blocks} x {threads} | {ideal / 1e6:.3f} | {ratio:.2f} | {count.get('flops', 0) / 1e6:.2f} | "
              + " / ".join(str(registers) for _, registers, _ in of_devices) + " | " + (f"{of_devices[0][2]}" if of_devices else "") + " | "
              + " / ".join(f"{100 * occupancy(device, threads, *rest):.0f}%" for device, *rest in of_devices) + " |")  # fmt: skip
    print(f"\n{len(forms)} kernels, {len(ratios)} of more than 1 MB", end="")
    print(f": bytes over least {statistics.median(ratios):.2f} in the median, {max(ratios):.2f} at most" if ratios else "")
    total = step(actions(texts["rt"]))
    print(f"a step without its optimizer: {total['launch']} launches, {total['product']} products, {total['bytes'] / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
