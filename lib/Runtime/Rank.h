//===- Rank.h - one rank of a run --------------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Run is what all ranks of a process share and only read after start; Rank owns
// everything of one rank and lives on that rank's thread.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_RANK_H
#define COLO_LIB_RUNTIME_RANK_H

#include "Actions.h"
#include "Profile.h"
#include "StepGraph.h"
#include "colo/Runtime/Arena.h"
#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Data.h"
#include "colo/Runtime/Device.h"
#include "colo/Runtime/LossScale.h"
#include "colo/Runtime/Options.h"
#include "colo/Runtime/Parameters.h"
#include "colo/Runtime/Program.h"
#include "colo/Runtime/World.h"

#include <memory>

namespace colo::runtime {

class Logger;
class SafetensorsFile;

struct Run {
  const ColoProgram *program = nullptr;
  Options options;
  World world;
  uint64_t seed = 0;
  int64_t threads = 1;  ///< per rank
  bool overlap = false; ///< collectives inside layers run on a thread of their own
  DeviceChoice device;  ///< of a rank that is a process
  ncclUniqueId id = {};
  std::unique_ptr<Dataset> train, eval;
  std::unique_ptr<SafetensorsFile> init;
  Logger *logger = nullptr; ///< rank 0 writes
  double startSeconds = 0;  ///< from the start of the process to its first step
};

class Rank {
public:
  Rank(Run &run, int64_t rank);
  ~Rank();

  /// Communicators, arena, products, initial values.
  Status setUp();
  Status train();

  const ColoProgram &program() const { return *run.program; }
  const Coordinates &coordinates() const { return at; }
  int64_t index() const { return rank; }
  Run &shared() const { return run; }
  /// Of all ranks, on memory of the host.
  ncclComm_t worldComm() const { return world; }
  Device &device() const { return *owned; }
  const std::vector<Tensor> &tensors() const { return tensorList; }
  /// Whether the tensor lies on this pipeline rank.
  bool holds(const Tensor &tensor) const { return tensor.param->stage == at.stage; }
  char *shard(const Tensor &tensor, const char *buffer) const {
    return const_cast<char *>(buffer) + tensor.offset * typeSize(run.program->dtype);
  }
  const ColoFrame &frame() const { return colo; }
  const Arena &arena() const { return memory; }
  Products &products() const { return owned->products(); }
  const std::vector<CommCounter> &counters() const { return commCounters; }
  int64_t highWater() const;
  const LossScale &lossScale() const { return scale; }
  /// How steps get on a device with memory of its own, in words; else empty.
  std::string describeLaunches() const;
  std::vector<const StepGraph *> graphs() const { return {training.get(), evaluation.get()}; }

  /// Bytes of the workspace that steps have written, where --stats asked for it.
  bool painted = false;
  ActionLog actionLog;

private:
  Status setUpComms();
  Status setUpMemory();
  Status setUpFrame();
  Status setUpSteps(const DeviceSetup &setup);
  ColoStage stage() const;
  bool hasCopies() const { return run.program->readAs == COLO_BF16 || run.program->readAs == COLO_F16; }
  void copyParameters();
  /// Into a twin of the inputs.
  Status readRows(const Dataset &data, int64_t position, bool shuffled, char *twin);
  /// Gives the step its rows, or those that stageRows has brought.
  Status loadRows(int64_t step);
  /// Brings the rows of a step to a device with memory of its own while the one before runs.
  void stageRows(int64_t step);
  Status trainStep(int64_t step);
  Status evaluate(int64_t step);
  void setCounting(bool on);
  /// Tells the device's kernels too what the frame says of this step.
  void uploadStepValues();

  Run &run;
  int64_t rank;
  Coordinates at;
  ColoFrame colo = {};
  std::unique_ptr<Device> owned;
  Arena memory;
  char *inputs[2] = {}; ///< the host's twins of the region, for steps in turn
  int64_t stagedStep = -1;
  ColoStepValues *stepValues = nullptr; ///< the host's twin of the frame's
  std::vector<Tensor> tensorList;
  ncclComm_t world = nullptr, deviceWorld = nullptr;
  std::vector<ncclComm_t> comms;
  std::vector<void *> inputPointers;
  std::vector<CommCounter> commCounters;
  CommCaller caller;
  std::vector<double> evalSums;
  LossScale scale;
  std::unique_ptr<StepGraph> training, evaluation;
  std::string plainBecause;        ///< why steps are no graphs; empty: they are
  int64_t reached = -1;            ///< high-water mark before products overwrote what steps left
  Elapsed profiled;                ///< of the steps that --profile shows
  std::vector<double> stepSeconds; ///< of every step, where --time-products asks for it
};

/// Turns an nccl result into a Status with the provider's message.
Status commStatus(ncclResult_t result);
Status commStatus(const CommProvider &provider, ncclResult_t result);
/// What other processes and the network do is not our fault.
Status commFailure(ncclResult_t result, const char *message);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_RANK_H
