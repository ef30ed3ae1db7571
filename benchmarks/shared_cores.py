"""The makespan of a pipeline whose ranks share cores, from the predicted half of a trace (EXE --trace).

Each rank runs its actions in their order, each when what it uses is there; ranks that can run share the cores evenly.
With as many cores as ranks it is the simulation of the compiler.
"""

import json


def predicted(trace):
    """The actions of each rank in their order: their names and how long they take."""
    with open(trace) as file:
        events = json.load(file)["traceEvents"]
    ranks = {}
    for event in events:
        if event["ph"] == "X" and event["pid"] == 0 and event["tid"] % 2 == 0:
            ranks.setdefault(event["tid"] // 2, []).append((event["ts"], event["name"], event["dur"]))
    return [[(name, time) for _, name, time in sorted(ranks[rank])] for rank in sorted(ranks)]


def needs(rank, name, count):
    """Of other ranks, what an action runs after: any of these; of one chunk a rank."""
    number = name[1:]
    if name[0] == "F" and rank > 0:
        return {(rank - 1, "F" + number)}
    if name[0] in "BI" and rank + 1 < count:
        return {(rank + 1, "B" + number), (rank + 1, "I" + number)}
    return set()


def share(trace, cores):
    """The makespan over the sum of all actions."""
    ranks = predicted(trace)
    position, done, now = [0] * len(ranks), set(), 0.0
    left = [actions[0][1] for actions in ranks]
    while True:
        current = {rank: actions[at][0] for rank, (actions, at) in enumerate(zip(ranks, position)) if at < len(actions)}
        if not current:
            return now / sum(time for actions in ranks for _, time in actions)
        waits = {rank: needs(rank, name, len(ranks)) for rank, name in current.items()}
        running = [rank for rank in current if not waits[rank] or waits[rank] & done]
        speed = min(1.0, cores / len(running))
        spent = min(left[rank] for rank in running)
        now += spent / speed
        for rank in running:
            left[rank] -= spent
            if left[rank] > 1e-9 * now:
                continue
            done.add((rank, current[rank]))
            position[rank] += 1
            if position[rank] < len(ranks[rank]):
                left[rank] = ranks[rank][position[rank]][1]
