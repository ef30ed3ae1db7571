"""The command line that the scripts of these tests share."""

import argparse
import os


def parse():
    """The folder of the examples and one to work in, which then exists."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", required=True)
    parser.add_argument("--work", required=True)
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    return arguments
