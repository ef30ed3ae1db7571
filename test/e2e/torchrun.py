#!/usr/bin/python3
"""PyTorch's launcher. Under Python 3.11 that of PyTorch 1.13, as Debian has it, does not read its own default of a flag: it looks
for it among an enumeration's members, of which zero is none any more."""

from torch.distributed.elastic.multiprocessing.api import Std
from torch.distributed.run import main

if Std.from_str("0") is None:
    Std.from_str = classmethod(lambda cls, text: cls(int(text)))

if __name__ == "__main__":
    main()
