#!/usr/bin/python3
"""Every op and every pass that the .td files define, and every pass of ours that colo-opt lists, has a section in the reference
that TableGen wrote, with a summary."""

import os
import pathlib
import re
import subprocess
import sys


def main():
    folder, sources, failures = sys.argv[1], sys.argv[2], []
    pages = {name: open(os.path.join(folder, name)).read() for name in sorted(os.listdir(folder)) if name.endswith(".md")}
    text = "\n".join(pages.values())
    described = set(re.findall(r"^### `-?([\w.-]+)`.*\n\n_.+_$", text, re.MULTILINE))
    sections = set(re.findall(r"^### `-?([\w.-]+)`", text, re.MULTILINE))
    failures += [f"{name} has no summary" for name in sorted(sections - described)]
    listed = subprocess.run(["colo-opt", "--help"], check=True, capture_output=True, text=True).stdout
    passes = set(re.findall(r"^\s+--((?:colo|dist|pipe|rt)-[\w-]+)\s+-", listed, re.MULTILINE))
    defined = "\n".join(path.read_text() for path in sorted(pathlib.Path(sources).rglob("*.td")))
    passes |= set(re.findall(r': Pass<"([\w-]+)"', defined))
    failures += [f"--{name} is in no page" for name in sorted(passes - sections)]
    operations = {name for name in sections if "." in name}
    mnemonics = re.findall(r'^def (Colo|Dist|Pipe|Rt)_\w+ : \w*Op<"([\w.]+)"', defined, re.MULTILINE)
    failures += [f"{dialect.lower()}.{name} is in no page" for dialect, name in mnemonics if f"{dialect.lower()}.{name}" not in operations]
    print(f"{len(operations)} ops, {len(passes)} passes")
    print("\n".join(failures))
    return 1 if failures or len(operations) < 100 or len(passes) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
