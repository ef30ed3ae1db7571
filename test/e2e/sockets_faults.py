#!/usr/bin/python3
"""What goes wrong among processes that no MPI connects ends all of them soon, with exit code 2 and a line that says what it was."""

import os
import time

import emulate
import options
import sockets

SOON = 60 # seconds; ranks wait 600 for each other
RANKS = 4


def end(processes, *said):
    """Each process ends by itself, having said its line."""
    for process, line in zip(processes, said, strict=True):
        output, _ = process.communicate(timeout=SOON)
        options.require(process.returncode == 2, f"exit {process.returncode}, not 2: {output}")
        options.require(line in output, f"'{line}' is not what it says:\n{output}")


def killed(train, base):
    """Rank 0 names the rank whose process has ended, and the others that one or rank 0, whatever they are doing."""
    flags, environment = sockets.place("environment", base)
    log = base + ".log"
    with open(log, "w"):
        pass # what an earlier run has left
    with sockets.started([[*train, *flags, "--steps=1000000", f"--log={log}"]] * RANKS, **environment) as processes:
        begun = time.monotonic()
        while not os.path.getsize(log):
            options.require(time.monotonic() - begun < SOON, "no step is made")
            time.sleep(0.02)
        dead = processes[2]
        dead.kill()
        dead.wait()
        end([process for process in processes if process is not dead], "colo: error: rank 2, at 127.0.0.1, has ended",
            *(f"colo: error: rank {rank} stops: rank " for rank in (1, 3)))


def another_program(train, base):
    flags, environment = sockets.place("file", base)
    commands = [[*train, *flags], None, None, [base + ".other", *train[1:], *flags]]
    said = "runs another program than rank 0"
    with sockets.started(commands, **environment) as processes:
        end(processes, said, said)


def missing(train, base):
    flags, environment = sockets.place("address", base)
    command = [*train, *flags, "--comm-timeout=2"]
    with sockets.started([command, command, None, None], **environment) as processes:
        end(processes, "for ranks 2, 3", "ended before all ranks had met")


def no_place(train, _):
    with sockets.started([train] * RANKS) as processes:
        end(processes, *["colo: error: processes without MPI need a place to meet: MASTER_ADDR and MASTER_PORT"] * RANKS)


def check(arguments, _, fault):
    base = os.path.join(arguments.work, fault.__name__)
    examples = os.path.join(arguments.examples, "mlp")
    for name, flags in ((base, []), (base + ".other", ["-D", "hidden=24"])):
        emulate.run(["colo-compile", os.path.join(examples, "mlp.colo"), "--config", os.path.join(examples, "1d.cfg"), *flags, "-o", name])
    fault([base, "--data=synthetic:64", "--quiet", "--threads=1"], base)


def main():
    parser = options.Parser()
    options.cells(parser)
    arguments = parser.parse_args()
    faults = (killed, another_program, missing, no_place)
    return options.compare(arguments, [(fault.__name__, fault) for fault in faults], check, "end as they should")


if __name__ == "__main__":
    raise SystemExit(main())
