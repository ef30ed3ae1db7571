#!/usr/bin/python3
"""The tables of docs/language.md have every function and layer of Prelude.colo: by its groups and in its order, with
signatures, and functions with the first sentence of their descriptions."""

import difflib
import pathlib
import re
import sys


def of_prelude(text):
    """(group, signature, first sentence; of a layer None) of each."""
    rows, group = [], None
    item = r"^# --- ([^\n]+?) -+$|^def (\w+\([^\n]*\)):\n    \"\"\"(.*?)\"\"\"|^class (\w+)\(Module, ([^\n]*)\):$"
    for heading, function, description, layer, options in re.findall(item, text, re.MULTILINE | re.DOTALL):
        group = heading or group
        sentence = re.split(r"(?<=[.…]) (?=[A-Z])", " ".join(description.split()))[0]
        # What is there for another function refers to that.
        if function and not sentence.startswith("See "):
            rows.append((group, function, sentence))
        if layer:
            rows.append((group, f"{layer}({options})", None))
    return rows


def of_page(text):
    rows, group = [], None
    for heading, signature, meaning in re.findall(r"^### (.+)$|^\| `(\w+\(.*?\))` \| (.+) \|$", text, re.MULTILINE):
        group = heading or group
        if signature:
            rows.append((group, signature, meaning))
    return rows


def main():
    prelude, page = (pathlib.Path(name).read_text() for name in sys.argv[1:])
    expected, told = of_prelude(prelude), of_page(page)
    layers = {signature for _, signature, sentence in expected if sentence is None}
    lines = [[" | ".join([group, f"`{signature}`", "" if signature in layers else meaning]) for group, signature, meaning in rows]
             for rows in (told, expected)]
    print(f"{len(expected) - len(layers)} functions, {len(layers)} layers")
    print("\n".join(difflib.unified_diff(*lines, "docs/language.md", "Prelude.colo", lineterm="")))
    return 1 if lines[0] != lines[1] or len(expected) < 60 else 0


if __name__ == "__main__":
    sys.exit(main())
