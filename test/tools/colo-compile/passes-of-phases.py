#!/usr/bin/python3
"""The tables of docs/design.md name the passes of each phase, for each target, as `colo-compile -v` does."""

import pathlib
import re
import subprocess
import sys


def tables(text):
    """{phase: passes} of all targets, {target: {phase: passes}} of one."""
    common, of_targets, header = {}, {}, []
    for row in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        first, *cells = [re.findall(r"`([^`]+)`", cell) for cell in row.split("|")]
        if cells and first == ["--emit"] or row.strip().startswith("target"):
            header = [cell[0] if cell else "" for cell in cells]
        elif first and header == [""]:
            common[first[0]] = cells[0]
        elif first and header:
            of_targets[first[0]] = dict(zip(header, cells))
    return common, of_targets


def main():
    page, model, headers, work = sys.argv[1:]
    common, of_targets = tables(pathlib.Path(page).read_text())
    defined = "\n".join(path.read_text() for path in sorted(pathlib.Path(headers).rglob("Passes.td")))
    ours = set(re.findall(r': \w*Pass<"([\w-]+)"', defined))
    failures, named = [], set()
    for target, more in of_targets.items():
        command = ["colo-compile", model, "-v", "--emit=obj", "-o", work] + f"--target={target}".split()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        for phase, passes in re.findall(r"^(\w+) +[0-9.]+ s (.+)$", said, re.MULTILINE):
            real = [name for name in passes.split() if name in ours]
            told = common.get(phase, []) + more.get(phase, [])
            named |= set(told)
            if real != told:
                failures.append(f"{target}, {phase}: {' '.join(real)}\n  docs/design.md: {' '.join(told)}")
    failures += [f"{name} runs in no phase" for name in sorted(ours - named)]
    print(f"{len(named)} passes")
    print("\n".join(failures))
    return 1 if failures or len(of_targets) != 3 or len(named) < 25 else 0


if __name__ == "__main__":
    sys.exit(main())
