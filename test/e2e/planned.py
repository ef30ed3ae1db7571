"""Reads --plan=json and --stats: what each rank was to send, and what it sent."""

import json
import os
import subprocess
import typing

from options import Failure


class Traffic(typing.NamedTuple):
    bytes: int = 0
    messages: int = 0

    def __add__(self, other):
        return Traffic(self.bytes + other.bytes, self.messages + other.messages)


def write_config(path, tensor, batch, micro, extra="", stages=1):
    """A config with one tensor group, such as "size=4, mode='2d'", or none, in each of the pipeline's stages."""
    with open(path, "w") as file:
        group = f", tensor=dict({tensor})" if tensor else ""
        file.write(f"parallel = dict(pipeline={stages}{group})\n")
        file.write(f"BATCH_SIZE = {batch}\nNUM_MICRO_BATCHES = {micro}\n{extra}\n")


def compiler(examples, model, config, *flags):
    return ["colo-compile", os.path.join(examples, model, model + ".colo"), "--config", config, *flags]


def read_json(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def member_of(site, plan, replica, stage, coordinates):
    """A rank's place in its group: the replica first, then the pipeline rank, then the coordinates in the order of the
    site's axes. "pp:0:3" are pipeline ranks 0 and 3; None if the rank is not in the group."""
    axes = site["axes"].split(",") if site["axes"] else []
    member = replica if "dp" in axes else 0
    names = list(plan["mesh"])
    for axis in axes:
        if axis.split(":")[0] == "pp":
            stages = [int(number) for number in axis.split(":")[1:]] or list(range(len(plan["pipeline"])))
            if stage not in stages:
                return None
            member = member * len(stages) + stages.index(stage)
        elif axis != "dp":
            member = member * plan["mesh"][axis] + coordinates[names.index(axis)]
    return member


def planned_at(site, plan, replica, stage, coordinates):
    """What one rank sends at one site in a step."""
    member = member_of(site, plan, replica, stage, coordinates)
    executions = site.get("executions_by_stage", [site["executions_per_step"]])[stage]
    if member is None or executions == 0:
        return Traffic()
    for count, sent, messages in site["sent"]:
        if member < count:
            times = executions // site["rounds"]
            return Traffic(sent * times, messages * times)
        member -= count
    raise ValueError(f"{site} has no such member")


def coordinates_of(plan, rank):
    """(replica, pipeline rank, tensor coordinates) of a rank; the last axis varies fastest."""
    coordinates = []
    for size in reversed(plan["mesh"].values()):
        coordinates.insert(0, rank % size)
        rank //= size
    stages = len(plan["pipeline"])
    return rank // stages, rank % stages, coordinates


def planned_by_rank(plan):
    """Of each rank of the world, what it sends in a step."""
    world = plan["ranks"] * plan["replicas"]
    places = [coordinates_of(plan, rank) for rank in range(world)]
    return [sum((planned_at(site, plan, *place) for site in plan["collectives"]), Traffic()) for place in places]


def differences(plan, stats):
    """Places where a rank's counters are not what was planned for it, as text. Sites that only evaluation reaches are
    planned as nothing."""
    steps = stats["steps"]
    found = []
    for rank in stats["per_rank"]:
        if len(rank["sites"]) != len(plan["collectives"]):
            found.append(f"{len(rank['sites'])} sites counted, {len(plan['collectives'])} planned")
        for site, planned in zip(rank["sites"], plan["collectives"]):
            if site["phase"] != planned["phase"]:
                found.append(f"{planned['source']} is planned {planned['phase']}, counted {site['phase']}")
            wanted = planned_at(planned, plan, rank["replica"], rank["stage"], rank["coordinates"])
            counted = Traffic(site["bytes"], site["messages"])
            if counted != Traffic(wanted.bytes * steps, wanted.messages * steps):
                found.append(f"rank {rank['rank']} {planned['kind']} over {planned['axes']} for {planned['source']}: "
                             f"counted {tuple(counted)}, planned {tuple(wanted)} a step")
    return found


def run(command, base, plan, ranks):
    """Compiles to `base` and runs one step; what was counted, which is what was planned."""
    subprocess.run([*command, "-O1", "-o", base], check=True)
    counters = base + ".stats"
    subprocess.run([base, "--data=synthetic:512", "--steps=1", f"--ranks={ranks}", "--quiet", f"--stats={counters}"], check=True)
    with open(counters) as file:
        stats = json.load(file)
    if found := differences(plan, stats):
        raise Failure("\n".join(found[:5]))
    return stats


def counted_by_phase(plan, stats):
    """What all ranks together sent in each phase over each list of axes, what nothing was sent over left out."""
    sums = {}
    for rank in stats["per_rank"]:
        for site, planned in zip(rank["sites"], plan["collectives"], strict=True):
            place = site["phase"], planned["axes"]
            sums[place] = sums.get(place, Traffic()) + Traffic(site["bytes"], site["messages"])
    return {place: traffic for place, traffic in sums.items() if traffic.messages}
