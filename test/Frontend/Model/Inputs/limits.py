"""Writes model files at and past the limits of the parser into a folder."""

import sys


def write(name, text):
    with open(f"{sys.argv[1]}/{name}.colo", "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


write("deep", "x = " + "(" * 200 + "1" + ")" * 200 + "\n")
write("brackets", "x = " + "(" * 201 + "1" + ")" * 201 + "\n")
write("operators", "x = " + "-" * 501 + "1\n")
write("blocks", "".join(" " * depth + "if x:\n" for depth in range(102)) + " " * 102 + "pass\n")
write("branches", "def f(x):\n    if x:\n        pass\n" + "    elif x:\n        pass\n" * 500)
write("bytes", "#\n" * (8 << 20) + "\n")
write("tokens", "x = 1\n" * 250001)
write("utf8", b"x = 1\n# caf\xff\n")
