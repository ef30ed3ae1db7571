#!/usr/bin/python3
"""A table of what one rank holds of each parameter under each mode: its local shape and the axes of its gradient's sum.

Usage: local_shapes.py MODEL.mlir OPTIONS..., where OPTIONS are those of dist-shard, a column each.
"""

import re
import subprocess
import sys

PARAM = re.compile(r'colo\.param @"?([^" ]+)"? : tensor<(.*)x[a-z]\d+> .*reduce = \[(.*?)\]')


def column(model, options):
    passes = ["--colo-autodiff", "--dist-fold-lookups", f"--dist-pad={options}", "--colo-decompose", f"--dist-shard={options}"]
    passes += ["--dist-reshard-to-collectives", "--dist-verify", "--dist-localize"]
    text = subprocess.run(["colo-opt", model, *passes], check=True, capture_output=True, text=True).stdout
    return {name: f"{shape}{{{axes.replace(' ', '')}}}".replace('"', "") for name, shape, axes in PARAM.findall(text)}


def main():
    columns = [column(sys.argv[1], options) for options in sys.argv[2:]]
    for name in columns[0]:
        print(name, *(cells[name] for cells in columns))


if __name__ == "__main__":
    sys.exit(main())
