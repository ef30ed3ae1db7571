#!/usr/bin/python3
"""Prints the seconds of compiling a 96-layer GPT for 8 to 65536 ranks in each mode. Not a test: machines are noisy.

    python3 benchmarks/compile_ranks.py [MODE…]            (needs build/; modes as in test/e2e/growth_ranks.py)
"""

import argparse
import os
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
os.environ["PATH"] = os.path.join(ROOT, "build", "bin") + os.pathsep + os.environ["PATH"]

import growth_ranks


def main():
    with tempfile.TemporaryDirectory() as work:
        arguments = argparse.Namespace(examples=os.path.join(ROOT, "examples"), work=work)
        print(f"{'mode':10}" + "".join(f"{world:>12}" for world in growth_ranks.WORLDS))
        for mode in sys.argv[1:] or growth_ranks.MODES:
            seconds = []
            for world in growth_ranks.WORLDS:
                begin = time.monotonic()
                growth_ranks.measure(arguments, mode, world)
                seconds.append(time.monotonic() - begin)
            print(f"{mode:10}" + "".join(f"{value:10.2f} s" for value in seconds), flush=True)


if __name__ == "__main__":
    main()
