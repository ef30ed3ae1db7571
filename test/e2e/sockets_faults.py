#!/usr/bin/python3
"""What goes wrong among processes that no MPI connects ends all of them soon, with exit code 2 and a line that says what it was."""

import os
import re
import signal
import socket
import time

import emulate
import options
import sockets

SOON = 60 # seconds; ranks wait 600 for each other
RANKS = 4


def end(processes, *said):
    """Each process ends by itself, having said its line, which a regular expression may be."""
    for process, line in zip(processes, said, strict=True):
        output, _ = process.communicate(timeout=SOON)
        options.require(process.returncode == 2, f"exit {process.returncode}, not 2: {output}")
        options.require(line.search(output) if isinstance(line, re.Pattern) else line in output, f"'{line}' is not what it says:\n{output}")


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


def other_flags(train, base):
    """All say who was told what."""
    flags, environment = sockets.place("environment", base)
    train = [*train, "--steps=1", "--seed=3"]
    for flag, said in (("--steps=7", "with --steps=7, rank 0 with --steps=1"), ("--seed=7", "with --seed=7, rank 0 with --seed=3"),
                       ("--data=synthetic:65", "with --data of 65 records, rank 0 with --data of 64 records"),
                       ("--check-replicas", "with --check-replicas, rank 0 without --check-replicas"),
                       (f"--export={base}.model", "with --export, rank 0 without --export")):
        told = [*(each for each in train if not each.startswith(flag.split("=")[0])), flag]
        with sockets.started([[*train, *flags]] * 3 + [[*told, *flags]], **environment) as processes:
            end(processes, *[f"colo: error: rank 3 was started {said}\n"] * RANKS)


def succeed(processes):
    for process in processes:
        output, _ = process.communicate(timeout=SOON)
        options.require(process.returncode == 0, f"exit {process.returncode}: {output}")


def stopped(train, _):
    """Rank 0 answers late: the others have come twice by then."""
    port = sockets.free_port()
    command = [*train, f"--rendezvous=tcp://127.0.0.1:{port}", "--steps=1"]
    with sockets.started([command, *[None] * (RANKS - 1)]) as first:
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        first[0].send_signal(signal.SIGSTOP)
        with sockets.started([None, *[command] * (RANKS - 1)]) as others:
            time.sleep(5) # they are patient for three
            first[0].send_signal(signal.SIGCONT)
            succeed([*first, *others])


def few_files(train, base):
    """What a process may open is raised as far as the system allows; an error where that is too little."""
    def limited(which):
        return ["sh", "-c", f'ulimit {which} 20; exec "$@"', "sh", *train, "--steps=1", f"--rendezvous=file://{base}.meeting"]
    with sockets.started([limited("-n")] * RANKS) as processes:
        end(processes, *(f"colo: error: rank {rank} may open 20 files, but 4 ranks" for rank in range(RANKS)))
    with sockets.started([limited("-Sn")] * RANKS) as processes:
        succeed(processes)


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
        end(processes, *["for ranks 2, 3"] * 2)


def wrong_data(train, base):
    """A rank that finds its data wrong, before ranks meet, says it, and all others end with what it says."""
    wrong = [f"--data={base}.none" if each.startswith("--data=") else each for each in train]
    said = f"{base}.none: No such file or directory\n"
    for kind in ("environment", "address", "file"):
        flags, environment = sockets.place(kind, base)
        for failing, who in ((0, "rank 0"), (2, "rank 2, at [0-9.]+,")): # a file has the address of an interface
            commands = [[*(wrong if rank == failing else train), *flags] for rank in range(RANKS)]
            with sockets.started(commands, **environment) as processes:
                output, _ = processes[failing].communicate(timeout=SOON)
                options.require(processes[failing].returncode == 1 and output.endswith(said), f"'{output}' is not '{said}'")
                end([process for process in processes if process is not processes[failing]],
                    *[re.compile(f"^colo: error: {who} does not come: {re.escape(said)}$")] * (RANKS - 1))


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
    faults = (killed, other_flags, stopped, few_files, another_program, missing, wrong_data, no_place)
    return options.compare(arguments, [(fault.__name__, fault) for fault in faults], check, "end as they should")


if __name__ == "__main__":
    raise SystemExit(main())
