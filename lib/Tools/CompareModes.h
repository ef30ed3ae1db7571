//===- CompareModes.h - what each parallel mode would cost -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One model and one global batch on one number of ranks, in the config's
// pipeline: every tensor group whose size divides the ranks of a stage is
// planned, the rest of these being replicas.
// A plan is that of --plan for the same group.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_TOOLS_COMPAREMODES_H
#define COLO_LIB_TOOLS_COMPAREMODES_H

#include "colo/Dialect/Dist/Policy.h"
#include "colo/Frontend/Config.h"
#include "colo/Plan/Plan.h"
#include "colo/Tools/Compile.h"
#include "mlir/IR/OwningOpRef.h"
#include <map>

namespace colo {

struct ModeRow {
  dist::ShardingOptions group;
  int64_t replicas = 1;
  std::optional<Plan> plan; ///< nothing if the mode is not legal for the model
  std::string reason;       ///< why not
};

class ModeComparison {
public:
  /// Makes the global program of so many rows, or says why not.
  using Importer = llvm::function_ref<mlir::OwningOpRef<mlir::ModuleOp>(int64_t microBatch, std::string &reason)>;

  /// `config` has a known world, a multiple of its pipeline; `algorithm` as in CompileRequest.
  ModeComparison(mlir::MLIRContext &context, const ParallelConfig &config, llvm::StringRef algorithm, Importer import);

  void printText(llvm::raw_ostream &os) const;
  void printJSON(llvm::raw_ostream &os) const;

  llvm::ArrayRef<ModeRow> getRows() const { return rows; }
  /// A phase that no input can make fail has failed.
  bool isInternalError() const { return internalError; }

private:
  /// The differentiated program, or why there is none.
  struct Program {
    mlir::OwningOpRef<mlir::ModuleOp> module;
    std::string reason;
  };

  bool isPipeline() const { return config.pipeline > 1; }
  ModeRow compare(const dist::ShardingOptions &group);
  std::optional<Phase> runPhases(Phase first, Phase last, const ParallelConfig &changed, mlir::ModuleOp module,
                                 std::string &reason);
  const Program &programOf(const ParallelConfig &changed);
  void plan(const ParallelConfig &changed, ModeRow &row);

  mlir::MLIRContext &context;
  const ParallelConfig &config;
  std::string algorithm;
  Importer import;
  int64_t globalRows = 0;   ///< of one step
  int64_t microBatches = 0; ///< of one replica's step
  bool internalError = false;
  std::map<int64_t, Program> programs; ///< by rows of a micro-batch
  std::vector<ModeRow> rows;
};

} // namespace colo

#endif // COLO_LIB_TOOLS_COMPAREMODES_H
