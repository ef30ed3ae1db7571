#!/usr/bin/python3
"""The commands of README.md and docs/ run as printed, but for fewer steps; the README's model compiles with its config."""

import argparse
import os
import re
import subprocess
import sys

# The suite, of which this is a part.
LEFT_OUT = ("bash scripts/test.sh",)


def code_of(text):
    """Fenced blocks with their language, and code in lines."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return fences, inline


def is_command(line, start):
    return re.match(start, line) and "…" not in line and line not in LEFT_OUT


def commands_of(text):
    """Of blocks of shell the lines that run something of colo's or make what it reads, those joined that a backslash
    breaks; of code in lines what starts with one of its tools."""
    fences, inline = code_of(text)
    blocks = [re.sub(r"\\\n\s*", "", block) for language, block in fences if language == "sh"]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if is_command(line, r"build/|bible |bash scripts/")]
    return commands + [line for line in inline if is_command(line, r"build/bin/\S")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True, help="the repository, whose build is in build/")
    parser.add_argument("--work", required=True)
    parser.add_argument("--commands", type=int, required=True, help="how many there must be")
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    pages = [os.path.join(arguments.source, "README.md")]
    docs = os.path.join(arguments.source, "docs")
    pages += [os.path.join(docs, name) for name in sorted(os.listdir(docs)) if name.endswith(".md")]
    commands, files = [], {}
    for page in pages:
        with open(page) as file:
            text = file.read()
        commands += commands_of(text)
        for _, block in code_of(text)[0]:
            if name := re.match(r"# (\w+\.(colo|cfg))\n", block):
                files[name[1]] = block
    for name, block in files.items():
        with open(os.path.join(arguments.work, name), "w") as file:
            file.write(block)
    model, config = (os.path.join(arguments.work, name) for name in ("mlp.colo", "parallel.cfg"))
    commands.append(f"build/bin/colo-compile {model} --config {config} -o {arguments.work}/mlp")
    for command in commands:
        print(command, flush=True)
        short = re.sub(r"--steps=\d+", "--steps=2", command)
        subprocess.run(["bash", "-euc", short], cwd=arguments.source, env={**os.environ, "STEPS": "2"}, check=True)
    print(f"{len(commands)} commands")
    return 0 if len(commands) == arguments.commands else 1


if __name__ == "__main__":
    sys.exit(main())
