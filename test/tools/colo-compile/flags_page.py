#!/usr/bin/python3
"""flags_page.py PAGE: the tables of the page have exactly the flags, with their values, of the --help on standard input."""

import re
import sys

with open(sys.argv[1]) as file:
    rows = re.findall(r"^\| `(-[^`]*)` \|", file.read(), re.MULTILINE)
page = sorted(row.replace(r"\|", "|") for row in rows)
told = sorted(re.findall(r"^  (-\S+(?: <\S+)?)", sys.stdin.read(), re.MULTILINE))
for flag in sorted(set(page) ^ set(told)):
    print(flag, "is in --help alone" if flag in told else "is on the page alone")
sys.exit(page != told or len(told) < 20)
