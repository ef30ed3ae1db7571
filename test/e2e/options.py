"""The command line that the scripts of these tests share."""

import argparse
import os


class Parser(argparse.ArgumentParser):
    """Takes the folder of the examples and one to work in, which exists after parsing; a script adds its own options."""

    def __init__(self):
        super().__init__()
        self.add_argument("--examples", required=True)
        self.add_argument("--work", required=True)

    def parse_args(self, *arguments, **keywords):
        result = super().parse_args(*arguments, **keywords)
        os.makedirs(result.work, exist_ok=True)
        return result


def cells(parser):
    """Adds how many comparisons a script has to make: a matrix whose cells vanish fails."""
    parser.add_argument("--cells", type=int, required=True, help="the number of cells that must have been equal")


class Failure(Exception):
    """What a comparison found to differ."""


def require(holds, message):
    if not holds:
        raise Failure(message)


def compare(arguments, cells, check, outcome):
    """Checks each cell, a tuple of which the first thing names it, and says how many hold; the exit code."""
    equal = 0
    for cell in cells:
        try:
            check(arguments, *cell)
            equal += 1
        except Failure as failure:
            print(f"{cell[0]}: {failure}", flush=True)
    print(f"{equal} of {len(cells)} {outcome}")
    return 0 if equal == len(cells) == arguments.cells else 1


def parse():
    """What a script without options of its own gets."""
    return Parser().parse_args()
