#!/usr/bin/python3
"""samples.py SOURCE COUNT [--update]: what README.md and docs/ show that a command prints, it prints.

A sample is a block of console: a line "$ COMMAND", run from the repository's folder, then its output; a line of … alone stands for any
lines. There are COUNT samples. --update writes the output into those without such a line.
"""

import glob
import os
import re
import subprocess
import sys

GAP = "…\n"


def matches(shown, printed):
    lines = (r"(?:.*\n)*?" if line.strip() + "\n" == GAP else re.escape(line) for line in shown.splitlines(keepends=True))
    return re.fullmatch("".join(lines), printed) is not None


def main():
    source, count, update = sys.argv[1], int(sys.argv[2]), "--update" in sys.argv
    samples = failures = 0
    for page in [os.path.join(source, "README.md"), *sorted(glob.glob(os.path.join(source, "docs", "*.md")))]:
        with open(page) as file:
            text = file.read()
        for command, shown in re.findall(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", text, re.MULTILINE):
            samples += 1
            result = subprocess.run(["bash", "-euc", command], cwd=source, capture_output=True, text=True, check=True)
            if matches(shown, result.stdout):
                continue
            failures += 1
            print(f"{os.path.basename(page)}: {command} does not print what is shown, but\n{result.stdout}", flush=True)
            if update and GAP not in shown:
                text = text.replace(f"$ {command}\n{shown}```", f"$ {command}\n{result.stdout}```")
        if update:
            with open(page, "w") as file:
                file.write(text)
    print(f"{samples} samples, {failures} differ")
    return 1 if failures or samples != count else 0


if __name__ == "__main__":
    sys.exit(main())
