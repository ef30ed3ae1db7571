#!/usr/bin/python3
"""Every diagnostic of a pass or a verifier is in a test: of each call of emitError and emitOpError in lib, the longest text,
or ENOUGH characters of it in a row, stands in some file of tests; else it is in NOT_REACHED with the reason."""

import pathlib
import re
import sys

ENOUGH = 24
SUFFIXES = (".mlir", ".test", ".colo", ".cfg", ".py", ".cpp")
NOT_REACHED = {
    "axes are named by strings": "the syntax of #dist.shard gives strings",
    "each dim has a list of axes": "the syntax of #dist.shard gives lists",
    "cannot be cut as its parameters are": "guards the search: it may leave an op whole and gather what is cut",
    "bytes of shared memory for a block of threads, more than": "guards kernels, which bound what they take",
    "which cannot be made of": "guards the planner: it finds a way between any two complete shardings with equal parts",
}

CALL = re.compile(r"\bemit(?:Op)?Error\s*\(")
TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def statement(source, begin):
    """From the call to the end of what is streamed into it."""
    depth, position = 0, begin
    while position < len(source):
        text = TEXT.match(source, position)
        if text:
            position = text.end()
            continue
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(source[position], 0)
        if depth < 0 or (source[position] == ";" and depth == 0):
            break
        position += 1
    return source[begin:position]


def longest_text(call):
    """The longest of its literals, whose neighbours are one, without what a test may leave out at its ends."""
    texts, end = [], None
    for match in TEXT.finditer(call):
        text = match[1].replace('\\"', '"')
        if end is not None and not call[end : match.start()].strip():
            texts[-1] += text
        else:
            texts.append(text)
        end = match.end()
    return max((text.strip(" :,;'\"") for text in texts), key=len, default="")


def main():
    sources, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.name != "errors.py"]
    tests = "\n".join(path.read_text() for path in files)
    calls, failures, used = 0, [], set()
    for path in sorted(sources.rglob("*.cpp")):
        source = path.read_text()
        for match in CALL.finditer(source):
            text = longest_text(statement(source, match.start()))
            calls += len(text) > 0
            if text in NOT_REACHED:
                used.add(text)
            elif not any(text[i : i + ENOUGH] in tests for i in range(max(1, len(text) - ENOUGH + 1))):
                line = source.count("\n", 0, match.start()) + 1
                failures.append(f"{path.relative_to(sources)}:{line}: no test of '{text}'")
    failures += [f"no error says '{text}'" for text in sorted(set(NOT_REACHED) - used)]
    print(f"{calls} errors")
    print("\n".join(failures))
    return 1 if failures or calls < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
