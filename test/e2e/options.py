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


def parse():
    """What a script without options of its own gets."""
    return Parser().parse_args()
