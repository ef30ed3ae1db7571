//===- World.cpp - ranks, replicas and coordinates ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See World.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/World.h"

#include <algorithm>
#include <cstdlib>
#include <sched.h>
#include <unistd.h>

namespace colo::runtime {

namespace {
struct Launcher {
  const char *name, *rank, *size;
  const char *here, *place; ///< of the ranks those on this host, and which of them this is
  bool speaksMpi = false;
  bool mayUse = false;        ///< the last launcher, to start a daemon on each host, whose variables the ranks inherit
  bool countsScripts = false; ///< a batch script is its rank 0, of a size that it does not say
};
} // namespace

static const char *textOf(const char *variable) {
  const char *text = std::getenv(variable);
  return text && *text ? text : nullptr;
}

/// The number that the launcher has given `variable`.
static Status readNumber(const Launcher &launcher, const char *variable, int64_t &number) {
  const char *text = textOf(variable);
  if (parseInteger(text, number) == Integer::Some)
    return Status::ok();
  return Status::usage("%s=%s of %s is not an integer", variable, text, launcher.name);
}

/// What one launcher says of this process, in `world`.
static Status readLauncher(const Launcher &launcher, World &world) {
  int64_t &rank = world.processRank, &size = world.ranks, &here = world.ranksOnHost, &place = world.rankOnHost;
  if (Status status = readNumber(launcher, launcher.rank, rank); status.failed())
    return status;
  if (Status status = readNumber(launcher, launcher.size, size); status.failed())
    return status;
  if (rank < 0 || size < 1 || rank >= size)
    return Status::usage("%s says rank %lld of %lld ranks (%s, %s)", launcher.name, static_cast<long long>(rank),
                         static_cast<long long>(size), launcher.rank, launcher.size);
  here = size;
  if (textOf(launcher.here)) {
    if (Status status = readNumber(launcher, launcher.here, here); status.failed())
      return status;
    if (here < 1)
      return Status::usage("%s says %lld ranks on this host (%s)", launcher.name, static_cast<long long>(here),
                           launcher.here);
    here = std::min(here, size);
  }
  place = rank % here;
  if (!textOf(launcher.place))
    return Status::ok();
  if (Status status = readNumber(launcher, launcher.place, place); status.failed())
    return status;
  if (place < 0 || place >= size)
    return Status::usage("%s says that rank %lld is number %lld on its host (%s)", launcher.name,
                         static_cast<long long>(rank), static_cast<long long>(place), launcher.place);
  return Status::ok();
}

/// What is missing of the launcher's rank and size; empty where both are, or what is there says that this is the only
/// rank.
static std::string describeHalf(const Launcher &launcher) {
  const char *rank = textOf(launcher.rank), *size = textOf(launcher.size);
  int64_t number = 0;
  const char *form = "%s=%s says which rank this is, and %s, of how many, is not set; set both, or neither to train "
                     "without other processes";
  if (rank && !size && !(launcher.countsScripts && parseInteger(rank, number) == Integer::Some && number == 0))
    return formatString(form, launcher.rank, rank, launcher.size);
  form = "%s=%s says how many ranks there are, and %s, which of them this is, is not set; set both, or neither to "
         "train without other processes";
  if (size && !rank && !(parseInteger(size, number) == Integer::Some && number == 1))
    return formatString(form, launcher.size, size, launcher.rank);
  return "";
}

Status detectLauncher(World &world) {
  static const Launcher launchers[] = {
      {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK"},
      {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE",
       "OMPI_COMM_WORLD_LOCAL_RANK", true, true},
      {"PMI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", "MPI_LOCALRANKID", true, true},
      // A batch script, which is one process, has the number of the job's tasks, but not of a step's.
      {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS_PER_NODE", "SLURM_LOCALID", false, false, true}};
  const Launcher *found = nullptr;
  // torchrun itself, whatever has started it on each host, and not a script that sets RANK as another launcher says.
  const bool isTorchrun = textOf("TORCHELASTIC_RUN_ID") && textOf("RANK") && textOf("WORLD_SIZE");
  bool speaksMpi = !isTorchrun && textOf("PMIX_RANK"); // srun --mpi=pmix
  for (const Launcher &launcher : launchers) {
    World said;
    if (!textOf(launcher.rank) || !textOf(launcher.size)) {
      if (world.incomplete.empty())
        world.incomplete = describeHalf(launcher);
      continue;
    }
    if (found && (isTorchrun || (found->mayUse && &launcher == std::end(launchers) - 1)))
      continue;
    if (Status status = readLauncher(launcher, said); status.failed())
      return status;
    speaksMpi |= launcher.speaksMpi;
    if (!found) {
      found = &launcher;
      world.processRank = said.processRank;
      world.ranks = said.ranks;
      world.ranksOnHost = said.ranksOnHost;
      world.rankOnHost = said.rankOnHost;
      continue;
    }
    if (said.processRank != world.processRank || said.ranks != world.ranks)
      return Status::usage("launchers disagree: %s says rank %lld of %lld, %s says rank %lld of %lld", found->name,
                           static_cast<long long>(world.processRank), static_cast<long long>(world.ranks),
                           launcher.name, static_cast<long long>(said.processRank), static_cast<long long>(said.ranks));
  }
  if (found) {
    world.incomplete.clear();
    world.launched = true;
    world.speaksMpi = speaksMpi;
    world.launcher = found->name;
    world.sizeVariable = found->size;
  }
  return Status::ok();
}

/// Micro-batches of a step, and rows, from the batch sizes.
static Status planBatches(const ColoProgram &program, World &world) {
  int64_t micro = program.microBatch;
  if (program.globalBatchSize > 0) {
    if (program.globalBatchSize % (world.dp * micro))
      return Status::usage("the global batch of %lld rows is not a multiple of %lld replicas x %lld rows",
                           static_cast<long long>(program.globalBatchSize), static_cast<long long>(world.dp),
                           static_cast<long long>(micro));
    world.microBatches = program.globalBatchSize / (world.dp * micro);
  } else {
    world.microBatches = program.batchSize / micro * program.accumulation;
  }
  if (program.stepMultiple > 1 && world.microBatches % program.stepMultiple)
    return Status::usage("a step of %lld micro-batches is not a multiple of the %lld that the pipeline's schedule runs",
                         static_cast<long long>(world.microBatches), static_cast<long long>(program.stepMultiple));
  world.rowsPerReplica = world.microBatches * micro;
  world.globalRows = world.rowsPerReplica * world.dp;
  return Status::ok();
}

/// The factors of a replica as the config names them: "tensor 2 x sequence 3 x pipeline 2".
static std::string describeFactors(const ColoProgram &program, const World &world) {
  int64_t sequence = std::max<int64_t>(1, program.sequence);
  std::string text = formatString("tensor %lld", static_cast<long long>(world.tensor / sequence));
  if (sequence > 1)
    text += formatString(" x sequence %lld", static_cast<long long>(sequence));
  return text + formatString(" x pipeline %lld", static_cast<long long>(world.pipeline));
}

/// How to start `ranks` ranks.
static std::string howToStart(const World &world, int64_t ranks) {
  const char *form = !world.launched ? "--ranks=%lld" : world.speaksMpi ? "mpirun -n %lld" : "%lld processes";
  return formatString(form, static_cast<long long>(ranks));
}

Status planWorld(const ColoProgram &program, int64_t ranks, World &world) {
  world.pipeline = std::max<int64_t>(1, program.pipeline);
  world.tensor = 1;
  for (int64_t i = 0; i < program.axisCount; ++i)
    world.tensor *= program.axes[i].size;
  int64_t model = world.pipeline * world.tensor;
  world.ranks = ranks > 0 ? ranks : model * std::max<int64_t>(1, program.data);
  if (world.ranks > 4096 && !world.launched)
    return Status::usage("%lld ranks are too many for one process", static_cast<long long>(world.ranks));
  if (world.ranks % model)
    return Status::usage("%lld ranks do not fit: %s needs a multiple of %lld (%s), such as %s",
                         static_cast<long long>(world.ranks), program.model, static_cast<long long>(model),
                         describeFactors(program, world).c_str(),
                         howToStart(world, (world.ranks + model - 1) / model * model).c_str());
  world.dp = world.ranks / model;
  if (program.data > 0 && world.dp != program.data)
    return Status::usage("%lld ranks make %lld replicas, but the config says data=%lld, which needs %s",
                         static_cast<long long>(world.ranks), static_cast<long long>(world.dp),
                         static_cast<long long>(program.data), howToStart(world, program.data * model).c_str());
  return planBatches(program, world);
}

Coordinates coordinatesOf(const ColoProgram &program, const World &world, int64_t rank) {
  Coordinates at;
  int64_t t = rank % world.tensor;
  at.stage = rank / world.tensor % world.pipeline;
  at.replica = rank / world.tensor / world.pipeline;
  at.axes.resize(program.axisCount);
  for (int64_t i = program.axisCount - 1; i >= 0; --i) {
    at.axes[i] = t % program.axes[i].size;
    t /= program.axes[i].size;
  }
  return at;
}

SplitKey splitKey(const ColoProgram &program, const ColoComm &comm, const Coordinates &at, const World &world) {
  std::vector<bool> inside(program.axisCount, false);
  bool joined = at.stage < 64 && (comm.stages >> at.stage & 1);
  int64_t key = comm.dataParallel ? at.replica : 0;
  key = joined ? key * world.pipeline + at.stage : key;
  for (int32_t i = 0; i < comm.axes.count; ++i) {
    int32_t axis = comm.axes.axis[i];
    inside[axis] = true;
    key = key * program.axes[axis].size + at.axes[axis];
  }
  int64_t color = comm.dataParallel ? 0 : at.replica;
  // Stages that join take the color of the first of them; the others keep theirs.
  int64_t first = at.stage;
  for (int64_t stage = 0; joined && stage < first; ++stage)
    if (comm.stages >> stage & 1)
      first = stage;
  color = color * world.pipeline + first;
  for (int64_t i = 0; i < program.axisCount; ++i)
    if (!inside[i])
      color = color * program.axes[i].size + at.axes[i];
  return {static_cast<int>(color), static_cast<int>(key)};
}

std::string describeCoordinates(const ColoProgram &program, const Coordinates &at) {
  std::string text = formatString("replica %lld", static_cast<long long>(at.replica));
  if (program.pipeline > 1)
    text += formatString(", stage %lld", static_cast<long long>(at.stage));
  for (int64_t i = 0; i < program.axisCount; ++i)
    text += formatString(", %s %lld", program.axes[i].name, static_cast<long long>(at.axes[i]));
  return text;
}

/// Cores that a process may use.
static int64_t coresOf(pid_t process) {
  cpu_set_t set;
  if (sched_getaffinity(process, sizeof set, &set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&set));
}

int64_t availableCores() { return coresOf(0); }

int64_t ranksHere(const World &world) {
  if (!world.launched)
    return world.ranks;
  // A launcher that binds its processes is not bound itself: of its cores each of them has a share, alone or with
  // others.
  return ranksSharing(world.ranksOnHost, availableCores(), coresOf(getppid()));
}

int64_t ranksSharing(int64_t ranks, int64_t cores, int64_t launcherCores) {
  if (cores >= launcherCores)
    return ranks;
  return (ranks * cores + launcherCores - 1) / launcherCores;
}

} // namespace colo::runtime
