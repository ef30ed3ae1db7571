//===- World.h - ranks, replicas and coordinates -----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// rank = (replica * pipeline + stage) * tensor + t, and t is the mixed-radix
// number of the coordinates on the program's tensor axes, major to minor.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_WORLD_H
#define COLO_RUNTIME_WORLD_H

#include "colo/Runtime/Options.h"
#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <vector>

namespace colo::runtime {

struct World {
  int64_t ranks = 1, dp = 1, pipeline = 1, tensor = 1;
  int64_t microBatches = 1;   ///< per replica and step, accumulation included
  int64_t rowsPerReplica = 1; ///< per step
  int64_t globalRows = 1;     ///< per step
  bool launched = false;      ///< by a launcher: one process per rank
  int64_t processRank = 0;    ///< then, this process's rank
  int64_t ranksOnHost = 1;    ///< and the ranks on its host
  int64_t rankOnHost = 0;     ///< and its number among them
  bool speaksMpi = false;     ///< MPI connects the processes: the launcher does so, or --comm says so
  std::string launcher;       ///< and its name
  std::string sizeVariable;   ///< and the variable that has its number of processes
  std::string incomplete;     ///< without one: which variable of one is missing beside another that is set
};

/// Rank and size from the environment of a launcher, by order torchrun, Open
/// MPI, PMI, Slurm; `launched` stays false without one, and `incomplete` says whether there is half of one. Two
/// launchers that disagree are a usage error that prints both, and so is one that says no numbers.
Status detectLauncher(World &world);

/// Sizes for `ranks` ranks (0: the program's default), checked against what is
/// compiled in.
Status planWorld(const ColoProgram &program, int64_t ranks, World &world);

struct Coordinates {
  int64_t replica = 0, stage = 0;
  std::vector<int64_t> axes; ///< on each tensor axis
};
Coordinates coordinatesOf(const ColoProgram &program, const World &world, int64_t rank);

/// What ncclCommSplit takes so that the communicator has the ranks and the order
/// that ColoComm describes.
struct SplitKey {
  int color, key;
};
SplitKey splitKey(const ColoProgram &program, const ColoComm &comm, const Coordinates &at, const World &world);

/// "replica 1, tp 0" for messages.
std::string describeCoordinates(const ColoProgram &program, const Coordinates &at);

/// Ranks that share the cores of availableCores(): those on this host, fewer where the launcher binds them to cores.
int64_t ranksHere(const World &world);

/// Of `ranks` processes that have `cores` each of `launcherCores`: how many share theirs.
int64_t ranksSharing(int64_t ranks, int64_t cores, int64_t launcherCores);

/// Cores that this process may use.
int64_t availableCores();

} // namespace colo::runtime

#endif // COLO_RUNTIME_WORLD_H
